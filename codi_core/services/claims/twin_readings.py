"""C24: what is read in latents is read as well where nothing is fed back."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import TOP, Asked, Measured, above_chance, known_mean
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, within
from codi_core.services.claims.sources import CONTROLS
from codi_core.values.arrays import Floats
from codi_core.values.lens import LensReadings


def measure(asked: Asked) -> Measured:
    own, twin = (asked.readings(model=model) for model in (asked.model, asked.beside))
    return Measured({"own": _found(own), "twin": _found(twin)}, clusters_of(own.questions))


def _found(readings: LensReadings) -> Floats:
    """The answer and the values of the steps together, mean over latents: ``[question]``."""
    return known_mean([above_chance(readings, target)[:, TOP - 1, 1:, -1].mean(1) for target in readings.targets])


def parts(found: Evidence) -> list[Part]:
    own, twin = found.arrays["own"], found.arrays["twin"]
    return [
        above("values read in the pause twin, minus chance", twin, found.clusters),
        within("the model minus its pause twin", np.asarray(own - twin), found.clusters),
    ]


CLAIM = FieldClaim(
    key="C24",
    sentence="Patterns that can be decoded are there as well where nothing is fed back",
    source=CONTROLS,
    eval_set="templates",
    statistic="Detection of the answer and the steps' values in the output at latents (top 10, minus values of other questions), in the "
    "pause twin, and in the model minus its twin.",
    reproduced="Above 0 in the twin, and the difference within ±5 points.",
    reversed="The twin lies below chance.",
    page="detect",
    fields={"twin": True},
    measure=measure,
    parts=parts,
    beside=Asked.control,
    needs="a pause twin beside the model (python -m codi_core train --preset {model}-pause)",
)
