"""C7: translators trained on text read latents better than those trained on latents."""

from __future__ import annotations

from codi_core.engine.engine import Engine
from codi_core.lenses.judging import judge_each
from codi_core.lenses.latents import collect_latents
from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import ANSWERED, Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import SPRINT_1
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled


def measure(asked: Asked) -> Measured:
    questions = asked.questions(asked.eval_set, asked.at_most(ANSWERED))

    def work(engine: Engine, check_cancelled: CheckCancelled) -> list[Floats]:
        indices = range(1, asked.passes + 1)
        latents = collect_latents(engine, [each.question for each in questions], indices, lambda *_: None, check_cancelled)
        lenses = [asked.bench.lens(engine, name) for name in ("tuned:text", "tuned:all")]
        return [judge_each(engine.model, lens, latents, indices)[0][..., :-1].mean((1, 2)).cpu().numpy() for lens in lenses]

    text, latent = asked.run(work)
    return Measured({"text": text, "latent": latent}, clusters_of(questions))


def parts(found: Evidence) -> list[Part]:
    worse = found.arrays["latent"] - found.arrays["text"]
    return [above("KL at latents, latent-trained minus text-trained", worse, found.clusters, unit="nats")]


CLAIM = FieldClaim(
    key="C7",
    sentence="Translators trained on text read latents better than those trained on latents",
    source=SPRINT_1,
    eval_set="select",
    statistic="KL from the output to the tuned lens at latents 1 to n, mean over depths before the last: trained on latents minus on text.",
    reproduced="Above 0: the text-trained lens is nearer to the output.",
    reversed="Below 0.",
    page="model",
    fields={"lens": "tuned:text"},
    measure=measure,
    parts=parts,
    needs="tuned lenses of both kinds (python -m codi_core train-lens --model {model} --indices text, and all)",
)
