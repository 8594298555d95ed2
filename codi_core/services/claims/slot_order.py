"""C28: the order of latents does not matter."""

from __future__ import annotations

import numpy as np

from codi_core.evaluation.donors import reordered
from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import ANSWERED, Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, below
from codi_core.services.claims.sources import DISSECTION
from codi_core.values.model import RolloutConfig

FLIPS = 0.05


def measure(asked: Asked) -> Measured:
    asked.has_latents(2)
    questions, config = asked.questions(asked.eval_set, asked.at_most(ANSWERED)), RolloutConfig(asked.passes)
    pairs = asked.run(lambda engine, check: reordered(engine, questions, config, 0, check))
    return Measured({"flips": np.array([before != after for before, after in pairs], float)}, clusters_of(questions))


def parts(found: Evidence) -> list[Part]:
    return [below("answers that change when the slots are shuffled", found.arrays["flips"], found.clusters, FLIPS)]


CLAIM = FieldClaim(
    key="C28",
    sentence="The order of the latents does not matter",
    source=DISSECTION,
    eval_set="bundled",
    statistic="Keys and values of the latents' slots in a random order, another one for each question, keys turned to their new places, "
    "before the answer: share of answers that change.",
    reproduced="The interval lies below 5 %.",
    reversed="It lies above.",
    page="ablate",
    fields={"view": "Every latent"},
    measure=measure,
    parts=parts,
)
