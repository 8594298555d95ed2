"""services.inspect on a small real checkpoint: answer, grids, tracked tokens, cards, and what bad input says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codi_core.errors import InputError, LensError, ModelError
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.services.cards import model_card
from codi_core.services.inspect import InspectRequest, inspect, known_problems
from codi_core.services.workbench import Recent, Workbench
from codi_core.settings import Settings
from tests.checkpoints import load


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu", dtype="float32", threads=1))
    yield bench
    bench.close()


def test_answer_grid_and_tracked_tokens_of_a_known_problem(workbench: Workbench, folder: str) -> None:
    request = InspectRequest(folder, team_prompt().question, tracked=("yes",))
    seen = inspect(workbench, request, "test")
    model = load(Path(folder), lora_alpha=None)
    grid = seen.grids["logit"]
    assert seen.model == model.spec and grid.model_key == model.spec.key
    assert seen.rollout.input_ids == tuple(model.build_prompt(request.prompt)) and seen.rollout.resid.size == 0
    assert grid.top_probs.shape == (7, model.n_layers + 1, 10) and seen.milliseconds > 0
    assert seen.problem is not None and (seen.problem.gold, seen.problem.steps) == (24, (8, 16, 24))
    assert [item.text for item in seen.tracked] == ["yes", "8", "16", "24"]
    for item in seen.tracked:
        assert grid.prob_of(item).shape == grid.rank_of(item).shape == (7, model.n_layers + 1)


def test_passes_decide_how_many_indices_there_are(workbench: Workbench, folder: str) -> None:
    request = InspectRequest(folder, "How many?", passes=0)
    assert inspect(workbench, request, "test").grids["logit"].entropy.shape[0] == 1
    assert inspect(workbench, replace(request, passes=8), "test").grids["logit"].entropy.shape[0] == 9


def test_the_same_request_gives_the_same_numbers_and_another_has_another_key(workbench: Workbench, folder: str) -> None:
    request = InspectRequest(folder, "How many?")
    first, second = inspect(workbench, request, "a"), inspect(workbench, request, "b")
    np.testing.assert_array_equal(first.grids["logit"].top_probs, second.grids["logit"].top_probs)
    assert request.key != replace(request, passes=5).key != replace(request, passes=5, tracked=("x",)).key


def test_the_prompts_of_the_posts_are_known() -> None:
    known = known_problems()
    assert known[team_prompt().question].gold == 24 and known[seed_prompt().question].gold == 360
    assert len(known) > 1000 and all(problem.steps[-1] == problem.gold for problem in known.values())


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompt": " \n "}, InputError, "empty"),
        ({"prompt": "x" * 20_001}, InputError, "20,000"),
        ({"passes": -1}, InputError, "choose 0 to"),
        ({"passes": 99}, InputError, "choose 0 to"),
        ({"tracked": ("",)}, InputError, "tracked token"),
        ({"tracked": ("id:99999999",)}, InputError, "vocabulary"),
        ({"tracked": tuple(map(str, range(30)))}, InputError, "at most"),
        ({"lenses": ("crystal ball",)}, LensError, "crystal ball"),
        ({"model": "no-such-model"}, ModelError, "no-such-model"),
    ],
)
def test_bad_requests_say_what_and_leave_the_workbench_usable(
    workbench: Workbench, folder: str, changes: dict[str, object], error: type[Exception], says: str
) -> None:
    request = InspectRequest(folder, "How many?")
    with pytest.raises(error, match=says):
        inspect(workbench, replace(request, **changes), "test")  # type: ignore[arg-type]
    assert inspect(workbench, request, "test").rollout.question == "How many?"


@pytest.mark.parametrize("prompt", ["🙂 مرحبا", "\x00\x07 bell", "<script>alert(1)</script>", "$x^2$ **bold**", "\ud800 half a surrogate"])
def test_odd_text_is_text(workbench: Workbench, folder: str, prompt: str) -> None:
    assert inspect(workbench, InspectRequest(folder, prompt), "test").rollout.input_ids


def test_model_card(workbench: Workbench, folder: str) -> None:
    card, model = model_card(workbench, folder, "test"), load(Path(folder), lora_alpha=None)
    assert (card.spec, card.n_layers, card.device, card.hub_id) == (model.spec, 3, "cpu", None)
    assert card.has_projection and card.special_ids["bot"] == model.ids.bot and card.parameters == model.parameters_count


def test_recent_forgets_what_was_used_longest_ago() -> None:
    recent: Recent[str, str] = Recent(2)
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key

    for key in "abaca":
        recent.get(key, lambda key=key: make(key))  # type: ignore[misc]
    assert made == ["a", "b", "c"]
    recent.get("b", lambda: make("b"))
    assert made[-1] == "b"
