"""Verdicts on made-up tables: every kind of claim, every verdict, and nothing that is not computed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codi_core.services.claims import (
    CLAIMS,
    COMBINATIONS,
    HELPFUL,
    METHODS,
    RULES,
    SETTINGS,
    Evidence,
    Family,
    Finding,
    Kind,
    findings_of,
)
from codi_core.services.matched import confirmations, factorial
from codi_core.sweeps.presets import SWEEPS
from codi_core.sweeps.spec import Cell
from codi_core.types import EvalSetSpec
from tests import sweep_tables
from tests.sweep_tables import Change

QUESTIONS = 300
CLAIMED = {(a, b, c) for c, pairs in HELPFUL.items() for a, b in pairs}
SMALL = {"randoms": 6, "shuffled": 2, "indices": (4, 5)}
VERDICTS = {"reproduced", "not reproduced", "reversed", "not testable"}


def evidence(preset: str, change: Change = lambda cell: 0.0, base: float = 0.6, **axes: Any) -> Evidence:
    """A table whose accuracies differ by ``change``, and answers that are right in these shares."""
    table = sweep_tables.table(sweep_tables.spec(preset, QUESTIONS, **{**SMALL, **axes}), change, base=base)
    rng = np.random.default_rng(0)
    luck = rng.random(QUESTIONS)  # the same questions are easy under every condition
    correct = luck[:, None] < table.cells["accuracy"].to_numpy()
    return Evidence(table, correct, (np.arange(QUESTIONS) // 3, np.arange(QUESTIONS)))


def findings(kv: Evidence | None = None, hidden: Evidence | None = None) -> list[Finding]:
    found: dict[Family, Evidence | None] = {"kv": kv, "hidden": hidden}
    return findings_of(found, "bundled", "templates", "post")


def of_kind(kind: Kind, found: list[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.claim.kind == kind]


def claimed(cell: Cell) -> bool:
    return cell.index == 5 and (cell.a, cell.b, cell.coefficient) in CLAIMED


def test_every_claim_has_a_verdict_whatever_is_stored() -> None:
    for found in (findings(), findings(evidence("post-kv")), findings(evidence("post-kv"), evidence("post-hidden", indices=(1, 5)))):
        assert [finding.claim for finding in found] == list(CLAIMS)
        for finding in found:
            assert finding.verdict in VERDICTS
            assert finding.why
            assert (finding.verdict == "not testable") == bool(finding.needed)


def test_every_kind_has_its_rules() -> None:
    assert set(RULES) == set(METHODS) == {claim.kind for claim in CLAIMS}


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_what_is_missing_is_named_by_the_command_that_makes_it(setting: str) -> None:
    for finding in findings_of({}, "a model", "templates", setting):
        words = shlex.split(finding.needed)
        assert words[:4] == ["python", "-m", "codi_core", "sweep"]
        assert words[words.index("--model") + 1] == "a model"
        assert words[words.index("--preset") + 1] == SETTINGS[setting][finding.claim.family]
        assert words[words.index("--preset") + 1] in SWEEPS


@pytest.mark.parametrize(("points", "verdict"), [(0.08, "reproduced"), (0.0, "not reproduced"), (-0.08, "reversed")])
def test_a_cell_that_beats_its_baseline(points: float, verdict: str) -> None:
    found = of_kind("beats", findings(evidence("post-kv", lambda cell: points * claimed(cell))))
    assert {finding.verdict for finding in found} == {verdict}
    for finding in found:
        code, standard = finding.test(), finding.test(against="all")
        assert code is not None
        assert standard is not None
        assert code.low <= code.effect <= code.high
        assert standard.effect == pytest.approx(code.effect - 0.1), "stopped at 5 of 6 passes: 0.5 instead of 0.6"
        assert (code.adjusted >= code.p) == (code.p <= 1)


def test_the_other_reading_is_the_other_sign() -> None:
    own = evidence("post-kv", lambda cell: 0.1 * np.sign(cell.coefficient) * (cell.index == 5))
    for finding in of_kind("beats", findings(own)):
        code, text = finding.test("B-A"), finding.test("A-B")
        assert code is not None
        assert text is not None
        assert code.place != text.place
        assert {code.verdict, text.verdict} == {"reproduced", "reversed"}


def test_no_better_than_random_directions_is_not_reproduced() -> None:
    own = evidence("post-kv", lambda cell: 0.08 * claimed(cell))
    own.table.cells["percentile"] = own.table.cells["percentile"].where(own.table.cells["role"] != "cell", 80.0)
    found = of_kind("beats", findings(own))
    assert {finding.verdict for finding in found} == {"not reproduced"}
    assert all("random directions do as much" in finding.why for finding in found)


@pytest.mark.parametrize(
    ("axes", "base", "why"),
    [
        ({"indices": (3, 4)}, 0.6, "no A1−B2 at index 5"),
        ({"randoms": 0, "shuffled": 0}, 0.6, "No random directions"),
        ({}, 1.19, "questions are wrong unsteered"),
    ],
)
def test_a_cell_that_cannot_be_tested(axes: dict[str, Any], base: float, why: str) -> None:
    for finding in of_kind("beats", findings(evidence("post-kv", base=base, **axes))):
        assert finding.verdict == "not testable"
        if "A1−B2" in finding.claim.text or "A1" not in why:
            assert why in finding.why


@pytest.mark.parametrize(("points", "verdict"), [(0.15, "reproduced"), (0.0, "not reproduced"), (-0.15, "reversed")])
def test_the_best_sources(points: float, verdict: str) -> None:
    def change(cell: Cell) -> float:
        return points * ((cell.a == 2 and cell.coefficient > 0) or (cell.b == 6 and cell.coefficient < 0))

    found = of_kind("best", findings(evidence("post-kv", change)))
    assert [finding.verdict for finding in found] == [verdict] * 2


@pytest.mark.parametrize(
    ("at_size", "verdict"),
    [
        ({0.5: 0.0, 1: -0.1, 2: -0.2, 5: -0.4}, "reproduced"),
        ({0.5: 0.0, 1: -0.3, 2: -0.2, 5: -0.4}, "not reproduced"),
        ({0.5: 0.0, 1: 0.0, 2: 0.0, 5: 0.0}, "not reproduced"),
        ({0.5: -0.4, 1: -0.2, 2: -0.1, 5: 0.0}, "reversed"),
    ],
)
def test_accuracy_falls(at_size: dict[float, float], verdict: str) -> None:
    (finding,) = of_kind("falls", findings(evidence("post-kv", lambda cell: at_size[abs(cell.coefficient)])))
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("plus", "minus", "verdict"),
    [(0.1, -0.1, "reproduced"), (0.1, 0.002, "not reproduced"), (0.1, 0.1, "reversed"), (0.0, 0.0, "not testable")],
)
def test_both_signs(plus: float, minus: float, verdict: str) -> None:
    def change(cell: Cell) -> float:
        return (plus if cell.coefficient > 0 else minus) * ((cell.a, cell.b) == (2, 4))

    own = sweep_tables.table(sweep_tables.spec("post-kv", QUESTIONS, **SMALL), change, noise=0.002)
    (finding,) = of_kind("one sign", findings(replace(evidence("post-kv"), table=own)))
    assert finding.verdict == verdict


@pytest.mark.parametrize(
    ("points", "percentile", "verdict"), [(0.0, 50, "reproduced"), (0.1, 100, "reversed"), (0.1, 80, "not reproduced")]
)
def test_never_beats_the_baseline(points: float, percentile: float, verdict: str) -> None:
    hidden = evidence("post-hidden", lambda cell: points * ((cell.a, cell.b, cell.index) == (3, 4, 4)))
    cells = hidden.table.cells
    cells["percentile"] = cells["percentile"].where(cells["role"] != "cell", percentile)
    (finding,) = of_kind("never", findings(None, hidden))
    assert finding.verdict == verdict


@pytest.mark.parametrize(("points", "verdict"), [(0.0, "reproduced"), (0.05, "not reproduced"), (-0.25, "reversed")])
def test_ends_like_random(points: float, verdict: str) -> None:
    hidden = evidence("post-hidden", lambda cell: points * (abs(cell.coefficient) == 5))
    (finding,) = of_kind("like random", findings(None, hidden))
    assert finding.verdict == verdict


def test_adjusting_covers_all_claims_with_a_p_of_their_own() -> None:
    found = findings(evidence("post-kv"), evidence("post-hidden"))
    for key in COMBINATIONS:
        tests = [finding.tests[key] for finding in found if key in finding.tests and finding.claim.kind in ("beats", "best", "falls")]
        smallest = min(test.p for test in tests)
        assert min(test.adjusted for test in tests) == pytest.approx(min(1, len(tests) * smallest))


def test_the_factorial_compares_with_the_experiment_of_the_posts() -> None:
    own = evidence("factorial", lambda cell: 0.1 * cell.variant.startswith("kv-stop"), indices=(5,))
    found = {factor.variant: factor for factor in factorial(own)}
    assert found["kv-stop"].apart == found["kv-stop"].apart_low == found["kv-stop"].apart_high == 0
    assert found["kv-stop"].effect == pytest.approx(0.1, abs=0.03)
    assert found["kv-continue"].apart == pytest.approx(-0.1, abs=0.03)
    assert found["kv-continue"].apart_high < 0
    assert (found["h-on-z-stop"].space, found["h-on-z-stop"].then) == ("h-on-z", "stop")


def test_what_was_selected_is_found_again_where_it_is_confirmed() -> None:
    cells = (("kv-as-in-the-post", 2, 4, 5, 0.5), ("kv-as-in-the-post", 1, 2, 5, 0.5))
    select = sweep_tables.table(sweep_tables.spec("post-kv", **SMALL), lambda cell: 0.05)
    confirm = sweep_tables.table(sweep_tables.spec("post-kv", **SMALL, only=cells), lambda cell: 0.05 * (cell.a == 2))
    select, confirm = (
        replace(table, eval_set=EvalSetSpec(name, 1000, 0, "")) for table, name in ((select, "select"), (confirm, "confirm"))
    )
    found = {(each.row["a"], each.row["b"]): each for each in confirmations([confirm, select])}
    assert found[2, 4].held
    assert not found[1, 2].held
    assert found[1, 2].selected is not None
    assert found[1, 2].selected["delta"] == pytest.approx(0.05, abs=0.03)
    assert confirmations([confirm])[0].selected is None
