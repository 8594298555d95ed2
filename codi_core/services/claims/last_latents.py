"""C3: the last two latents can be noise."""

from __future__ import annotations

from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import Asked, Measured, Untestable
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, within
from codi_core.services.claims.sources import CYWINSKI
from codi_core.steering.replacement import Replacement


def measure(asked: Asked) -> Measured:
    asked.has_latents(2)
    if not asked.run(lambda engine, _: engine.model.family.feeds_back):
        raise Untestable("Nothing is fed back: its passes all take the same learned vector.")
    before, (after,), questions = asked.answers([(Replacement("gaussian", (asked.passes - 1,)),)])
    return Measured({"change": after.correct.astype(float) - before.correct}, clusters_of(questions))


def parts(found: Evidence) -> list[Part]:
    return [within("accuracy with noise minus as it is", found.arrays["change"], found.clusters)]


CLAIM = FieldClaim(
    key="C3",
    sentence="The last two latents can be noise",
    source=CYWINSKI,
    eval_set="templates",
    statistic="Change of accuracy when the latent before the last is a Gaussian draw with the latents' mean and covariance; the last is "
    "never fed back.",
    reproduced="Its interval lies within ±5 points.",
    reversed="It lies wholly outside.",
    page="ablate",
    fields={"view": "Every latent"},
    measure=measure,
    parts=parts,
)
