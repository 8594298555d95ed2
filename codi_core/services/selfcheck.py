"""Does the engine compute what the model is defined to compute? Asked of the model at hand, on the machine at hand."""

from __future__ import annotations

from torch import Tensor, from_numpy

from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.problems.generate import generate, seed_prompt, team_prompt
from codi_core.services.shared.workbench import Workbench
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.passport import Check

TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1, "float16": 3e-2}
"""Largest relative distance of latents by dtype; a cache and a whole sequence round differently."""
PROMPTS = 8
ANSWER_TOKENS = 8


def selfcheck(workbench: Workbench, model: str, viewer: str = "selfcheck", on_wait: OnWait | None = None) -> list[Check]:
    """Engine against oracle on a few prompts of different lengths, after as many passes as the model was trained with, 6 where that is not
    known. Raises ModelError when the model cannot be loaded.
    """
    return workbench.run(model, _selfcheck, viewer, on_wait)


def _selfcheck(engine: Engine, check_cancelled: CheckCancelled) -> list[Check]:
    passes = engine.model.passes
    config = RolloutConfig(RolloutConfig.passes if passes is None else passes, ANSWER_TOKENS)
    prompts = [problem.question for problem in (team_prompt(), seed_prompt(), *generate("test", PROMPTS - 2))]
    rollouts = engine.rollout(prompts, config, batch_size=len(prompts), check_cancelled=check_cancelled, record=False)
    results = []
    for prompt, rollout in zip(prompts, rollouts, strict=True):
        check_cancelled()
        oracle = oracle_rollout(engine.model, prompt, config)
        distance = max(_distance(rollout.h, oracle.h), _distance(rollout.z, oracle.z))
        same = list(rollout.answer_ids) == oracle.answer_ids
        passed = same and distance < TOLERANCE[engine.model.spec.dtype]
        results.append(Check(prompt, rollout.answer, engine.model.decode(oracle.answer_ids), distance, passed))
    return results


def _distance(ours: Floats, theirs: Tensor) -> float:
    theirs = theirs.float().cpu()
    return float((from_numpy(ours) - theirs).norm() / theirs.norm())
