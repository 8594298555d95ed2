"""C29: corruption of latents has a threshold, not a slope."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of, first_half
from codi_core.services.claims.asked import Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import DISSECTION
from codi_core.steering.replacement import Replacement

SHARE = 0.5


def measure(asked: Asked) -> Measured:
    asked.has_latents(3)
    if not asked.run(lambda engine, _: engine.model.family.feeds_back):
        raise Untestable("Nothing is fed back: its passes all take the same learned vector.")
    noise = [(Replacement("gaussian", tuple(range(last + 1))),) for last in range(asked.passes)]
    before, found, questions = asked.answers(noise)
    right = np.stack([before.correct, *(run.correct for run in found)], 1).astype(float)
    return Measured({"right": right, "first": first_half(questions).astype(float)}, clusters_of(questions))


def parts(found: Evidence) -> list[Part]:
    right, first = found.arrays["right"].astype(float), found.arrays["first"] > 0
    drops = right[:, :-1] - right[:, 1:]
    largest = int(drops[first].mean(0).argmax())
    total = right[:, 0] - right[:, -1]
    rest = ~first
    beyond = (drops[:, largest] - SHARE * total)[rest]
    clusters = [labels[rest] for labels in found.clusters]
    return [
        above(f"the largest step (noise reaching latent {largest}) minus half of the whole fall", beyond, clusters),
        above("accuracy lost with noise in all latents", total[rest], clusters),
    ]


CLAIM = FieldClaim(
    key="C29",
    sentence="Corrupting latents has a threshold, not a slope",
    source=DISSECTION,
    eval_set="bundled",
    statistic="Accuracy with Gaussian noise in latents 0 to k, k = 0 to n − 1: the largest single fall (chosen on one half of "
    "the questions) minus half of the whole fall, on the other half.",
    reproduced="Above 0, and the whole fall too.",
    reversed="Below 0: no single step is half of it.",
    page="ablate",
    fields={"view": "Every latent"},
    measure=measure,
    parts=parts,
)
