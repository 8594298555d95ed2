"""The models that ship: floors a little below what docs/bundled-results.md says, so that a regression shows."""

from __future__ import annotations

import numpy as np
import pytest

from codi_core.engine.engine import Engine
from codi_core.evaluation.evals import run_eval
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.settings import Settings
from codi_core.values.evals import Mode
from codi_core.values.model import RolloutConfig

QUESTIONS = 200
FLOORS: list[tuple[str, str, Mode, int, float, float]] = [  # model, eval set, mode, passes, at least, at most
    ("bundled", "templates", "latent", 6, 0.93, 1.0),
    ("bundled", "bundled", "latent", 6, 0.84, 1.0),
    ("bundled", "bundled", "latent", 0, 0.0, 0.13),
    ("bundled", "bundled", "cot", 0, 0.95, 1.0),
    ("bundled-steps", "templates", "latent", 6, 0.95, 1.0),
    ("bundled-steps", "bundled", "latent", 6, 0.97, 1.0),
    ("bundled-steps", "bundled", "latent", 0, 0.0, 0.22),
    ("bundled-steps", "bundled", "cot", 0, 0.97, 1.0),
]


@pytest.fixture(scope="module")
def engines() -> dict[str, Engine]:
    settings = Settings(device="cpu", dtype="float32", threads=1)
    return {name: Engine(load_model(ModelRequest(name), settings)) for name in ("bundled", "bundled-steps")}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "eval_set", "mode", "passes", "least", "most"), FLOORS)
def test_accuracy_is_what_was_shipped(
    engines: dict[str, Engine], name: str, eval_set: str, mode: Mode, passes: int, least: float, most: float
) -> None:
    _, questions = load_eval_set(eval_set, QUESTIONS, 1)
    config = RolloutConfig(passes, 128 if mode == "cot" else 32)
    accuracy = np.mean([row.outcome == "correct" for row in run_eval(engines[name], questions, config, mode)])
    assert least <= accuracy <= most


@pytest.mark.parametrize("name", ["bundled", "bundled-steps"])
def test_the_prompts_of_the_posts_are_answered_right(engines: dict[str, Engine], name: str) -> None:
    problems = (team_prompt(), seed_prompt())
    rollouts = engines[name].rollout([problem.question for problem in problems], RolloutConfig(), record=False)
    assert [rollout.number for rollout in rollouts] == [problem.answer for problem in problems]


def test_slots_of_a_batch_are_those_of_each_question_though_answers_end_one_after_the_other(engines: dict[str, Engine]) -> None:
    engine, config = engines["bundled"], RolloutConfig(4)  # after four passes some answers are numbers, others whole chains
    questions = [question.question for question in load_eval_set("templates", 12, 3)[1]]
    together = engine.rollout(questions, config)
    lengths = [len(rollout.answer_ids) for rollout in together]
    assert min(lengths) + 5 < max(lengths)
    for question, rollout in zip(questions, together, strict=True):
        (alone,) = engine.rollout([question], config)
        np.testing.assert_allclose(rollout.keys, alone.keys, atol=1e-4)
        np.testing.assert_allclose(rollout.values, alone.values, atol=1e-4)
