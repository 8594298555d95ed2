"""The claims of the field: every verdict of every row comes out on planted values, and no other is said than what is computed."""

from __future__ import annotations

import re
import shlex

import numpy as np
import pytest

from codi_core.services.claims import CLAIMS, FieldClaim, FieldVerdict, judged, verdicts
from codi_core.services.claims.evidence import Evidence, keep, stored_evidence
from codi_core.services.claims.parity import apart
from codi_core.services.claims.parts import above, below, fact, seeds, within
from codi_core.settings import Settings
from codi_core.store import Store
from tests.planted_field import CLUSTERS, HOLDS, OPPOSITE, QUESTIONS, around, coins, evidence
from tests.sweep_tables import MODEL

ROWS = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.key)


def verdict(claim: FieldClaim, own: Evidence | None) -> FieldVerdict:
    (found,) = judged("bundled", {claim.key: own} if own else {}, [claim])
    return found


# Every row


@ROWS
def test_a_row_brings_all_its_words(claim: FieldClaim) -> None:
    assert all((claim.sentence, claim.source, claim.statistic, claim.reproduced, claim.reversed))
    assert [each.key for each in CLAIMS].count(claim.key) == 1


@ROWS
def test_planted_values_that_say_so_reproduce_it(claim: FieldClaim) -> None:
    found = verdict(claim, evidence(claim, *HOLDS[claim.key]))
    assert found.ruling == "reproduced", found.why
    assert found.line and all(part.state == "holds" for part in found.parts)
    assert all(part.said or part.low <= part.value <= part.high for part in found.parts)


@ROWS
def test_planted_values_that_say_the_opposite_reverse_it(claim: FieldClaim) -> None:
    found = verdict(claim, evidence(claim, *OPPOSITE[claim.key]))
    assert found.ruling == "reversed", (found.why, found.line)
    assert found.parts[0].state == "opposite" and found.why


@ROWS
def test_noise_says_nothing(claim: FieldClaim) -> None:
    arrays, facts = HOLDS[claim.key]
    if claim.key in ("C13", "C22", "C29"):
        pytest.skip("A fact, another edge than 0, shares.")
    noise = np.random.default_rng(1).normal(0, 3, (QUESTIONS, 16))
    lost = {name: noise[:, : each.shape[1]] if each.ndim > 1 else noise[:, place] for place, (name, each) in enumerate(arrays.items())}
    found = verdict(claim, evidence(claim, lost, facts))
    assert found.ruling == "not clear", found.line
    assert "neither shown nor refuted" in found.why


@ROWS
def test_what_cannot_be_tested_says_why(claim: FieldClaim) -> None:
    found = verdict(claim, evidence(claim, {}, {"untestable": "It has no such latent."}))
    assert (found.ruling, found.why, found.needed) == ("not testable", "It has no such latent.", "")


@ROWS
def test_what_is_not_measured_names_the_command(claim: FieldClaim) -> None:
    found = verdict(claim, None)
    words = shlex.split(found.needed)
    assert found.ruling == "not measured"
    assert words == ["python", "-m", "codi_core", "claims", "--model", "bundled", "--measure", claim.key]
    assert "{" not in found.why


def test_evidence_of_an_earlier_measure_is_not_the_claims() -> None:
    claim = CLAIMS[0]
    own = evidence(claim, *HOLDS[claim.key])
    older = Evidence(own.spec.__class__(**{**vars(own.spec), "revision": claim.revision - 1}), own.arrays, own.clusters, {})
    assert verdict(claim, older).ruling == "not measured"


# Together


def test_p_is_adjusted_over_the_claims_of_one_source() -> None:
    """Of three claims of one source, one is clear by itself only."""
    own = [claim for claim in CLAIMS if claim.source == CLAIMS[2].source][:3]
    found = {claim.key: evidence(claim, *HOLDS[claim.key]) for claim in own}
    noise = around(0.0, spread=1.0)
    shifts = np.linspace(0.1, 0.25, 31) - noise.mean()
    weak = next(noise + shift for shift in shifts if 0.025 < above("x", noise + shift, CLUSTERS).p < 0.05)
    entropy = next(claim for claim in own if claim.key == "C6")
    found["C6"] = evidence(entropy, {"peaks": weak})
    alone = verdict(entropy, found["C6"])
    together = {each.claim.key: each for each in judged("bundled", {**found, "C4": evidence(own[0], {"tuned": weak, "plain": weak})}, own)}
    assert alone.ruling == "reproduced" and alone.parts[0].p < 0.05
    assert together["C6"].ruling == "not clear" and together["C6"].adjusted >= 0.05
    assert "not after correction for 3 claims" in together["C6"].why
    assert together["C5"].ruling == "reproduced" and together["C5"].over == 3


def test_columns_are_judged_together_as_each_would_be_alone() -> None:
    """Whichever questions say something in which of them; of fewer than two nothing is known."""
    draw = np.random.default_rng(2)
    values = draw.normal([0.3, 0.1, 0.2, 0.5, 0.0, 0.0], 0.4, (QUESTIONS, 6))
    values[draw.random(QUESTIONS) < 0.3, 1:3] = np.nan
    values[1:, 4] = np.nan
    for judge, more in ((above, (0.0,)), (above, (0.1,)), (below, (0.2,)), (within, ())):
        for columns in ((0, 1, 2, 3), (3, 2, 5), (1, 4), (5,)):
            together = judge("x", values[:, columns], CLUSTERS, *more)
            alone = [judge("x", values[:, column], CLUSTERS, *more) for column in columns]
            shown = next(part for part in alone if np.isclose(part.value, together.value, equal_nan=True))
            assert (shown.low, shown.high, shown.n) == pytest.approx((together.low, together.high, together.n), nan_ok=True)
            assert (together.state == "holds") == all(part.state == "holds" for part in alone)


def test_one_pair_of_models_says_nothing_of_a_way_of_training() -> None:
    for key in ("C16", "C26"):
        claim = next(claim for claim in CLAIMS if claim.key == key)
        for planted in (HOLDS, OPPOSITE):
            found = verdict(claim, evidence(claim, planted[key][0], {"seeds": 1}))
            assert found.ruling == "not clear" and "seeds" in found.why


def test_a_clear_part_that_fails_is_not_reproduced_but_not_reversed() -> None:
    claim = next(claim for claim in CLAIMS if claim.key == "C4")
    found = verdict(claim, evidence(claim, {"tuned": around(0.8), "plain": around(0.4)}))
    assert found.ruling == "not reproduced" and "plain lens alone" in found.why


# Conditions


def test_interval_and_p_never_contradict_each_other() -> None:
    rng = np.random.default_rng(2)
    for size in np.linspace(-0.2, 0.2, 41):
        values = rng.normal(size, 0.4, QUESTIONS)
        part = above("x", values, CLUSTERS)
        assert (part.low > 0 or part.high < 0) == (part.p < 0.05)
        equal = within("x", values, CLUSTERS)
        inside, outside = equal.low > -0.05 and equal.high < 0.05, equal.low > 0.05 or equal.high < -0.05
        assert {"holds": inside, "opposite": outside, "open": not inside and not outside}[equal.state]
        assert (equal.p < 0.05) == (inside or outside)


def test_of_several_columns_the_weakest_decides_and_one_against_is_enough() -> None:
    held = above("x", around(0.5, 0.1, 0.3), CLUSTERS, labels=("a", "b", "c"))
    assert (held.state, held.name) == ("holds", "x, b") and held.value == pytest.approx(0.1, abs=0.02)
    against = above("x", around(0.5, -0.1, 0.3), CLUSTERS, labels=("a", "b", "c"))
    assert (against.state, against.name) == ("opposite", "x, b")


def test_questions_that_say_nothing_are_left_out() -> None:
    values = np.where(np.arange(QUESTIONS) % 2, around(0.3), np.nan)
    assert above("x", values, CLUSTERS).n == QUESTIONS // 2
    nothing = above("x", np.full(QUESTIONS, np.nan), CLUSTERS)
    assert (nothing.state, nothing.n) == ("open", 0)


def test_edges_and_facts_in_words() -> None:
    assert below("flips", coins(0.5), CLUSTERS, 0.05).rule == "below 5.0 points"
    assert above("span", around(3), CLUSTERS, 7 / 3, unit="").rule == "above 2.33"
    assert fact("rank", None, "4", "1").state == "open" and seeds(3).state == "holds" and seeds(1).veto


# Stored


def test_what_is_kept_is_read_again_and_two_checkpoints_are_never_joined(settings: Settings) -> None:
    store = Store(settings)
    claim = next(claim for claim in CLAIMS if claim.key == "C18")
    own = evidence(claim, *HOLDS["C18"])
    older = own.spec.__class__(**{**vars(own.spec), "model": MODEL.__class__(**{**vars(MODEL), "checkpoint": "older"}), "claim": "C5"})
    keep(store, Evidence(older, {"ahead": around(*[0.2] * 10)}, CLUSTERS, {}))
    (meta,) = (store.path("claims", older.key) / "meta.json",)
    meta.write_text(meta.read_text().replace('"created": "2', '"created": "1'))
    keep(store, own)
    found = stored_evidence(store)[MODEL.name]
    assert set(found) == {"C18"}, "what the other checkpoint did is another's"
    assert found["C18"].facts == own.facts and np.allclose(found["C18"].arrays["change"], own.arrays["change"], equal_nan=True)
    table = verdicts(store, ["/somewhere/else", f"/models/{MODEL.name}"])
    assert [each.ruling for each in table["/somewhere/else"]] == ["not measured"] * len(CLAIMS)
    assert "reproduced" in [each.ruling for each in table[f"/models/{MODEL.name}"]], "a folder is stored under its last part"
    assert MODEL.name not in table


def test_of_two_made_in_one_moment_the_one_of_the_greater_key_is_the_newer(settings: Settings) -> None:
    store, own = Store(settings), evidence(next(claim for claim in CLAIMS if claim.key == "C18"), *HOLDS["C18"])
    several = [own.spec.__class__(**{**vars(own.spec), "model": MODEL.__class__(**{**vars(MODEL), "checkpoint": name})}) for name in "abcd"]
    for spec in several:
        keep(store, Evidence(spec, {"change": own.arrays["change"]}, own.clusters, own.facts))
        meta = store.path("claims", spec.key) / "meta.json"
        meta.write_text(re.sub(r'"created": "[^"]*"', '"created": "2026-11-28T00:00:00.000+00:00"', meta.read_text()))
    (found,) = stored_evidence(store)[MODEL.name].values()
    assert found.spec == max(several, key=lambda spec: spec.key)


# Statistics of their own


def test_latents_told_apart_by_parity_and_not_by_any_other_halving() -> None:
    half = np.arange(QUESTIONS) % 2 == 0
    rng = np.random.default_rng(3)
    odd = np.array([1, -1] * 3)[None, :, None] * np.array([4.0, 0, 0])
    assert apart(rng.normal(0, 1, (QUESTIONS, 6, 3)) + odd, half).mean() > 0.3
    places = np.arange(6)[None, :, None] * np.array([4.0, 0, 0])
    assert apart(rng.normal(0, 1, (QUESTIONS, 6, 3)) + places, half).mean() < 0.05, "in order, which halves them otherwise"
