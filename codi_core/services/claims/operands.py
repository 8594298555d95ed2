"""C30: latents hold intermediate results, and what they attend to are the operands."""

from __future__ import annotations

import numpy as np

from codi_core.services.claims.asked import TOP, Asked, Measured, above_chance, joined, known_mean
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import CODI
from codi_core.values.influence import OPERAND


def measure(asked: Asked) -> Measured:
    readings = asked.readings()
    steps = [above_chance(readings, target)[:, TOP - 1, 1:, -1].mean(1) for target in readings.targets if target != "answer"]
    arrays, questions = asked.influences()
    latents = slice(1, asked.passes + 1)
    mass = (arrays["mass"][:, latents, OPERAND] - arrays["shuffled"][:, latents]).mean(1)
    found = known_mean(steps) if steps else np.full(len(readings.questions), np.nan)
    return joined(({"steps": found}, readings.questions), ({"operands": mass}, questions))


def parts(found: Evidence) -> list[Part]:
    return [
        above("values of steps in the output's top 10, minus chance", found.arrays["steps"], found.clusters),
        above("attention to operands minus that with the numbers in another order", found.arrays["operands"], found.clusters),
    ]


CLAIM = FieldClaim(
    key="C30",
    sentence="Latents decode to intermediate results, and the tokens they attend to are the operands",
    source=CODI,
    eval_set="templates",
    statistic="Detection of the steps' values (top 10 of the output, minus values of other questions), mean over latents; attention of "
    "latents to numbers of the question, mean over layers and heads, minus that in a copy with its numbers in another order.",
    reproduced="Both above 0.",
    reversed="The first lies below 0.",
    page="influence",
    fields={"view": "Over an eval set"},
    measure=measure,
    parts=parts,
    revision=2,
)
