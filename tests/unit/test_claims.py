"""Claims on made-up sweeps: every verdict of every row comes out, and nothing that is not computed."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest

from codi_core.services.sweeps.claims import COMBINATIONS, KINDS, POST_CLAIMS, SETTINGS, Claim, Evidence, Finding, Ruling, findings_of
from codi_core.services.sweeps.claims.best import BEST
from codi_core.services.sweeps.claims.cells import CELLS
from codi_core.services.sweeps.claims.like_random import LIKE_RANDOM
from codi_core.services.sweeps.claims.never import NEVER
from codi_core.sweeps.presets import SWEEPS
from tests.planted_claims import FEW, NEARLY_ALL_RIGHT, OWN, PLANTED, everywhere, hidden, kv, on_cell, on_one, on_pairs

RULINGS: tuple[Ruling, ...] = get_args(Ruling)


def finding(claim: Claim, own: Evidence | None) -> Finding:
    (found,) = findings_of({claim.family: own}, "bundled", "templates", claims=[claim])
    return found


def among_all(claim: Claim, own: Evidence) -> Finding:
    """With p adjusted over all claims."""
    return next(each for each in findings_of({claim.family: own}, "bundled", "templates") if each.claim == claim)


# Every row


@pytest.mark.parametrize("claim", POST_CLAIMS, ids=lambda claim: claim.sentence)
def test_a_row_brings_all_its_words(claim: Claim) -> None:
    assert claim.sentence and claim.source and claim.title
    assert all(vars(claim.rule).values())
    assert type(claim) in KINDS
    assert [each.sentence for each in POST_CLAIMS].count(claim.sentence) == 1


@pytest.mark.parametrize("ruling", RULINGS)
@pytest.mark.parametrize("claim", POST_CLAIMS, ids=lambda claim: claim.sentence)
def test_every_verdict_comes_out(claim: Claim, ruling: Ruling) -> None:
    found = finding(claim, PLANTED[type(claim)][ruling](claim))
    assert (found.verdict, bool(found.why)) == (ruling, True), found.why
    assert (ruling == "not testable") == bool(found.needed)
    if ruling in ("reproduced", "reversed"):
        test = found.test()
        assert test is not None and test.low <= test.effect <= test.high


@pytest.mark.parametrize("claim", POST_CLAIMS, ids=lambda claim: claim.sentence)
def test_nothing_stored_is_not_testable(claim: Claim) -> None:
    found = finding(claim, None)
    assert (found.verdict, found.tests) == ("not testable", {})


@pytest.mark.parametrize("setting", list(SETTINGS))
def test_what_is_missing_is_named_by_the_command_that_makes_it(setting: str) -> None:
    for found in findings_of({}, "a model", "templates", setting):
        words = shlex.split(found.needed)
        assert words[:4] == ["python", "-m", "codi_core", "sweep"]
        assert words[words.index("--model") + 1] == "a model"
        assert words[words.index("--preset") + 1] == SETTINGS[setting][found.claim.family]
        assert words[words.index("--preset") + 1] in SWEEPS


def test_adjusting_covers_all_claims_with_a_p_of_their_own() -> None:
    found = findings_of({"kv": kv(), "hidden": hidden(**FEW)}, "bundled", "templates")
    for view in COMBINATIONS:
        tests = [each.tests[view] for each in found if view in each.tests and each.claim.in_family]
        smallest = min(test.p for test in tests)
        assert min(test.adjusted for test in tests) == pytest.approx(min(1, len(tests) * smallest))
        assert {test.over for test in tests} == {f"{len(tests)} claims"}


def test_against_all_passes_is_another_baseline_and_the_other_reading_the_other_sign() -> None:
    own = kv(lambda cell: 0.1 * np.sign(cell.coefficient), **OWN)
    for claim in CELLS:
        found = finding(claim, own)
        code, standard, text = found.test("B-A"), found.test(against="all"), found.test("A-B")
        assert code is not None and standard is not None and text is not None
        assert standard.effect == pytest.approx(code.effect - 0.1), "stopped at 5 of 6 passes: 0.5 instead of 0.6"
        assert code.cell_id != text.cell_id
        assert {code.verdict, text.verdict} == {"reproduced", "reversed"}


# What a verdict must not do


def test_a_cell_is_judged_by_directions_of_its_own_length_only() -> None:
    claim = CELLS[0]
    others = kv(on_cell(claim, 0.12), random=lambda cell: 0.3 * ((cell.a, cell.b) != (claim.a, claim.b)), **OWN)
    assert finding(claim, others).verdict == "reproduced", "longer pushes of other pairs say nothing of this one"
    own = finding(claim, kv(on_cell(claim, 0.12), random=lambda cell: 0.3 * ((cell.a, cell.b) == (claim.a, claim.b)), **OWN))
    assert own.verdict == "not reproduced"
    assert "20 of 20 random directions rise as far" in own.why
    few = finding(claim, kv(on_cell(claim, 0.12)))
    assert (few.verdict, few.test().percentile) == ("not testable", None)  # type: ignore[union-attr]
    assert "band was not measured" in few.why


def test_an_effect_that_correction_takes_away_is_not_called_no_difference() -> None:
    own = kv(on_cell(CELLS[0], 0.0045))
    test = among_all(CELLS[0], own).test()
    assert test is not None and test.p < 0.05 <= test.adjusted and test.low > 0
    assert "not after correction for 19 claims" in test.why and "No difference" not in test.why


def test_too_few_wrong_questions_for_the_correction_are_counted() -> None:
    found = among_all(CELLS[0], kv(base=NEARLY_ALL_RIGHT))
    assert "of 300 questions are wrong unsteered" in found.why and "over 19 claims" in found.why
    eight = among_all(CELLS[0], kv(base=1.168))  # 2 / 2 ** 8 = .008, and 19 claims
    assert eight.verdict == "not testable", eight.why


@pytest.mark.parametrize("claim", BEST, ids=lambda claim: claim.sentence)
def test_least_harmful_is_not_best(claim: Claim) -> None:
    named = on_pairs(claim, 0.2)  # type: ignore[arg-type]
    found = finding(claim, kv(lambda cell: named(cell) - 0.3))
    assert found.verdict == "not reproduced"
    assert "not than the baseline" in found.why and "−10." in found.why


@pytest.mark.parametrize("claim", BEST, ids=lambda claim: claim.sentence)
def test_best_under_both_signs_is_not_best_under_one(claim: Claim) -> None:
    pairs = claim.pairs  # type: ignore[attr-defined]
    found = finding(claim, kv(lambda cell: 0.15 * ((cell.a, cell.b) in pairs)))
    assert found.verdict == "not reproduced"
    assert "opposite sign, too" in found.why


def test_never_better_where_nothing_could_be_is_not_testable() -> None:
    found = finding(NEVER[0], hidden(everywhere(-0.1), base=1.19, **FEW))
    assert found.verdict == "not testable"
    assert "wrong unsteered" in found.why


def test_one_cell_that_stands_out_is_not_like_random() -> None:
    found = finding(LIKE_RANDOM[0], hidden(on_one(0.45)))
    test = found.test()
    assert test is not None and test.percentile == 100 and test.effect > 0.35
    assert found.verdict == "not reproduced" and "1 cell does not end" in found.why


def test_unlike_signs_do_not_cancel() -> None:
    found = finding(LIKE_RANDOM[0], hidden(lambda cell: 0.12 * (-1) ** (cell.a + cell.b)))
    assert found.verdict == "reversed"


def test_cells_without_a_band_leave_the_claim_open() -> None:
    def without(own: Evidence) -> Evidence:
        bands = own.table.bands
        return replace(own, table=replace(own.table, bands=bands[(bands["a"] != 1) | (bands["b"] != 2)]))

    found = finding(LIKE_RANDOM[0], without(hidden()))
    assert found.verdict == "not testable" and "about all 30 cells" in found.why and "for 28 of them" in found.why
    assert found.needed.endswith("--n 300 --bands-at 5"), "the command that measures them, on the same questions"
    assert finding(LIKE_RANDOM[0], without(hidden(on_one(0.45)))).verdict == "not reproduced", "one that stands out is enough"
