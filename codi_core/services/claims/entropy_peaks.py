"""C6: the output is least certain at latents 3 and 5."""

from __future__ import annotations

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import SPRINT_1


def measure(asked: Asked) -> Measured:
    asked.has_latents(5)
    readings = asked.readings()
    output = readings.entropy[..., -1]
    return Measured({"peaks": output[:, [3, 5]].mean(1) - output[:, [2, 4]].mean(1)}, clusters_of(readings.questions))


def parts(found: Evidence) -> list[Part]:
    return [above("entropy at latents 3 and 5 minus 2 and 4", found.arrays["peaks"], found.clusters, unit="nats")]


CLAIM = FieldClaim(
    key="C6",
    sentence="The entropy peaks at latents 3 and 5",
    source=SPRINT_1,
    eval_set="gsm8k",
    statistic="Entropy of the output at latents 3 and 5 minus that at 2 and 4.",
    reproduced="Above 0.",
    reversed="Below 0.",
    page="detect",
    fields={"view": "Entropy"},
    measure=measure,
    parts=parts,
)
