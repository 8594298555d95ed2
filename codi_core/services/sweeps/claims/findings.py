"""Every claim put to the test on stored sweeps. Every verdict is computed, by the rules that the claims bring, and never typed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from codi_core.evaluation.stats import holm
from codi_core.services.shared.commands import sweep_command
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.sweeps.claims.claim import Claim, Family, Ruling, Tested, Untestable, View
from codi_core.services.sweeps.claims.evidence import Evidence, evidence
from codi_core.services.sweeps.claims.registry import POST_CLAIMS
from codi_core.services.sweeps.stored import of_model, stored_sweeps
from codi_core.store import Store
from codi_core.values.sweep import Against, Reading, SweepTable
from codi_core.values.verdict import ALPHA, p_text

COMBINATIONS: tuple[View, ...] = (("B-A", "same"), ("B-A", "all"), ("A-B", "same"), ("A-B", "all"))
"""Reading of "A−B" and baseline. The first one is the posts' code, and decides."""
SETTINGS: dict[str, dict[Family, str]] = {
    "post": {"kv": "post-kv", "hidden": "post-hidden"},
    "corrected": {"kv": "corrected-kv", "hidden": "corrected-hidden"},
}
"""Sweep presets by how the experiments are done: as in the posts, or with their flaws corrected."""
ADJUSTED = (
    "Adjusted p: Holm over all claims of one reading and one baseline. The claims name their cells in advance, so they are the family, "
    "not the grid; where a claim is about any cell of the grid, the max-statistic over the grid takes its place."
)


@dataclass(frozen=True)
class Finding:
    claim: Claim
    tests: Mapping[View, Tested]
    """Those that could be computed."""
    verdict: Ruling
    """In the reading of the posts' code, against their baseline (as many passes)."""
    why: str
    needed: str
    """The command that would make it testable; empty when it is."""
    sweep: str
    """Key of the sweep it was tested on; empty when there is none."""

    def test(self, reading: Reading = "B-A", against: Against = "same") -> Tested | None:
        return self.tests.get((reading, against))


def findings_of(
    found: Mapping[Family, Evidence | None], model: str, eval_set: str, setting: str = "post", claims: Sequence[Claim] = POST_CLAIMS
) -> list[Finding]:
    """Every claim, in order. ``found``: the sweeps of one model on one eval set, None where none is stored.

    ``claims`` are the family, too, that p is adjusted over.
    """
    raw = [_raw(claim, found.get(claim.family)) for claim in claims]
    findings = []
    for claim, tests in zip(claims, _adjusted(claims, raw), strict=True):
        own = found.get(claim.family)
        n = own.table.eval_set.n if own else 0
        request = SweepRequest(model, SETTINGS[setting][claim.family], eval_set, n)
        if own is None or isinstance(tests, Untestable):
            reason = tests if isinstance(tests, Untestable) else MISSING
            findings.append(Finding(claim, {}, "not testable", reason.why, _command(request, reason.needed), own.table.key if own else ""))
        else:
            judged = {view: _judged(claim, test) for view, test in tests.items()}
            main = judged[COMBINATIONS[0]]
            needed = "" if main.needed is None else _command(request, main.needed)
            findings.append(Finding(claim, judged, main.verdict, main.why, needed, own.table.key))
    return findings


def stored_findings(store: Store, model: str, eval_set: str, setting: str = "post") -> list[Finding]:
    """From the newest stored sweeps of a model, by its name here. Tables of two checkpoints are never joined."""
    tables = of_model(stored_sweeps(store), model)
    newest = {family: latest(tables, preset, eval_set) for family, preset in SETTINGS[setting].items()}
    return findings_of({family: evidence(store, table) if table else None for family, table in newest.items()}, model, eval_set, setting)


def latest(tables: Sequence[SweepTable], preset: str, eval_set: str) -> SweepTable | None:
    """The first whole sweep of a preset in ``tables``, which are newest first."""
    return next((table for table in tables if (table.name, table.eval_set.name) == (preset, eval_set)), None)


MISSING = Untestable("No such sweep is stored for this model and eval set.", {})


def _command(request: SweepRequest, changes: Mapping[str, Any]) -> str:
    return sweep_command(replace(request, **changes))


Tests = dict[View, Tested]


def _raw(claim: Claim, own: Evidence | None) -> Tests | Untestable:
    if own is None:
        return MISSING
    tests: Tests = {}
    for view in COMBINATIONS:
        try:
            tests[view] = claim.test(own, view)
        except Untestable as reason:
            if view == COMBINATIONS[0]:
                return reason
    return tests


def _adjusted(claims: Sequence[Claim], raw: Sequence[Tests | Untestable]) -> list[Tests | Untestable]:
    """Holm over the claims that have a p of their own, each reading and baseline for itself."""
    done = [tests if isinstance(tests, Untestable) else dict(tests) for tests in raw]
    for view in COMBINATIONS:
        family = [
            tests
            for claim, tests in zip(claims, done, strict=True)
            if claim.in_family and not isinstance(tests, Untestable) and view in tests and np.isfinite(tests[view].p)
        ]
        for tests, p in zip(family, holm([tests[view].p for tests in family]) if family else [], strict=True):
            floor = min(1.0, len(family) * tests[view].floor)
            tests[view] = replace(tests[view], adjusted=float(p), floor=floor, over=f"{len(family)} claims")
    return done


def _judged(claim: Claim, test: Tested) -> Tested:
    """With its verdict. What could not have come out clear, whatever the steering did, is not testable."""
    try:
        if test.floor >= ALPHA:
            why = f"{test.room}: fixing all and breaking none would still have an adjusted p of {p_text(test.floor)} over {test.over}"
            raise Untestable(why, {"eval_set": "wordings", "n": 0})
        verdict, why = claim.judge(test)
        return replace(test, verdict=verdict, why=f"{test.why}. {why}" if test.why else why)
    except Untestable as reason:
        return replace(test, verdict="not testable", why=reason.why, needed=reason.needed)
