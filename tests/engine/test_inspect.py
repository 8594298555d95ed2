"""services.inspect on a small real checkpoint: answer, grids, tracked tokens, cards, and what bad input says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codi_core.errors import InputError, LensError, ModelError
from codi_core.problems.generate import team_prompt
from codi_core.services.cards import model_card
from codi_core.services.inspect import LONGEST_OWN, InspectRequest, inspect
from codi_core.services.shared.requests import SteerRequest
from codi_core.services.shared.workbench import LruCache, Workbench
from codi_core.services.steer import steer
from codi_core.settings import Settings
from codi_core.steering.flags import methods_of
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


def test_a_word_of_several_tokens_has_its_probability_as_the_answer(workbench: Workbench, folder: str) -> None:
    seen = inspect(workbench, InspectRequest(folder, "How many?", tracked=("therefore", "24")), "test")
    word, one = seen.tracked
    assert (word.pieces > 1, one.pieces, one.answered) == (True, 1, None)
    methods = methods_of("replacement by=zero indices=2 space=z")
    steered = steer(workbench, SteerRequest(folder, "How many?", methods, lenses=("logit",), gold="therefore"), "test")
    assert word.answered is not None and steered.baseline.p_gold is not None and 0 < word.answered < 1
    np.testing.assert_allclose(word.answered, steered.baseline.p_gold, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"prompt": " \n "}, InputError, "empty"),
        ({"prompt": "x" * 20_001}, InputError, "20,000"),
        ({"passes": -1}, InputError, "choose 0 to"),
        ({"passes": 99}, InputError, "choose 0 to"),
        ({"cell": (7, 0)}, InputError, "no cell 7.0"),
        ({"cell": (0, -1)}, InputError, "no cell"),
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


def test_what_cannot_be_tracked_is_said_beside_what_can(workbench: Workbench, folder: str) -> None:
    seen = inspect(workbench, InspectRequest(folder, "How many?", tracked=("", "5", "id:99999999")), "test")
    assert [token.text for token in seen.tracked] == ["5"]
    assert "tracked token" in seen.refused[""] and "vocabulary" in seen.refused["id:99999999"] and len(seen.refused) == 2


def test_one_request_follows_the_cells_token_and_the_models_own_answer(workbench: Workbench, folder: str) -> None:
    request = InspectRequest(folder, team_prompt().question, tracked=("5",), own=True, cell=(2, 1))
    seen = inspect(workbench, request, "test")
    grid, here = seen.grids["logit"], seen.here["logit"]
    assert here.ids == (int(grid.top_ids[2, 1, 0]),) and grid.rank_of(here)[2, 1] == 1
    np.testing.assert_allclose(grid.prob_of(here)[2, 1], grid.top_probs[2, 1, 0], rtol=1e-5)
    answer = seen.rollout.answer.strip()
    own = [answer] if 0 < len(answer) <= LONGEST_OWN else []
    assert [token.text for token in seen.tracked] == ["5", *own, "8", "16", "24"]
    plain = inspect(workbench, replace(request, own=False, cell=None), "test")
    assert plain.here == {} and [token.text for token in plain.tracked] == ["5", "8", "16", "24"]


@pytest.mark.parametrize("prompt", ["🙂 مرحبا", "\x00\x07 bell", "<script>alert(1)</script>", "$x^2$ **bold**", "\ud800 half a surrogate"])
def test_odd_text_is_text(workbench: Workbench, folder: str, prompt: str) -> None:
    assert inspect(workbench, InspectRequest(folder, prompt), "test").rollout.input_ids


def test_model_card(workbench: Workbench, folder: str) -> None:
    card, model = model_card(workbench, folder, "test"), load(Path(folder), lora_alpha=None)
    assert (card.spec, card.n_layers, card.device, card.hub_id) == (model.spec, 3, "cpu", None)
    assert card.has_projection and card.special_ids["bot"] == model.ids.bot and card.parameters == model.parameters_count


def test_recent_forgets_what_was_used_longest_ago() -> None:
    recent: LruCache[str, str] = LruCache(2)
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key

    for key in "abaca":
        recent.get(key, lambda key=key: make(key))  # type: ignore[misc]
    assert made == ["a", "b", "c"]
    recent.get("b", lambda: make("b"))
    assert made[-1] == "b"
