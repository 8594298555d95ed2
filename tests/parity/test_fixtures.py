"""Our engine against the outputs of the families' public code on checkpoints that code wrote."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core.cli import main
from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.values.model import Rollout, RolloutConfig
from tests.checkpoints import FIXTURES, distance
from tests.references import FAMILY, MODES, NAMES, answer_ids, config, engine_on, reference, results

ROUNDED = (
    "codi-sharded-bin",
    "codi-sharded-safetensors",
    "dilgren-multimode-llama",
    "llama-cywinski",
    "llama-zhenyi4",
    "simcot-codi-llama",
)
TOLERANCE = 1e-3


@cache
def engine(name: str) -> Engine:
    return engine_on(name)


@cache
def rollouts(name: str, batch_size: int) -> list[Rollout]:
    return engine(name).rollout([row["prompt"] for row in results(name)], config(name), batch_size=batch_size)


@pytest.mark.parametrize("name", NAMES)
def test_family_and_ids_are_found(name: str) -> None:
    meta, model = reference(name)["meta"], engine(name).model
    ids = meta["ids"]
    bot, eot = (ids[old] if old in ids else ids[new] for old, new in (("bot", "start"), ("eot", "end")))
    assert (model.ids.pad, model.ids.bot, model.ids.eot, model.ids.eos) == (ids["pad"], bot, eot, ids["eos"])
    assert model.ids.latent == ids.get("latent")
    assert model.vocab_size == meta["vocab_after_resize"]
    assert (model.family.name, model.spec.family) == (FAMILY[name], FAMILY[name])
    assert model.spec.lora_alpha == meta.get("lora_alpha")
    assert model.spec.rope_rounding == ("bf16" if name in ROUNDED else "none")


@pytest.mark.parametrize("name", NAMES)
def test_every_tensor_is_accounted_for(name: str) -> None:
    fates = [entry.fate for entry in engine(name).model.ledger]
    apart = reference(name)["meta"].get("key_groups", {})
    assert sum(fate.startswith("kept apart") for fate in fates) == apart.get("decoder", 0) + apart.get("expainable_llm", 0)
    assert sum("copy of the input embedding" in fate for fate in fates) == (FAMILY[name] == "coconut")
    assert not apart or sum(apart.values()) - ("dropped_shared" in reference(name)["meta"]) == len(fates)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_prompts_and_answers_are_equal(name: str, batch_size: int) -> None:
    eos = engine(name).model.ids.eos
    for ours, theirs in zip(rollouts(name, batch_size), results(name), strict=True):
        assert list(ours.input_ids) == theirs["input_ids"][: len(ours.input_ids)]
        assert not set(theirs["input_ids"][len(ours.input_ids) :]) - {engine(name).model.ids.latent, engine(name).model.ids.eot}
        assert list(ours.answer_ids) == answer_ids(theirs, eos)
        assert ours.answer == theirs["answer"]


@pytest.mark.parametrize("name", NAMES)
def test_answers_through_the_oracle_are_equal(name: str) -> None:
    for row in results(name)[:3]:
        found = oracle_rollout(engine(name).model, row["prompt"], config(name))
        assert found.answer_ids == answer_ids(row, engine(name).model.ids.eos)


@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize("name", NAMES)
def test_latents_and_hidden_states_are_equal(name: str, batch_size: int) -> None:
    with np.load(FIXTURES / name / "latents.npz") as theirs:
        for row, ours in enumerate(rollouts(name, batch_size)):
            assert distance(ours.z, theirs[f"latents_{row}"]) < TOLERANCE
            assert distance(ours.h, theirs[f"pre_prj_{row}"]) < TOLERANCE
            if f"layers_{row}" in theirs:
                layers = ours.resid.copy()
                layers[:, -1] = engine(name).model.final_norm(torch.from_numpy(layers[:, -1])).numpy()  # theirs is after the norm
                assert distance(layers, theirs[f"layers_{row}"]) < TOLERANCE


@pytest.mark.parametrize("name", ["llama-cywinski", "codi-sharded-bin", "coconut-llama"])
def test_rope_rounding_is_that_of_the_family(name: str) -> None:
    """Guards the guard: the other rounding moves latents, so the tests above would notice."""
    other = "none" if name in ROUNDED else "bf16"
    wrong = engine_on(name, rope_rounding=other)
    row = results(name)[0]
    with np.load(FIXTURES / name / "latents.npz") as theirs:
        assert distance(wrong.rollout([row["prompt"]], RolloutConfig(config(name).passes, 1))[0].z, theirs["latents_0"]) > TOLERANCE


COMMANDS = [(name, "latent") for name in NAMES] + [(f"dilgren-multimode-{base}", mode) for base in ("gpt2", "llama") for mode in MODES]


@pytest.mark.parametrize(("name", "mode"), COMMANDS)
def test_the_command_line_needs_nothing_else(name: str, mode: str, tmp_path: Path) -> None:
    meta, folder = reference(name)["meta"], FIXTURES / name
    rows = results(name, mode)
    (tmp_path / "prompts.json").write_text(json.dumps([row["prompt"] for row in rows]))
    words = ["rollout", "--model", str(folder / "checkpoint"), "--base", str(folder / "base"), "--passes", str(meta["num_latent"])]
    alpha = ["--lora-alpha", str(meta["lora_alpha"])] if meta.get("lora_alpha") is not None else []
    limit = ["--max-new-tokens", str(config(name).max_new_tokens), "--mode", mode, "--device", "cpu", "--dtype", "float32"]
    out = tmp_path / "out"
    assert main([*words, *alpha, *limit, "--prompts", str(tmp_path / "prompts.json"), "--out", str(out)]) == 0
    written = json.loads((out / "answers.json").read_text())
    eos = engine(name).model.ids.eos
    for ours, theirs in zip(written["results"], rows, strict=True):
        assert ours["answer_ids"] == answer_ids(theirs, eos)
        assert ours["answer"] == theirs["answer"]
        assert ours["input_ids"] == theirs["input_ids"][: len(ours["input_ids"])]
    with np.load(out / "latents.npz") as arrays:
        assert len(arrays) == (3 * len(rows) if mode == "latent" else 0)
