"""What counts as right, wrong, unparsed and truncated; which questions belong together."""

from __future__ import annotations

import pytest

from codi_core.evaluation.outcomes import outcome_of, spells_out
from codi_core.evaluation.run import clusters_of
from codi_core.types import Question


@pytest.mark.parametrize(
    ("number", "finished", "outcome"),
    [(18.0, True, "correct"), (18.5, True, "wrong"), (-18.0, True, "wrong"), (None, True, "unparsed"), (18.0, False, "truncated")],
)
def test_outcomes(number: float | None, finished: bool, outcome: str) -> None:
    assert outcome_of(number, finished, 18) == outcome


@pytest.mark.parametrize(("answer", "spelled"), [("24", False), (" The answer is 24.", False), ("8-7=1>><<1*8=8>>9", True), ("", False)])
def test_an_answer_with_equations_is_told_from_a_number(answer: str, spelled: bool) -> None:
    assert spells_out(answer) == spelled


def test_a_triple_means_the_same_within_a_family_only() -> None:
    asked = [
        Question("1", "?", 1, "group/team/add/0", (3, 5, 2), ()),
        Question("2", "?", 1, "group/band/add/0", (3, 5, 2), ()),
        Question("3", "?", 1, "rate/pump/0", (3, 5, 2), ()),
        Question("4", "?", 1, "", (), ()),
        Question("5", "?", 1, "", (), ()),
    ]
    triples, templates = clusters_of(asked)
    assert triples[0] == triples[1] and len(set(triples)) == 4
    assert len(set(templates)) == 5
