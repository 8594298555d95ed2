"""C31: implicit chains are worth as much as explicit ones."""

from __future__ import annotations

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, within
from codi_core.services.claims.sources import CODI


def measure(asked: Asked) -> Measured:
    implicit, explicit = asked.evaluated().run, asked.evaluated(mode="cot").run
    return Measured({"change": implicit.correct.astype(float) - explicit.correct}, clusters_of(implicit.rows))


def parts(found: Evidence) -> list[Part]:
    return [within("accuracy with latents minus with a written chain", found.arrays["change"], found.clusters)]


CLAIM = FieldClaim(
    key="C31",
    sentence="Implicit chains are worth as much as explicit ones",
    source=CODI,
    eval_set="gsm8k",
    statistic="Accuracy with all passes minus accuracy of the same weights with a chain of thought written out.",
    reproduced="Its interval lies within ±5 points.",
    reversed="It lies wholly outside.",
    page="model",
    measure=measure,
    parts=parts,
)
