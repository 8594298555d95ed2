"""C15: KV steering and then one more pass equals a random push."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, within
from codi_core.services.claims.sources import SPRINT_4
from codi_core.services.sweeps.claims import HELPFUL
from codi_core.services.sweeps.claims.cells import COLUMN
from codi_core.steering.kv import KV
from codi_core.steering.vectors import Difference
from codi_core.values.signs import decimal

COEFFICIENT, RANDOMS, QUESTIONS = 0.5, 4, 200


def measure(asked: Asked) -> Measured:
    asked.has_latents(COLUMN + 1)
    own = [KV(Difference(a, b), COEFFICIENT, (COLUMN,)) for a, b in HELPFUL[COEFFICIENT]]
    random = [method.control(seed) for seed in range(RANDOMS) for method in own]
    before, found, questions = asked.answers([(method,) for method in (*own, *random)], QUESTIONS)
    right = np.stack([run.correct for run in found], 1).astype(float)
    beyond = right[:, : len(own)].mean(1) - right[:, len(own) :].mean(1)
    change = right[:, : len(own)].mean(1) - before.correct
    return Measured({"beyond": beyond, "change": change}, clusters_of(questions))


def parts(found: Evidence) -> list[Part]:
    change = float(found.arrays["change"].mean())
    name = f"accuracy under the named pairs minus under random pushes (against unsteered {decimal(100 * change, '+.1f')})"
    return [within(name, found.arrays["beyond"], found.clusters)]


CLAIM = FieldClaim(
    key="C15",
    sentence="KV steering with one more pass after it is worth a random push",
    source=SPRINT_4,
    eval_set="templates",
    statistic=f"Accuracy under the six pairs named for +0.5 at latent 5, pass 6 run after it, minus under {RANDOMS} random directions each "
    "of the same length.",
    reproduced="Its interval lies within ±5 points.",
    reversed="It lies wholly outside.",
    page="steer",
    measure=measure,
    parts=parts,
)
