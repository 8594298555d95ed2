"""Figures: what is drawn is what the grid says, readable on every colour, with nothing hidden or interpreted."""

from __future__ import annotations

import numpy as np
import pytest

from codi_core.figures.lens import MEASURES, Measure, heatmap, lens_table, measured, trajectories, wide_table
from codi_core.figures.paint import COLOUR_BY, ColourBy, difference, luminance, paint, ramp
from codi_core.figures.panels import difference_panel, mark, marks_legend, token_panel
from codi_core.figures.text import glyphs, number, percent, short
from codi_core.figures.token_lines import spread, token_lines
from codi_core.values.lens import LensGrid, TrackedToken

INDICES, DEPTHS, K = 3, 4, 5
TOKEN = TrackedToken("24", (7, 9), ("24", " 24"), "")


@pytest.fixture
def grid() -> LensGrid:
    rng = np.random.default_rng(0)
    probs = np.sort(rng.dirichlet(np.ones(K), (INDICES, DEPTHS)), -1)[..., ::-1].astype(np.float32)
    ids = rng.integers(0, 900, (INDICES, DEPTHS, K))
    return LensGrid(
        lens="logit",
        model_key="m",
        top_ids=ids,
        top_tokens=np.char.add(" <b>", ids.astype(str)),
        top_probs=probs,
        entropy=rng.random((INDICES, DEPTHS), np.float32) * 5,
        kl=rng.random((INDICES, DEPTHS), np.float32) * 9,
        tracked_ids=(7, 9),
        tracked_tokens=("24", " 24"),
        tracked_rank=rng.integers(1, 900, (INDICES, DEPTHS, 2)),
        tracked_prob=rng.random((INDICES, DEPTHS, 2), np.float32) / 2,
    )


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        (" people", "␣people"),
        ("\n", "⏎"),
        ("a\tb", "a⇥b"),
        ("\x00", "␀"),
        ("\u202eevil", "‹202E›evil"),
        ("\u200d", "‹200D›"),
        ("", "∅"),
        ("\u0301", "◌\u0301"),
        ("360", "360"),
    ],
)
def test_tokens_hide_nothing(token: str, shown: str) -> None:
    assert glyphs(token) == shown


def test_short_tokens_keep_their_width() -> None:
    assert short(" additional", 6) == "␣addi…"
    assert short("abc", 3) == "abc"


@pytest.mark.parametrize(
    ("share", "shown"), [(1.0, "100 %"), (0.99995, "100 %"), (0.406, "40.6 %"), (0.0321, "3.21 %"), (1e-9, "<0.01 %"), (0.0, "0 %")]
)
def test_percentages(share: float, shown: str) -> None:
    assert percent(share) == shown


def test_numbers_are_whole_where_they_are() -> None:
    assert [number(24.0), number(1234.0), number(2.5), number(float("inf"))] == ["24", "1,234", "2.5", "inf"]


@pytest.mark.parametrize("by", COLOUR_BY)
def test_every_colouring_fills_the_scale_and_stays_readable(grid: LensGrid, by: ColourBy) -> None:
    painted = paint(grid, by, TOKEN)
    assert painted.values.shape == painted.level.shape == (INDICES, DEPTHS)
    assert painted.level.min() >= 0
    assert painted.level.max() <= 1
    assert all(0 <= level <= 1 for level, _ in painted.ticks)
    background = luminance(ramp(painted.level, painted.scale))
    text = np.where(np.array(painted.ink) == "#ffffff", 1.0, 0.0)
    contrast = (np.maximum(background, text) + 0.05) / (np.minimum(background, text) + 0.05)
    assert contrast.min() >= 4.5


def test_targets_sum_their_spellings_and_take_the_best_rank(grid: LensGrid) -> None:
    assert np.allclose(paint(grid, "P(target)", TOKEN).values, grid.tracked_prob.sum(-1))
    assert np.array_equal(paint(grid, "Rank(target)", TOKEN).values, grid.tracked_rank.min(-1))


def test_rank_one_is_the_bright_end(grid: LensGrid) -> None:
    painted = paint(grid, "Rank(target)", TOKEN)
    order = np.argsort(painted.values.ravel())
    assert np.all(np.diff(painted.level.ravel()[order]) <= 0)
    assert painted.ticks[-1] == (1.0, "1")


def test_a_grid_of_zeros_can_be_painted(grid: LensGrid) -> None:
    grid.kl[:] = 0
    assert not paint(grid, "KL to output").level.any()


@pytest.mark.parametrize("flip", [False, True])
def test_the_figure_puts_the_output_on_top_unless_flipped(grid: LensGrid, flip: bool) -> None:
    panels = [token_panel("Logit", grid, paint(grid, "Entropy"), (TOKEN,), {}), token_panel("Tuned", grid, paint(grid, "Entropy"), (), {})]
    figure = heatmap(panels, flip, "<i>title</i>", "bundled · key 1")
    low, high = figure.layout.yaxis.range
    assert (low < high) is not flip
    assert figure.layout.yaxis.title.text == "Layer (0 = embeddings … 3 = output)"
    assert figure.layout.xaxis.ticktext == ("prompt (bot)", "z1", "z2")
    assert "&lt;i&gt;" in figure.layout.title.text
    assert figure.layout.annotations[0].text == "bundled · key 1"
    assert len(figure.data) == 4
    texts = figure.data[1]
    cell = next(n for n, (x, y) in enumerate(zip(texts.x, texts.y, strict=True)) if (x, y) == (2, 1))
    assert texts.text[cell] == short(str(grid.top_tokens[2, 1, 0])).replace("<", "&lt;").replace(">", "&gt;")
    assert np.isclose(figure.data[0].z[1][2], grid.entropy[2, 1] / grid.entropy.max())


@pytest.mark.parametrize("measure", MEASURES)
def test_trajectories_draw_every_line_and_the_chosen_ones_last(grid: LensGrid, measure: Measure) -> None:
    values = measured(grid, measure, TOKEN)
    figure = trajectories(values, measure, index=1, depth=2)
    assert len(figure.data) == INDICES + DEPTHS
    over_depth, over_index = figure.data[INDICES - 1], figure.data[-1]
    assert over_depth.name == "z1"
    assert np.allclose(over_depth.y, values[1])
    assert over_index.name == "layer 2"
    assert np.allclose(over_index.y, values[:, 2])


def test_every_tracked_token_is_a_line_with_its_name_at_the_end(grid: LensGrid) -> None:
    other = TrackedToken("x", (int(grid.tracked_ids[-1]),), ("x",), "")
    series = {"24": measured(grid, "Rank", TOKEN), "<b>": measured(grid, "Rank", other)}
    figure = token_lines(series, "Rank", index=1, depth=2)
    assert [trace.name for trace in figure.data] == ["24", "24", "<b>", "<b>"]
    assert np.allclose(figure.data[0].y, series["24"][1]) and np.allclose(figure.data[3].y, series["<b>"][:, 2])
    assert [note.text for note in figure.layout.annotations[-2:]] == ["24", "&lt;b&gt;"]


@pytest.mark.parametrize("heights", [[0.0, 0.0, 0.0], [1.0, 0.99, 0.5], [0.2, 0.9], [0.5] * 40])
def test_names_at_the_ends_keep_their_order_and_do_not_overlap(heights: list[float]) -> None:
    placed = spread(heights, 0.075)
    assert list(np.argsort(placed, kind="stable")) == list(np.argsort(heights, kind="stable"))
    assert np.diff(sorted(placed)).min() >= min(0.075, 1 / (len(heights) - 1)) - 1e-9
    assert min(placed) >= -1e-9 and max(placed) <= 1 + 1e-9


def test_the_table_holds_everything(grid: LensGrid) -> None:
    table = lens_table(grid, (TOKEN,))
    assert len(table) == INDICES * DEPTHS * K
    row = table[(table["index"] == 2) & (table["depth"] == 1) & (table["rank"] == 3)].iloc[0]
    assert row["token_id"] == grid.top_ids[2, 1, 2]
    assert np.isclose(row["probability"], grid.top_probs[2, 1, 2])
    assert np.isclose(row["kl_to_output_nats"], grid.kl[2, 1])
    assert row["rank(24)"] == grid.rank_of(TOKEN)[2, 1]


def test_the_wide_table_is_the_heatmap(grid: LensGrid) -> None:
    table = wide_table(token_panel("Logit", grid, paint(grid, "Entropy"), (), {}), flip=False)
    assert list(table["Layer"]) == [3, 2, 1, 0]
    assert np.allclose(table["z1 value"], grid.entropy[1, ::-1])


def test_cells_whose_number_means_something_are_marked(grid: LensGrid) -> None:
    grid.top_tokens[1, 2, 0] = " 16"
    panel = token_panel("Logit", grid, paint(grid, "Entropy"), (TOKEN,), {"16": "step 2", "7": "operand"})
    marked = [(i, d) for i in range(INDICES) for d in range(DEPTHS) if panel.cells[i][d].mark]
    assert marked == [(1, 2)]
    assert panel.cells[1][2].mark == "s2"
    assert panel.cells[1][2].facts[0] == "16 is step 2"
    assert marks_legend([panel], {"16": "step 2", "7": "operand"}) == "s2 = step 2"


@pytest.mark.parametrize(
    ("meaning", "letters"), [("answer", "ans"), ("2 × step 1", "2×s1"), ("answer − 10", "ans−10"), ("operand", "op"), ("", "")]
)
def test_marks_are_short(meaning: str, letters: str) -> None:
    assert mark(meaning) == letters


def test_a_difference_is_zero_in_the_middle_and_antisymmetric(grid: LensGrid) -> None:
    for by in COLOUR_BY:
        a, b = paint(grid, by, TOKEN), paint(grid, "Entropy") if by == "Entropy" else paint(grid, by, TOKEN)
        assert np.allclose(difference(a, b, "Δ").level, 0.5)
    first, second = paint(grid, "Entropy"), paint(grid, "KL to output")
    forward, backward = difference(first, second, "Δ"), difference(second, first, "Δ")
    assert np.allclose(forward.values, -backward.values)
    assert np.allclose(forward.level, 1 - backward.level)
    assert forward.ticks[1] == (0.5, "+0")


def test_a_difference_of_a_lens_with_itself_says_so_in_every_cell(grid: LensGrid) -> None:
    painted = paint(grid, "Entropy")
    panel = difference_panel(grid, grid, painted, painted)
    assert {cell.text for row in panel.cells for cell in row} == {"·"}
