"""The models that ship: floors a little below what docs/bundled-results.md says, so that a regression shows."""

from __future__ import annotations

import numpy as np
import pytest

from codi_core.engine.cache import Cache
from codi_core.engine.engine import Engine
from codi_core.evaluation.evals import run_eval
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.settings import Settings
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.flags import methods_of
from codi_core.steering.means import collect_samples
from codi_core.values.evals import Mode
from codi_core.values.model import RolloutConfig
from codi_core.values.vectors import MeansSpec

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


@pytest.mark.parametrize("then", ["then=stop", ""])
@pytest.mark.parametrize("name", ["bundled", "bundled-steps"])
def test_slots_of_all_rows_have_room_from_the_start(
    engines: dict[str, Engine], name: str, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make room in between is to copy them all; for the few rows that go on it costs little."""
    reserve, copied = Cache.reserve, list[int]()

    def counted(cache: Cache, slots: int) -> None:
        before = cache.keys.shape[3]
        reserve(cache, slots)
        copied.extend([cache.rows] if cache.keys.shape[3] > before else [])

    engine, (eval_set, questions) = engines[name], load_eval_set("bundled", 60, 1)
    means, of_means = load_eval_set("means", 20, 0)
    spec = MeansSpec(engine.model.spec.key, means)
    directions = Directions(collect_samples(engine, spec, of_means))
    prepared = PreparedSet(engine, questions, RolloutConfig())
    methods = [methods_of(f"kv source=difference a=2 b=4 coefficient={coefficient} indices=5 {then}")[0] for coefficient in (0.5, 1.0)]
    conditions = [Condition(spec.model, eval_set, prepared.config, (method,), spec) for method in methods]
    prepared.answers_of(0, conditions, directions)  # unsteered answers, which drafts are made of
    monkeypatch.setattr(Cache, "reserve", counted)
    prepared.answers_of(0, conditions, directions)
    assert len(prepared.batches[0]) * len(conditions) not in copied
