"""C22: influence between latents is not local."""

from __future__ import annotations

import numpy as np

from codi_core.services.claims.asked import Asked, Measured, Untestable, joined
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, below
from codi_core.services.claims.sources import LIU
from codi_core.values.influence import METRICS, SUMMARIES, summarised

KL = METRICS.index("kl")


def measure(asked: Asked) -> Measured:
    asked.has_latents(3)
    arrays, questions = asked.influences()
    found = summarised(arrays["weights"][:, KL])
    if np.isnan(found).all():
        raise Untestable("Nothing is fed back, so no latent acts on a later one but through the cache.")
    nulls = dict(zip(SUMMARIES, summarised(np.ones((asked.passes, asked.passes), np.float32)).tolist(), strict=True))
    columns = {name: found[:, SUMMARIES.index(name)] for name in ("locality", "span")}
    return joined((columns, questions), facts={name: nulls[name] for name in columns})


def parts(found: Evidence) -> list[Part]:
    edges = found.facts
    return [
        below("share of influence on the next latent", found.arrays["locality"], found.clusters, edges["locality"], unit=""),
        above("mean distance of influence", found.arrays["span"], found.clusters, edges["span"], unit=""),
    ]


CLAIM = FieldClaim(
    key="C22",
    sentence="Influence between latents is not local",
    source=LIU,
    eval_set="templates",
    statistic="Each latent zeroed, KL at the answer stopped after each later pass: share of it on the next latent, and mean distance.",
    reproduced="Less on the next latent than if all pairs weighed the same (1/3 of six), and farther (2.33).",
    reversed="More on the next latent.",
    page="influence",
    fields={"view": "Over an eval set"},
    measure=measure,
    parts=parts,
)
