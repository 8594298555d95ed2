"""C1: the values of the first two steps sit at latents 2 and 4."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import TOP, Asked, Measured, above_chance, known_mean
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import CYWINSKI
from codi_core.values.arrays import Floats

PLACES = {"step 1": 2, "step 2": 4}


def measure(asked: Asked) -> Measured:
    asked.has_latents(4)
    chosen, judged = (asked.readings(eval_set=asked.set_of(name)) for name in ("select", asked.eval_set))
    arrays = {}
    for step in PLACES:
        depths = known_mean(list(_found(above_chance(chosen, step)))).argmax(-1)
        found = _found(above_chance(judged, step))
        arrays[step] = np.take_along_axis(found, depths[None, :, None], -1)[..., 0]
    return Measured(arrays, clusters_of(judged.questions))


def _found(each: Floats) -> Floats:
    """Latents 1..n: ``[question latent depth]``"""
    return each[:, TOP - 1, 1:]


def parts(found: Evidence) -> list[Part]:
    return [
        above(
            f"value of {step} at latent {place} minus elsewhere",
            _ahead(found.arrays[step], place),
            found.clusters,
            labels=(*(f"latent {other}" for other in _others(found.arrays[step], place)), "chance"),
        )
        for step, place in PLACES.items()
    ]


def _others(values: Floats, place: int) -> list[int]:
    return [latent for latent in range(1, values.shape[1] + 1) if latent != place]


def _ahead(values: Floats, place: int) -> Floats:
    """Against every other latent, and last against nothing: ``[question column]``."""
    own = values[:, place - 1]
    return np.stack([*(own - values[:, other - 1] for other in _others(values, place)), own], 1)


CLAIM = FieldClaim(
    key="C1",
    sentence="The values of steps 1 and 2 sit at latents 2 and 4",
    source=CYWINSKI,
    eval_set="templates",
    statistic="Detection of the value (top 10, minus values of other questions) at every latent, its depth chosen on `select`.",
    reproduced="Each value is found at its latent more often than at every other one, and than chance (every interval above 0).",
    reversed="Step 1 is found more often at another latent (interval below 0).",
    page="detect",
    fields={"value": "step 1"},
    measure=measure,
    parts=parts,
)
