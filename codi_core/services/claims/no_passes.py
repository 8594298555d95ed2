"""C18: the latents are unnecessary."""

from __future__ import annotations

import numpy as np

from codi_core.evaluation.outcomes import spells_out
from codi_core.problems.clusters import clusters_of, family_of
from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, within
from codi_core.services.claims.sources import DILGREN


def measure(asked: Asked) -> Measured:
    none, every = asked.evaluated(passes=0).run, asked.evaluated().run
    change = none.correct.astype(float) - every.correct
    families = [family_of(row) or "all" for row in every.rows]
    names = sorted(set(families))
    own = np.stack([np.where(np.array(families) == name, change, np.nan) for name in names], 1)
    spelled = float(np.mean([spells_out(row.answer) for row in none.rows]))
    return Measured({"change": own}, clusters_of(every.rows), {"families": names, "spelled_out": spelled})


def parts(found: Evidence) -> list[Part]:
    labels = tuple(found.facts["families"])
    spelled = f"{found.facts['spelled_out']:.0%} of its answers write equations"
    return [within(f"accuracy without passes ({spelled}) minus with all", found.arrays["change"], found.clusters, labels)]


CLAIM = FieldClaim(
    key="C18",
    sentence="The latents are unnecessary: accuracy without passes is the same",
    source=DILGREN,
    eval_set="bundled",
    statistic="Accuracy with no passes minus with all, for every family of questions. The source says so of logic sets only.",
    reproduced="Every family's interval lies within ±5 points.",
    reversed="One lies wholly outside, p times the families < .05.",
    page="ablate",
    measure=measure,
    parts=parts,
)
