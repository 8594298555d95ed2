"""C8: a lens trained on latents fails on text."""

from __future__ import annotations

import torch

from codi_core.engine.engine import Engine
from codi_core.lenses.base import Lens
from codi_core.lenses.judging import judge_each
from codi_core.lenses.latents import collect_text
from codi_core.problems.clusters import clusters_of
from codi_core.services.claims.asked import ANSWERED, Asked, Measured
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above
from codi_core.services.claims.sources import SPRINT_2
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled


def measure(asked: Asked) -> Measured:
    questions = asked.questions(asked.eval_set, asked.at_most(ANSWERED))

    def work(engine: Engine, check_cancelled: CheckCancelled) -> list[Floats]:
        lenses = [asked.bench.lens(engine, name) for name in ("tuned:all", "logit")]
        each = [collect_text(engine, [one.question], place, lambda *_: None, check_cancelled) for place, one in enumerate(questions)]
        return [torch.stack([_kl(engine, lens, own) for own in each]).cpu().numpy() for lens in lenses]

    tuned, plain = asked.run(work)
    return Measured({"tuned": tuned, "plain": plain}, clusters_of(questions))


def _kl(engine: Engine, lens: Lens, resid: torch.Tensor) -> torch.Tensor:
    """Mean over positions and depths before the last; a lens for all indices reads every position alike."""
    return judge_each(engine.model, lens, resid[None], [0] * len(resid))[0][..., :-1].mean()


def parts(found: Evidence) -> list[Part]:
    worse = found.arrays["tuned"] - found.arrays["plain"]
    return [above("KL at the prompt's text, latent-trained minus plain lens", worse, found.clusters, unit="nats")]


CLAIM = FieldClaim(
    key="C8",
    sentence="A lens trained on latents fails on text",
    source=SPRINT_2,
    eval_set="select",
    statistic="KL from the output to the lens at seven positions of every prompt, mean over depths before the last: the tuned lens of all "
    "latents minus the plain one.",
    reproduced="Above 0: worse than no training at all.",
    reversed="Below 0.",
    page="model",
    fields={"lens": "tuned:all"},
    measure=measure,
    parts=parts,
    needs="a tuned lens (python -m codi_core train-lens --model {model} --indices all)",
)
