"""Measuring what claims need of a model, one after the other; what is stored already is left as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from codi_core.errors import Cancelled, CodiError, InputError
from codi_core.services.cards import model_card
from codi_core.services.claims.asked import Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import KIND as EVIDENCE
from codi_core.services.claims.evidence import Evidence, EvidenceSpec, keep
from codi_core.services.claims.registry import CLAIMS
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import OnWait
from codi_core.values.model import ModelSpec

PASSES = 6
"""Where no file says how many a model was trained with."""


@dataclass(frozen=True)
class Step:
    """One claim done."""

    claim: FieldClaim
    refused: str = ""
    """Why it could not be measured; empty when it is."""


def measure(
    workbench: Workbench, model: str, only: Sequence[str] = (), viewer: str = "claims", on_wait: OnWait | None = None
) -> Iterator[Step]:
    """Of all claims, or of those with these keys. What one needs and lacks is said, and the next one comes.

    Raises InputError for a key that no claim has, ModelError when the model cannot be loaded, Cancelled when ``viewer`` asked for something
    newer.
    """
    known = {claim.key: claim for claim in CLAIMS}
    if unknown := [key for key in only if key not in known]:
        raise InputError(f"There is no claim {unknown[0]!r:.20}: choose among {', '.join(known)}.")
    card = model_card(workbench, model, viewer, on_wait)
    ours = workbench.run(model, lambda engine, _: engine.model.is_ours, viewer, on_wait)
    for claim in [known[key] for key in only] or CLAIMS:
        asked = Asked(workbench, model, ours, claim.eval_set, card.passes or PASSES, viewer, on_wait)
        asked = replace(asked, eval_set=asked.set_of(claim.eval_set))
        try:
            _measure(claim, asked, card.spec)
        except Cancelled:
            raise
        except CodiError as error:
            yield Step(claim, str(error))
        else:
            yield Step(claim)


def _measure(claim: FieldClaim, asked: Asked, model: ModelSpec) -> None:
    store, spec = asked.bench.store, EvidenceSpec(model, claim.key, claim.revision, asked.eval_set, asked.passes)
    try:
        if claim.beside:
            asked = replace(asked, beside=claim.beside(asked))
            spec = replace(spec, control=model_card(asked.bench, asked.beside, asked.viewer, asked.on_wait).key)
        if store.ready(EVIDENCE, spec.key):
            return
        found = claim.measure(asked)
    except Untestable as reason:
        found = Measured({}, (), {"untestable": str(reason)})
    keep(store, Evidence(spec, found.arrays, found.clusters, found.facts))
