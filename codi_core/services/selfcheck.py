"""Does the engine compute what the model is defined to compute? Asked of the model at hand, on the machine at hand."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, from_numpy

from codi_core.backend.worker import Check
from codi_core.engine.oracle import oracle_rollout
from codi_core.problems.generate import generate, seed_prompt, team_prompt
from codi_core.services.workbench import Workbench
from codi_core.types import Floats, RolloutConfig

TOLERANCE = {"float32": 1e-3, "bfloat16": 1e-1, "float16": 3e-2}
"""Largest relative distance of latents by dtype; a cache and a whole sequence round differently."""
CONFIG = RolloutConfig(passes=6, max_new_tokens=8)


@dataclass(frozen=True)
class SelfCheck:
    """One prompt through the engine (all prompts in one batch) and through the oracle (batch 1, no cache)."""

    prompt: str
    answer: str
    expected: str
    """The oracle's answer."""
    distance: float
    """‖engine − oracle‖ / ‖oracle‖ over h and z of all indices."""
    passed: bool


def selfcheck(workbench: Workbench, model: str, viewer: str = "selfcheck") -> list[SelfCheck]:
    """Engine against oracle on a few prompts of different lengths. Raises ModelError when the model cannot be loaded."""
    return workbench.run(lambda check: _selfcheck(workbench, model, check), viewer)


def _selfcheck(workbench: Workbench, name: str, check: Check) -> list[SelfCheck]:
    engine = workbench.engine(name)
    prompts = [problem.question for problem in (team_prompt(), seed_prompt(), *generate("test", 2))]
    rollouts = engine.rollout(prompts, CONFIG, batch_size=len(prompts), on_step=check, record=False)
    results = []
    for prompt, rollout in zip(prompts, rollouts, strict=True):
        check()
        oracle = oracle_rollout(engine.model, prompt, CONFIG)
        distance = max(_distance(rollout.h, oracle.h), _distance(rollout.z, oracle.z))
        same = list(rollout.answer_ids) == oracle.answer_ids
        passed = same and distance < TOLERANCE[engine.model.spec.dtype]
        results.append(SelfCheck(prompt, rollout.answer, engine.model.decode(oracle.answer_ids), distance, passed))
    return results


def _distance(ours: Floats, theirs: Tensor) -> float:
    theirs = theirs.float().cpu()
    return float((from_numpy(ours) - theirs).norm() / theirs.norm())
