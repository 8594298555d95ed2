"""Every claim of the field judged on what is stored of a model. No model is opened, and no verdict is typed in."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from codi_core.evaluation.stats import holm
from codi_core.models.files import names_of
from codi_core.services.claims.claim import FieldClaim, FieldVerdict, Ruling
from codi_core.services.claims.evidence import Evidence, stored_evidence
from codi_core.services.claims.parts import Part
from codi_core.services.claims.registry import CLAIMS
from codi_core.store import Store
from codi_core.values.verdict import ALPHA, p_text

Table = dict[str, list[FieldVerdict]]
"""Verdicts of all claims, in order, by model."""


def verdicts(store: Store, models: Sequence[str] = (), claims: Sequence[FieldClaim] = CLAIMS) -> Table:
    """Of the models that are named, and of the others that something is stored of."""
    found = stored_evidence(store)
    own = {model: next((name for name in names_of(model) if name in found), model) for model in models}
    own |= {name: name for name in sorted(found) if name not in own.values()}
    return {model: judged(model, found.get(name, {}), claims) for model, name in own.items()}


def judged(model: str, found: Mapping[str, Evidence], claims: Sequence[FieldClaim] = CLAIMS) -> list[FieldVerdict]:
    """``found``: evidence of one model by the claim's key."""
    raw = [_raw(claim, model, _own(claim, found)) for claim in claims]
    for source in dict.fromkeys(claim.source for claim in claims):
        family = [place for place, own in enumerate(raw) if own.claim.source == source and np.isfinite(own.adjusted)]
        for place, p in zip(family, holm([raw[place].adjusted for place in family]) if family else (), strict=True):
            raw[place] = _corrected(replace(raw[place], adjusted=float(p), over=len(family)))
    return raw


def measure_command(model: str, claim: FieldClaim | None = None) -> str:
    return shlex.join(["python", "-m", "codi_core", "claims", "--model", model, "--measure", *([claim.key] if claim else [])])


def _own(claim: FieldClaim, found: Mapping[str, Evidence]) -> Evidence | None:
    own = found.get(claim.key)
    return own if own is not None and own.spec.revision == claim.revision else None


def _raw(claim: FieldClaim, model: str, own: Evidence | None) -> FieldVerdict:
    """Before correction: ``adjusted`` is the p of what decides, NaN where nothing has one."""
    if own is None:
        needs = f" It needs {claim.needs.format(model=model)}." if claim.needs else ""
        return FieldVerdict(claim, model, "not measured", f"Nothing is stored for it.{needs}", needed=measure_command(model, claim))
    if reason := own.facts.get("untestable"):
        return FieldVerdict(claim, model, "not testable", str(reason), key=own.spec.key)
    parts = claim.parts(own)
    ruling, decisive = _ruled(parts)
    p = max((part.p for part in decisive if np.isfinite(part.p)), default=float("nan"))
    shown = (*decisive, *(part for part in parts if part not in decisive))
    return FieldVerdict(claim, model, ruling, _why(ruling, shown), shown, p, 1, own.spec.eval_set, own.spec.key)


def _ruled(parts: Sequence[Part]) -> tuple[Ruling, list[Part]]:
    """And the parts that decide it."""
    vetoes = [part for part in parts if part.veto and part.state == "open"]
    if vetoes:
        return "not clear", [*(part for part in parts if part not in vetoes), *vetoes]
    if parts[0].state == "opposite":
        return "reversed", [parts[0]]
    if against := [part for part in parts if part.state == "opposite"]:
        return "not reproduced", against
    if still := [part for part in parts if part.state == "open"]:
        return "not clear", still
    return "reproduced", list(parts)


def _why(ruling: Ruling, parts: Sequence[Part]) -> str:
    """Of what is measured."""
    first = parts[0]
    still = next((part for part in parts if part.state == "open"), first)
    return {
        "reproduced": "Everything it says holds.",
        "reversed": f"Needed: {first.rule}; it is the opposite.",
        "not reproduced": f"Needed: {first.rule}; not so: {first.name}.",
        "not clear": f"Needed: {still.rule}; neither shown nor refuted: {still.name}.",
    }[ruling]


def _corrected(verdict: FieldVerdict) -> FieldVerdict:
    """What is clear by itself and not among the claims of its source is not clear."""
    if verdict.ruling == "not clear" or verdict.adjusted < ALPHA:
        return verdict
    own = max((part.p for part in verdict.parts if np.isfinite(part.p)), default=1.0)
    words = f"{verdict.ruling.capitalize()} by itself (p {p_text(own)}), not after correction for {verdict.over} claims"
    return replace(verdict, ruling="not clear", why=f"{words} (adjusted p {p_text(verdict.adjusted)}).")
