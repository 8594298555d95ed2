"""C9: “therefore” appears from latent 3 on, and at odd latents."""

from __future__ import annotations

import numpy as np

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import TOP, Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import SPRINT_2
from codi_core.services.detect import set_hits, tracked_tokens

WORD = "therefore"
LATE = np.array([3, 4, 5, 6])


def measure(asked: Asked) -> Measured:
    asked.has_latents(6)
    (word,) = tracked_tokens(asked.bench, asked.model, [WORD], asked.viewer, asked.on_wait)
    if word.note:
        raise Untestable(f"The model has no token for “{WORD}” ({word.note.rstrip('.')}).")
    readings = asked.readings()
    hits = set_hits(readings, word.ids)[1][:, TOP - 1, :, -1].astype(float)
    away = LATE - LATE.mean()
    trend = (hits[:, LATE] * away).sum(1) / np.square(away).sum()
    odd = hits[:, [1, 3, 5]].mean(1) - hits[:, [2, 4, 6]].mean(1)
    return Measured({"trend": trend, "odd": odd}, clusters_of(readings.questions))


def parts(found: Evidence) -> list[Part]:
    return [
        above(f"“{WORD}” in the output's top 10, growth per latent over 3 to 6", found.arrays["trend"], found.clusters),
        above("the same, odd latents minus even ones", found.arrays["odd"], found.clusters),
    ]


CLAIM = FieldClaim(
    key="C9",
    sentence="“therefore” appears from latent 3 on and grows, at odd latents more than at even ones",
    source=SPRINT_2,
    eval_set="gsm8k",
    statistic="Whether the word is among the output's ten likeliest tokens: slope over latents 3 to 6; odd minus even latents.",
    reproduced="Both above 0.",
    reversed="The slope lies below 0.",
    page="detect",
    fields={"view": "Token set", "words": WORD},
    measure=measure,
    parts=parts,
)
