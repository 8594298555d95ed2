"""C5: the answer is read most at latents 2 and 4, whatever number of tokens counts."""

from __future__ import annotations

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured, above_chance
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import SPRINT_1


def measure(asked: Asked) -> Measured:
    asked.has_latents(6)
    readings = asked.readings()
    found = above_chance(readings, "answer")[..., -1]
    return Measured({"ahead": found[:, :, [2, 4]].mean(-1) - found[:, :, [1, 3, 5, 6]].mean(-1)}, clusters_of(readings.questions))


def parts(found: Evidence) -> list[Part]:
    ahead = found.arrays["ahead"]
    labels = tuple(f"k = {k}" for k in range(1, ahead.shape[1] + 1))
    return [above("answer at latents 2 and 4 minus the others", ahead, found.clusters, labels=labels)]


CLAIM = FieldClaim(
    key="C5",
    sentence="The answer is read most at latents 2 and 4, for every k up to 10",
    source=SPRINT_1,
    eval_set="gsm8k",
    statistic="Detection of the answer in the output's top k (minus values of other questions): latents 2 and 4 minus 1, 3, 5 and 6.",
    reproduced="Above 0 for every k from 1 to 10.",
    reversed="Below 0 for some k, p times 10 < .05.",
    page="detect",
    fields={"value": "answer"},
    measure=measure,
    parts=parts,
)
