"""C34: the J-lens shows values that the logit lens misses."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import TOP, Asked, Measured, above_chance, known_mean
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import GURNEE
from codi_core.values.arrays import Floats
from codi_core.values.lens import LensReadings

LENSES = ("jlens:text", "jlens:local")


def measure(asked: Asked) -> Measured:
    plain = asked.readings()
    own = [_found(asked.readings(lens)) for lens in LENSES]
    return Measured({"ahead": np.stack([each - _found(plain) for each in own], 1)}, clusters_of(plain.questions))


def _found(readings: LensReadings) -> Floats:
    """The answer and the values of the steps together: ``[question]``."""
    return known_mean([above_chance(readings, target)[:, TOP - 1, 1:, :-1].mean((1, 2)) for target in readings.targets])


def parts(found: Evidence) -> list[Part]:
    return [above("values found, J-lens minus logit lens", found.arrays["ahead"], found.clusters, labels=LENSES)]


CLAIM = FieldClaim(
    key="C34",
    sentence="The J-lens shows values that the logit lens misses",
    source=GURNEE,
    eval_set="templates",
    statistic="Detection of the answer and the steps' values (top 10, minus values of other questions) at latents, mean over depths before "
    "the last: J-lens minus logit lens, for the published estimator (text) and for each latent's own (local).",
    reproduced="Both above 0.",
    reversed="One below 0, p times 2 < .05.",
    page="detect",
    fields={"lens": "jlens:text", "value": "answer"},
    measure=measure,
    parts=parts,
    needs="a J-lens (python -m codi_core train-jlens --model {model} --variant text, and local)",
)
