"""C4: the tuned lens shows the answer at odd latents, the plain one does not."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import TOP, Asked, Measured, above_chance
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, within
from codi_core.services.claims.sources import SPRINT_1

ODD = [1, 3, 5]


def measure(asked: Asked) -> Measured:
    asked.has_latents(5)
    tuned, plain = (asked.readings(lens) for lens in ("tuned:all", "logit"))
    found = [above_chance(readings, "answer")[:, TOP - 1, ODD, :-1].mean((1, 2)) for readings in (tuned, plain)]
    return Measured({"tuned": found[0], "plain": found[1]}, clusters_of(plain.questions))


def parts(found: Evidence) -> list[Part]:
    tuned, plain = found.arrays["tuned"], found.arrays["plain"]
    return [
        above("answer at odd latents, tuned minus plain lens", np.asarray(tuned - plain), found.clusters),
        within("the same, plain lens alone", plain, found.clusters),
    ]


CLAIM = FieldClaim(
    key="C4",
    sentence="At odd latents the tuned lens shows the answer, and the plain lens does not",
    source=SPRINT_1,
    eval_set="templates",
    statistic="Detection of the answer (top 10, minus values of other questions) at latents 1, 3 and 5, mean over depths before the last.",
    reproduced="Tuned minus plain lies above 0, and the plain lens alone within ±5 points of chance.",
    reversed="Tuned minus plain lies below 0.",
    page="detect",
    fields={"lens": "tuned:all", "value": "answer"},
    measure=measure,
    parts=parts,
    needs="a tuned lens (python -m codi_core train-lens --model {model} --indices all)",
)
