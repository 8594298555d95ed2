"""Training: a run that was cut goes on as if it had not been, and what it writes is a checkpoint like any other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.generate import generate
from codi_core.settings import Settings
from codi_core.training import recipe
from codi_core.training.batches import batches, encode
from codi_core.training.run import make_config, make_student, make_tokenizer, train
from codi_core.training.tokenizer import token_id
from codi_core.values.model import RolloutConfig
from tests.trained import PAUSED, TINY


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(TINY, tmp_path_factory.mktemp("unbroken"), every=3)


@pytest.mark.slow
def test_a_resumed_run_equals_an_unbroken_one(unbroken: Path, tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def kill(row: dict[str, float]) -> None:
        if row["step"] == 3:
            raise Killed

    with pytest.raises(Killed):
        train(TINY, tmp_path, report=kill, every=3)
    resumed = load_file(train(TINY, tmp_path, every=3) / "model.safetensors")
    expected = load_file(unbroken / "model.safetensors")
    assert resumed.keys() == expected.keys()
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


def test_another_spec_does_not_resume_in_the_same_folder(unbroken: Path) -> None:
    with pytest.raises(InputError, match="other settings"):
        train(replace(TINY, seed=8), unbroken.parent)


def test_the_checkpoint_loads_and_its_card_tells_how_it_was_made(unbroken: Path, settings: Settings) -> None:
    model = load_model(ModelRequest(str(unbroken)), settings)
    assert model.spec.prompt_format == "answer-only"
    assert (model.n_layers, model.d_model) == (2, 32)
    card = json.loads((unbroken / "codi.json").read_text())
    assert card["training"]["seed"] == TINY.seed
    assert [row["step"] for row in card["curve"]] == [3, 6]


def test_the_engine_thinks_what_training_thought(unbroken: Path, settings: Settings) -> None:
    """Latents of training's own forward pass (left-padded, Hugging Face cache) = latents of the engine."""
    problems = generate("test", 5)
    tokenizer = make_tokenizer(TINY)
    student = recipe.Student(make_config(TINY, tokenizer), [token_id(tokenizer, str(n)) for n in range(1_000)], 0)
    student.load_state_dict(load_file(unbroken / "model.safetensors"), strict=False)
    student.codi.tie_weights()
    batch, cache = encode(problems, tokenizer), recipe.DynamicCache()
    with torch.no_grad():
        hidden, _ = recipe.forward(student, student.embed(batch.prompt), batch.prompt_mask, cache)
        latents, _ = recipe.think(student, batch, hidden[:, -1], cache, passes=6)
    rollouts = Engine(load_model(ModelRequest(str(unbroken)), settings)).rollout([p.question for p in problems], RolloutConfig())
    for row, rollout in enumerate(rollouts):
        trained = torch.stack([h[row] for h in latents])
        assert torch.allclose(torch.from_numpy(rollout.h), trained, atol=1e-4)


def test_a_twin_starts_from_its_originals_weights_and_pass_by_pass_is_one_causal_forward() -> None:
    tokenizer = make_tokenizer(TINY)
    original, twin = (make_student(spec, tokenizer) for spec in (TINY, PAUSED))
    shared = original.codi.state_dict()
    assert all(torch.equal(weight, shared[name]) for name, weight in twin.codi.state_dict().items())
    assert torch.equal(twin.pause.weight, shared["model.embed_tokens.weight"][token_id(tokenizer, "<|bocot|>")])
    batch, cache = encode(generate("test", 5), tokenizer), recipe.DynamicCache()
    with torch.no_grad():
        hidden, _ = recipe.forward(twin, twin.embed(batch.prompt), batch.prompt_mask, cache)
        once, answers, states = recipe.student(twin, batch, hidden[:, -1], recipe.fork(cache), passes=6)
        each, mask = recipe.think(twin, batch, hidden[:, -1], cache, passes=6)
        inputs = twin.embed(batch.answer[:, :-1].clamp(min=0))
        after, depths = recipe.forward(twin, inputs, recipe.grow(mask, inputs.shape[1]), cache, states=True)
    for one, other in zip((*once, answers, *states), (*each, after, *depths), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def test_a_resumed_stream_of_batches_continues_where_it_stopped() -> None:
    tokenizer = make_tokenizer(TINY)
    feed = batches(tokenizer, 4, seed=1)
    skipped = [next(feed) for _ in range(20)]
    assert torch.equal(next(batches(tokenizer, 4, seed=1, first=19)).chain, skipped[19].chain)
