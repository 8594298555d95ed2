"""C13: hidden-state steering ends as random patching does."""

from __future__ import annotations

from codi_core.services.claims.asked import Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.named_pairs import check_stored
from codi_core.services.claims.parts import Part, fact
from codi_core.services.claims.sources import SPRINT_3
from codi_core.services.sweeps.claims import stored_findings
from codi_core.services.sweeps.claims.like_random import LIKE_RANDOM

BEYOND = "not end like random"
"""What `LikeRandom` says where a cell is."""


def measure(asked: Asked) -> Measured:
    (found,) = (one for one in stored_findings(asked.bench.store, asked.model, asked.eval_set) if one.claim == LIKE_RANDOM[0])
    check_stored([found])
    if found.verdict == "not testable":
        raise Untestable(found.why)
    return Measured({}, (), {"verdict": found.verdict, "why": found.why, "sweep": found.sweep})


def parts(found: Evidence) -> list[Part]:
    """As `LikeRandom` judges it: one cell beyond is enough to refuse it, more than half say the opposite."""
    verdict, why = found.facts["verdict"], found.facts["why"]
    every = True if verdict == "reproduced" else False if BEYOND in why else None
    return [
        fact(
            "cells beyond ±5 points of their band", verdict != "reversed", why if verdict == "reversed" else "half or fewer", "half at most"
        ),
        fact("every cell", every, why, "within ±5 points of its band"),
    ]


CLAIM = FieldClaim(
    key="C13",
    sentence="Hidden-state steering ends as random patching does",
    source=SPRINT_3,
    eval_set="templates",
    statistic="Stored sweep as in the posts: every pair and site at the largest coefficient against random directions of its own length.",
    reproduced="The 95 % interval of every cell lies within ±5 points of its band.",
    reversed="More than half of the cells lie beyond, each with p < .05 after Holm over the cells.",
    page="heatmaps",
    fields={"sweep": "post-hidden", "eval_set": "templates"},
    measure=measure,
    parts=parts,
    needs="a stored sweep with its bands (python -m codi_core sweep --model {model} --preset post-hidden --bands-at 5)",
)
