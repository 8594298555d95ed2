"""Figures of steering: what is drawn as reached, and the curve says what the numbers say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codi_core.figures.steer import change_panel, dose_response, effects_table
from codi_core.values.evals import Controls, SteeringEffect
from codi_core.values.lens import LensGrid
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.reach import reach
from codi_core.values.stats import Estimate, PairedComparison, Share
from codi_core.values.vectors import Space
from codi_core.values.verdict import Band, Verdict

INDICES, DEPTHS = 7, 4


def cells(space: Space, *indices: int, **more: object) -> list[str]:
    """Depth 0 last, as on screen: # is reached, S is where the edit acts, * both."""
    area = reach((INDICES, DEPTHS), space, indices, **more)  # type: ignore[arg-type]
    return ["".join(".S#*"[area.site[i, d] + 2 * area.cells[i, d]] for i in range(INDICES)) for d in reversed(range(DEPTHS))]


@pytest.mark.parametrize("space", ["z", "h"])
def test_a_latent_enters_the_next_index_as_its_embedding(space: Space) -> None:
    assert cells(space, 3) == ["....###", "....###", "....###", "....*##"]


def test_a_residual_reaches_what_lies_above_it_and_all_later_indices() -> None:
    assert cells("resid", 3, layer=2) == ["...####", "...*###", "....###", "....###"]


def test_a_residual_at_the_last_index_reaches_the_rest_of_its_column() -> None:
    assert cells("resid", 6, layer=3) == ["......*", ".......", ".......", "......."]


def test_a_slot_is_read_by_the_next_pass_after_its_layer() -> None:
    assert cells("kv", 3, layers=(1,)) == ["....###", "....###", "...S.##", ".....##"]
    assert cells("kv", 3) == ["....###", "...S###", "...S###", "...S.##"]


def test_a_slot_of_the_last_index_reaches_the_answer_alone() -> None:
    area = reach((INDICES, DEPTHS), "kv", (6,))
    assert not area.cells.any()
    assert area.site[6].sum() == DEPTHS - 1


def test_several_indices_reach_what_the_first_one_does() -> None:
    assert (reach((INDICES, DEPTHS), "z", (2, 4)).cells == reach((INDICES, DEPTHS), "z", (2,)).cells).all()


def test_the_edges_are_drawn_where_what_is_reached_begins() -> None:
    edges = reach((INDICES, DEPTHS), "resid", (3,), layer=2).edges
    assert edges[3, 2] == "site left below"
    assert edges[3, 3] == "left"
    assert edges[4, 1] == "left"
    assert (5, 1) not in edges
    assert (2, 2) not in edges


BEFORE = Outcomes(correct=80, wrong=100, spelled_out=10, cut_off=8, no_number=2, correct_spelled_out=4)
AFTER = Outcomes(correct=90, wrong=110)


@pytest.fixture
def effect() -> SteeringEffect:
    paired = PairedComparison(200, 150.0, 0.4, 0.45, 0.05, -0.01, 0.11, 14, 4, 0.03, 0.06)
    return SteeringEffect(
        key="k",
        baseline_key="b",
        done=200,
        total=200,
        baseline=Share(0.4, 0.33, 0.47, 200, 150.0),
        steered=Share(0.45, 0.38, 0.52, 200, 150.0),
        paired=paired,
        margin=Estimate(0.2, 0.1, 0.3),
        p_gold=Estimate(0.02, 0.01, 0.03),
        changed=40,
        transitions={},
        fixed=(1, 2),
        broken=(3,),
        identical=False,
        baseline_outcomes=BEFORE,
        steered_outcomes=AFTER,
        only_form=OnlyForm(3, 1),
        controls=Controls((-0.1, 0.0, 0.1), (-0.3, 0.0, 0.3), 67.0, 67.0, BEFORE + BEFORE + BEFORE),
        verdict=Verdict("none seen", 0.05, -0.01, 0.11, 200, 0.06, Band()),
    )


def test_the_curve_holds_every_coefficient_and_the_baseline_at_zero(effect: SteeringEffect) -> None:
    part = replace(effect, done=64)
    figure = dose_response({2.0: effect, -1.0: part}, current=2.0, span=3.0)
    accuracy = next(trace for trace in figure.data if trace.name == "Steered")
    assert list(accuracy.x) == [-1.0, 0.0, 2.0]
    assert list(accuracy.y) == [0.45, 0.4, 0.45]
    assert list(accuracy.marker.symbol) == ["circle-open", "circle", "circle"]
    assert "64 of 200" in accuracy.customdata[0]
    assert figure.layout.xaxis.range[1] > 3


def test_the_curve_in_doses_is_the_same_curve_on_another_axis(effect: SteeringEffect) -> None:
    figure = dose_response({2.0: effect}, current=2.0, span=3.0, unit=0.25, axis="Dose")
    assert [list(trace.x) for trace in figure.data if trace.name == "Steered"] == [[0.0, 0.5]] * 2
    assert figure.layout.xaxis.title.text == "Dose"


def test_the_table_has_a_row_a_coefficient(effect: SteeringEffect) -> None:
    table = effects_table({1.0: effect, -1.0: replace(effect, controls=None)})
    assert list(table["coefficient"]) == [-1.0, 1.0]
    assert list(table["fixed"]) == [14, 14] and list(table["fixed only in form"]) == [3, 3]
    assert list(table["n correct"]) == [90, 90] and list(table["n wrong"]) == [110, 110]
    assert list(table["random directions"]) == [0, 3]


def test_the_change_shows_the_new_token_only_where_it_is_another_one() -> None:
    def grid(ids: list[list[int]]) -> LensGrid:
        top = np.array(ids)[..., None]
        nothing = np.zeros((*top.shape[:2], 0))
        return LensGrid(
            "logit", "m", top, top.astype(str), np.full(top.shape, 0.5, np.float32), top[..., 0] * 0.0, top[..., 0] * 0.0, (), (),
            nothing.astype(int), nothing,
        )  # fmt: skip

    change = np.array([[0.0, 0.0], [0.2, 0.4]], np.float32)
    panel = change_panel("Difference", grid([[1, 2], [3, 4]]), grid([[1, 2], [3, 9]]), change)
    assert [[cell.text for cell in row] for row in panel.cells] == [["·", "·"], ["=", "9"]]
    assert panel.painted.level.tolist() == [[0.0, 0.0], [0.5, 1.0]]
    assert panel.cells[1][1].facts == ("baseline: 4 50.0 %", "here: 9 50.0 %")
