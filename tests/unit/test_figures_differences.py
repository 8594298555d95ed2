"""Figures of difference vectors: every cell says what the grid says, nothing is read where A = B, and tables hold it all."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from codi_core.figures.differences import (
    BY,
    By,
    column_panel,
    cosine_panel,
    cosine_table,
    difference_table,
    formula,
    grid_figure,
    paint_differences,
    profile,
    source_panel,
)
from codi_core.figures.lens import heatmap
from codi_core.values.lens import DifferenceGrid
from codi_core.values.questions import EvalSetSpec
from codi_core.values.vectors import MeansSpec

COUNT, DEPTHS, K = 4, 3, 5
PAIRS = [(a, b) for a in range(COUNT) for b in range(a + 1, COUNT)]


def made(sign: Literal["B-A", "A-B"] = "B-A") -> DifferenceGrid:
    rng = np.random.default_rng(0)
    shape = (COUNT, COUNT, DEPTHS)
    ids = rng.integers(0, 900, (*shape, K))
    halves = rng.uniform(-1, 1, shape).astype(np.float32)
    halves[np.arange(COUNT), np.arange(COUNT)] = np.nan
    return DifferenceGrid(
        means=MeansSpec("m", EvalSetSpec("means", 10, 0, "d")),
        n=10,
        lens="logit",
        sign=sign,
        with_bias=False,
        top_ids=ids,
        top_tokens=np.char.add(" <b>", ids.astype(str)),
        top_probs=np.sort(rng.dirichlet(np.ones(K), shape), -1)[..., ::-1].astype(np.float32),
        entropy=rng.random(shape, np.float32) * 5,
        norms=rng.random(shape, np.float32) * 9,
        split_half=halves,
    )


@pytest.mark.parametrize("by", BY)
def test_every_colouring_says_its_own_number_on_one_scale(by: By) -> None:
    grid = made()
    painted = paint_differences(grid, by)
    values = {
        "Top-1 probability": grid.top_probs[..., 0],
        "Entropy": grid.entropy,
        "Length": grid.norms,
        "Split-half cosine": grid.split_half,
    }
    panel = source_panel(grid, painted, 1, (1, 2, 3))
    np.testing.assert_array_equal(panel.painted.values[1:], values[by][1, [2, 3]])
    assert panel.painted.ticks == source_panel(grid, painted, 2, (1, 2, 3)).painted.ticks
    assert np.isnan(panel.painted.level[0]).all()
    assert [cell.text for cell in panel.cells[0]] == ["·"] * DEPTHS
    assert panel.columns == ("B 1", "B 2", "B 3")
    assert len(panel.cells[1][0].top) == K


def test_a_column_has_all_ranks_of_its_pair() -> None:
    grid = made()
    panel = column_panel(grid, (2, 1))
    assert panel.shape == (K, DEPTHS)
    np.testing.assert_array_equal(panel.painted.values, grid.top_probs[2, 1].T)
    assert str(grid.top_ids[2, 1, 0, 3]) in panel.cells[3][0].facts[0]
    assert panel.title(3, 0) == "4. · layer 0"


def test_the_sign_is_said() -> None:
    assert formula(made("B-A"), (2, 4)) == "mean 4 − mean 2"
    assert formula(made("A-B"), (2, 4)) == "mean 2 − mean 4"


def test_cosines_name_rows_and_columns_alike() -> None:
    matrix = np.random.default_rng(1).uniform(-1, 1, (6, 6)).astype(np.float32)
    matrix = (matrix + matrix.T) / 2
    panel = cosine_panel(matrix, PAIRS, (1, 2, 3))
    assert panel.columns == ("1 → 2", "1 → 3", "2 → 3")
    assert panel.rows == panel.columns[::-1]
    assert panel.painted.values[0, 0] == matrix[PAIRS.index((1, 2)), PAIRS.index((2, 3))]
    assert panel.title(0, 2) == "1 → 2 · 1 → 2"
    assert cosine_table(matrix, PAIRS).shape == (6, 7)
    assert heatmap([panel], False, "t", "c").layout.yaxis.ticktext == panel.rows


def test_the_table_has_every_pair_depth_and_rank() -> None:
    grid = made()
    table = difference_table(grid, range(COUNT))
    assert len(table) == COUNT * (COUNT - 1) * DEPTHS * K
    row = table[(table.a == 3) & (table.b == 1) & (table.depth == 2) & (table["rank"] == 1)].iloc[0]
    assert (row.probability, row.length) == (pytest.approx(grid.top_probs[3, 1, 2, 0]), pytest.approx(grid.norms[3, 1, 2]))


def test_figures_stand_alone() -> None:
    grid = made()
    painted = paint_differences(grid, "Length")
    panels = [source_panel(grid, painted, a, range(COUNT)) for a in range(COUNT)]
    figure = grid_figure(panels, False, "<title>", "condition")
    assert sum(trace.type == "heatmap" and trace.showscale for trace in figure.data) == 1
    assert "&lt;b&gt;" in str(figure.to_json()).encode().decode("unicode_escape")
    assert len(figure.data) == 2 * COUNT
    front = [trace for trace in profile(grid, (2, 1), 1).data if trace.line.width == 3]
    np.testing.assert_array_equal(front[0].y, grid.norms[2, 1])
