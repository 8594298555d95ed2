"""Our engine against the outputs of the public code on checkpoints that code wrote."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.types import Rollout, RolloutConfig
from tests.checkpoints import FIXTURES, distance, fixture_engine, load

NAMES = ["gpt2-zhenyi4", "llama-cywinski", "llama-zhenyi4"]
TOLERANCE = 1e-3


@cache
def reference(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / name / "answers.json").read_text())


@cache
def engine(name: str) -> Engine:
    return fixture_engine(name)


@cache
def rollouts(name: str, batch_size: int) -> list[Rollout]:
    prompts = [row["prompt"] for row in reference(name)["results"]]
    return engine(name).rollout(prompts, RolloutConfig(6, reference(name)["meta"]["max_new_tokens"]), batch_size=batch_size)


@pytest.mark.parametrize("name", NAMES)
def test_ids_and_alpha_are_those_of_the_public_run(name: str) -> None:
    meta, model = reference(name)["meta"], engine(name).model
    assert (model.ids.pad, model.ids.bot, model.ids.eot, model.ids.eos) == tuple(meta["ids"][k] for k in ("pad", "bot", "eot", "eos"))
    assert model.vocab_size == meta["vocab_after_resize"]
    assert model.spec.lora_alpha == meta["lora_alpha"]
    assert model.spec.prompt_format == ("paper" if meta["remove_eos"] else "answer-only")
    assert model.spec.rope_rounding == ("none" if name.startswith("gpt2") else "bf16")


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_prompts_and_answers_are_equal(name: str, batch_size: int) -> None:
    for ours, theirs in zip(rollouts(name, batch_size), reference(name)["results"], strict=True):
        assert list(ours.input_ids) == theirs["input_ids"]
        assert list(ours.answer_ids) == theirs["answer_ids"]
        assert (ours.answer, ours.number) == (theirs["answer"], theirs["number"])


@pytest.mark.parametrize("name", NAMES)
def test_answers_through_the_oracle_are_equal(name: str) -> None:
    row = reference(name)["results"][0]
    found = oracle_rollout(engine(name).model, row["prompt"], RolloutConfig(6, reference(name)["meta"]["max_new_tokens"]))
    assert found.answer_ids == row["answer_ids"]


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_latents_and_hidden_states_are_equal(name: str, batch_size: int) -> None:
    with np.load(FIXTURES / name / "latents.npz") as theirs:
        for row, ours in enumerate(rollouts(name, batch_size)):
            assert distance(ours.z, theirs[f"latents_{row}"]) < TOLERANCE
            assert distance(ours.h, theirs[f"pre_prj_{row}"]) < TOLERANCE
            layers = ours.resid.copy()
            layers[:, -1] = engine(name).model.final_norm(torch.from_numpy(layers[:, -1])).numpy()  # theirs is after the norm
            assert distance(layers, theirs[f"layers_{row}"]) < TOLERANCE


@pytest.mark.parametrize("name", ["llama-cywinski", "llama-zhenyi4"])
def test_rope_rounding_is_needed(name: str) -> None:
    """Guards the guard: without rounding the latents are off, so the tests above would notice."""
    exact = Engine(load(FIXTURES / name / "checkpoint", base=str(FIXTURES / name / "base"), rope_rounding="none"))
    row = reference(name)["results"][0]
    with np.load(FIXTURES / name / "latents.npz") as theirs:
        assert distance(exact.rollout([row["prompt"]], RolloutConfig(6, 1))[0].z, theirs["latents_0"]) > TOLERANCE
