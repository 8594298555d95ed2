"""C16: supervising steps raises accuracy and makes latents more diverse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codi_core.services.claims.asked import ANSWERED, Asked, Measured, Untestable, joined
from codi_core.services.claims.claim import FieldClaim
from codi_core.services.claims.evidence import Evidence
from codi_core.services.claims.parts import Part, above, seeds
from codi_core.services.claims.sources import SIM_COT
from codi_core.values.arrays import Floats
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question

PLAIN = {"bundled-steps": "bundled"}
"""Models trained with step supervision, and those of the same training without."""


def plain_of(asked: Asked) -> str:
    if asked.model not in PLAIN:
        raise Untestable("It takes a pair trained alike but for step supervision; this model is not the supervised one of a pair.")
    return PLAIN[asked.model]


def measure(asked: Asked) -> Measured:
    parts = []
    for name in ("bundled", "wordings"):
        own, plain = (asked.evaluated(name, model=model).run for model in (asked.model, asked.beside))
        change = own.correct.astype(float) - plain.correct
        parts.append(({f"accuracy_{name}": change}, asked.questions(name, len(own.rows))))
    questions = asked.questions("bundled", ANSWERED)
    diverse = _diversity(asked, asked.model, questions) - _diversity(asked, asked.beside, questions)
    return joined(*parts, ({"diversity": diverse}, questions), facts={"seeds": 1})


def _diversity(asked: Asked, model: str, questions: Sequence[Question]) -> Floats:
    """``[question]``: mean 1 − cosine of two latents h."""
    texts, config = [each.question for each in questions], RolloutConfig(asked.passes, 1)
    rollouts = asked.run(lambda engine, check: engine.rollout(texts, config, check_cancelled=check), model)
    h = np.stack([rollout.h[1:] for rollout in rollouts]).astype(float)
    unit = h / np.linalg.norm(h, axis=-1, keepdims=True)
    first, second = np.triu_indices(h.shape[1], 1)
    found: Floats = 1 - (unit[:, first] * unit[:, second]).sum(-1).mean(1)
    return found


def parts(found: Evidence) -> list[Part]:
    names = ("bundled", "wordings")
    change = np.stack([found.arrays[f"accuracy_{name}"] for name in names], 1)
    return [
        above("accuracy, step-supervised minus plain", change, found.clusters, labels=names),
        above("mean 1 − cosine between latents, step-supervised minus plain", found.arrays["diversity"], found.clusters, unit=""),
        seeds(found.facts["seeds"]),
    ]


CLAIM = FieldClaim(
    key="C16",
    sentence="Supervising the steps raises accuracy and makes latents more diverse",
    source=SIM_COT,
    eval_set="bundled",
    statistic="The step-supervised model minus the plain one of the same training: accuracy on `bundled` and on `wordings`, and the mean "
    "1 − cosine between two latents h of a question.",
    reproduced="All above 0, over at least three seeds of training.",
    reversed="Accuracy lies below 0.",
    page="model",
    measure=measure,
    parts=parts,
    beside=plain_of,
)
