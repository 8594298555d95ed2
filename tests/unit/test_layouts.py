"""Checkpoints as repositories publish them: written from a fixture, they give the same latents, or the refusal that names the cause."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from codi_core.cli import main
from codi_core.engine.engine import Engine
from codi_core.errors import CheckpointError, ModelError
from codi_core.models.architectures import architecture_of, empty_model, make_rotary
from codi_core.models.files import find_weights, names_of, own_name, read_tensors, release
from codi_core.models.hub import wanted_of
from codi_core.models.model import CodiModel
from codi_core.models.presets import base_config, known_bases
from codi_core.values.model import Rollout, RolloutConfig
from tests.checkpoints import FIXTURES, load

LLAMA, GPT2, COCONUT, TTS = "simcot-codi-llama", "simcot-codi-gpt2", "coconut-gpt2", "latenttts-codi"
MULTIMODE, UNTIED = "dilgren-multimode-llama", "codi-sharded-bin"
PEFT = "codi.base_model.model."
QUESTION = "Mara bakes 14 rolls and sells 9 of them. How many rolls does she have now?"
Tensors = dict[str, Tensor]


@cache
def meta_of(name: str) -> dict[str, Any]:
    return json.loads((FIXTURES / name / "answers.json").read_text())["meta"]


def tensors_of(name: str) -> Tensors:
    return {key: tensor.clone() for key, tensor in read_tensors(find_weights(FIXTURES / name / "checkpoint"))[0].items()}


def opened(folder: Path, name: str, **request: Any) -> CodiModel:
    return load(folder, **{"base": str(FIXTURES / name / "base"), "lora_alpha": meta_of(name).get("lora_alpha"), **request})


def rolled_out(model: CodiModel) -> Rollout:
    return Engine(model).rollout([QUESTION], RolloutConfig(3, 6), record=False)[0]


@cache
def original(name: str) -> Rollout:
    return rolled_out(opened(FIXTURES / name / "checkpoint", name))


def written(folder: Path, name: str, tensors: Any, file: str = "pytorch_model.bin", tokenizer: bool = True) -> Path:
    """The fixture's checkpoint folder with other tensors."""
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer:
        for path in (FIXTURES / name / "checkpoint").glob("*token*"):
            shutil.copy(path, folder)
    if file.endswith("safetensors"):
        save_file(tensors, folder / file)
    else:
        torch.save(tensors, folder / file)
    return folder


def same(model: CodiModel, name: str) -> None:
    ours, theirs = rolled_out(model), original(name)
    assert ours.input_ids == theirs.input_ids and ours.answer_ids == theirs.answer_ids
    np.testing.assert_allclose(ours.h, theirs.h, rtol=1e-3, atol=1e-4)


def refused(folder: Path, name: str, *words: str, **request: Any) -> None:
    with pytest.raises(ModelError) as caught:
        opened(folder, name, **request)
    for word in words:
        assert word in str(caught.value), f"{word!r} not in {caught.value}"


# Wrapped


WRAPPINGS: dict[str, Callable[[str], str]] = {
    "data-parallel": lambda name: f"module.{name}",
    "compiled": lambda name: f"_orig_mod.{name}",
    "compiled, data-parallel": lambda name: f"module._orig_mod.{name}",
    "compiled layers": lambda name: name.replace(".layers.1.", ".layers.1._orig_mod."),
    "FSDP with checkpointing": lambda name: (
        "_fsdp_wrapped_module." + name.replace(".layers.0.", ".layers.0._fsdp_wrapped_module._checkpoint_wrapped_module.")
    ),
    "Lightning": lambda name: f"model.{name}",
    "a trainer of one's own": lambda name: f"student.{name}",
    "two modules": lambda name: f"student.net.{name}",
    "PEFT around everything": lambda name: f"base_model.model.{name.replace(PEFT, 'codi.')}",
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_wrapped_names(tmp_path: Path, wrapping: str) -> None:
    tensors = {WRAPPINGS[wrapping](name): tensor for name, tensor in tensors_of(LLAMA).items()}
    model = opened(written(tmp_path, LLAMA, tensors), LLAMA)
    same(model, LLAMA)
    assert any("wrapped" in note for note in model.notes)


def test_state_dict_in_a_training_record(tmp_path: Path) -> None:
    model = opened(written(tmp_path, LLAMA, {"state_dict": tensors_of(LLAMA), "epoch": 3, "optimizer": {"lr": 1e-4}}), LLAMA)
    same(model, LLAMA)
    assert any("state_dict" in note and "epoch" in note for note in model.notes)


def test_two_state_dicts_are_ambiguous(tmp_path: Path) -> None:
    refused(written(tmp_path, LLAMA, {"state_dict": tensors_of(LLAMA), "model": tensors_of(LLAMA)}), LLAMA, "several state dicts", "model")


def test_old_torch_format(tmp_path: Path) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    torch.save(tensors_of(LLAMA), folder / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    same(opened(folder, LLAMA), LLAMA)


# LoRA as PEFT spells it


SPELLINGS: dict[str, Callable[[str], str]] = {
    "another adapter name": lambda name: name.replace(".default.", ".codi."),
    "no adapter name": lambda name: name.replace(".default.", "."),
    "before base_layer": lambda name: name.replace(".base_layer.", "."),
    "without PEFT's prefix": lambda name: name.replace(PEFT, "codi."),
}


@pytest.mark.parametrize("name", [LLAMA, GPT2])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_spellings_of_lora(tmp_path: Path, spelling: str, name: str) -> None:
    same(opened(written(tmp_path, name, {SPELLINGS[spelling](key): t for key, t in tensors_of(name).items()}), name), name)


def products(name: str) -> list[str]:
    """Modules with LoRA, as the file names them."""
    return [key.removesuffix(".lora_A.default.weight") for key in tensors_of(name) if key.endswith(".lora_A.default.weight")]


@pytest.mark.parametrize("name", [LLAMA, GPT2])
def test_merged_by_its_author(tmp_path: Path, name: str) -> None:
    tensors, scale = tensors_of(name), meta_of(name)["lora_scale"]
    for module in products(name):
        delta = scale * tensors.pop(f"{module}.lora_B.default.weight").float() @ tensors.pop(f"{module}.lora_A.default.weight").float()
        tensors[f"{module}.base_layer.weight"] = tensors[f"{module}.base_layer.weight"].float() + (delta.T if name == GPT2 else delta)
    merged = {key.replace(PEFT, "codi.").replace(".base_layer.", "."): tensor for key, tensor in tensors.items()}
    model = opened(written(tmp_path, name, merged), name)
    same(model, name)
    assert model.spec.lora_alpha is None
    assert model.spec.rope_rounding == ("bf16" if name == LLAMA else "none")  # merged files get it too


def test_alpha_and_rslora_come_from_the_adapter_config(tmp_path: Path) -> None:
    rank, alpha = meta_of(LLAMA)["lora_r"], meta_of(LLAMA)["lora_alpha"]
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    plain = opened(folder, LLAMA, lora_alpha=None)
    same(plain, LLAMA)
    assert not any("alpha" in words for words in plain.assumed)
    (folder / "adapter_config.json").write_text(json.dumps({**config, "lora_alpha": alpha / rank**0.5, "use_rslora": True}))
    rslora = opened(folder, LLAMA, lora_alpha=None)
    same(rslora, LLAMA)
    assert rslora.spec.lora_rule == "rslora"


def test_alpha_pattern_scales_single_modules(tmp_path: Path) -> None:
    tensors = tensors_of(LLAMA)
    for module in products(LLAMA):
        if module.endswith("q_proj"):
            tensors[f"{module}.lora_B.default.weight"] /= 4
    folder = written(tmp_path, LLAMA, tensors)
    alpha = meta_of(LLAMA)["lora_alpha"]
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": alpha, "alpha_pattern": {"q_proj": 4 * alpha}}))
    model = opened(folder, LLAMA, lora_alpha=None)
    same(model, LLAMA)
    (folder / "adapter_config.json").unlink()
    assert opened(folder, LLAMA).spec.key != model.spec.key


def test_alpha_that_no_file_says_is_shown_as_assumed(tmp_path: Path) -> None:
    model = opened(FIXTURES / LLAMA / "checkpoint", LLAMA, lora_alpha=None)
    assert model.spec.lora_alpha == 32 and "LoRA alpha 32" in model.assumed


def test_the_command_line_says_what_is_assumed_and_asks_for_what_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    def where(name: str) -> list[str]:
        return ["--model", str(FIXTURES / name / "checkpoint"), "--base", str(FIXTURES / name / "base"), "--device", "cpu"]

    assert main(["info", *where(LLAMA), "--json"]) == 0
    card = json.loads(capsys.readouterr().out)["card"]
    assert card["lora_alpha"] == "32 (assumed)" and "6 passes" in card["assumed"]
    assert sum(card["tensors"].values()) == len(tensors_of(LLAMA))
    assert main(["lens", *where(COCONUT), "--prompt", QUESTION]) == 2
    assert "give --passes" in capsys.readouterr().err


def test_bias_of_the_product_is_scaled_and_added(tmp_path: Path) -> None:
    tensors = tensors_of(GPT2)
    for module in products(GPT2):
        bias = torch.randn(tensors[f"{module}.base_layer.bias"].shape, generator=torch.Generator().manual_seed(0))
        tensors[f"{module}.lora_B.default.bias"] = bias
        tensors[f"{module}.base_layer.bias"] = tensors[f"{module}.base_layer.bias"].float() - meta_of(GPT2)["lora_scale"] * bias
    same(opened(written(tmp_path, GPT2, tensors), GPT2), GPT2)


def test_lora_of_the_embedding(tmp_path: Path) -> None:
    tensors, embed = tensors_of(LLAMA), f"{PEFT}model.embed_tokens"
    weight = tensors.pop(f"{embed}.weight").float()
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, len(weight), generator=generator), torch.randn(weight.shape[1], 2, generator=generator)
    tensors |= {f"{embed}.lora_embedding_A.default": a, f"{embed}.lora_embedding_B.default": b}
    tensors[f"{embed}.base_layer.weight"] = weight - meta_of(LLAMA)["lora_alpha"] / 2 * (b @ a).T
    same(opened(written(tmp_path, LLAMA, tensors), LLAMA), LLAMA)


def test_modules_trained_whole_replace_the_originals(tmp_path: Path) -> None:
    tensors = tensors_of(LLAMA)
    for module in (f"{PEFT}model.norm", f"{PEFT}model.embed_tokens"):
        weight = tensors.pop(f"{module}.weight")
        tensors |= {f"{module}.modules_to_save.default.weight": weight, f"{module}.original_module.weight": torch.zeros_like(weight)}
    model = opened(written(tmp_path, LLAMA, tensors), LLAMA)
    same(model, LLAMA)
    assert sum("modules_to_save" in entry.fate for entry in model.ledger) == 2


@pytest.mark.parametrize("around", ["", "base_model.model."])
def test_a_projection_trained_whole(tmp_path: Path, around: str) -> None:
    tensors: Tensors = {}
    for name, tensor in tensors_of(LLAMA).items():
        if name.startswith("prj."):
            rest = name.removeprefix("prj.")
            tensors[f"{around}prj.modules_to_save.default.{rest}"] = tensor
            tensors[f"{around}prj.original_module.{rest}"] = torch.zeros_like(tensor)
        else:
            tensors[around + name.replace(PEFT, "codi.") if around else name] = tensor
    model = opened(written(tmp_path, LLAMA, tensors), LLAMA)
    same(model, LLAMA)
    assert len(model.ledger) == len(tensors)


def test_lora_of_the_projection(tmp_path: Path) -> None:
    tensors, generator = tensors_of(LLAMA), torch.Generator().manual_seed(0)
    weight = tensors.pop("prj.1.weight").float()
    a, b = torch.randn(2, weight.shape[1], generator=generator), torch.randn(len(weight), 2, generator=generator)
    tensors |= {"prj.1.lora_A.default.weight": a, "prj.1.lora_B.default.weight": b}
    tensors["prj.1.base_layer.weight"] = weight - meta_of(LLAMA)["lora_alpha"] / 2 * b @ a
    same(opened(written(tmp_path, LLAMA, tensors), LLAMA), LLAMA)


# Buffers, copies, tied pairs


HEAD, EMBED = f"{PEFT}lm_head", f"{PEFT}model.embed_tokens"
_DRAW = torch.Generator().manual_seed(0)
CHANGED_ALONE: dict[str, Callable[[Tensor], Tensors]] = {
    "LoRA of the embedding": lambda weight: {
        f"{EMBED}.base_layer.weight": weight,
        f"{EMBED}.lora_embedding_A.default": torch.randn(2, len(weight), generator=_DRAW),
        f"{EMBED}.lora_embedding_B.default": torch.randn(weight.shape[1], 2, generator=_DRAW),
        f"{HEAD}.weight": weight.clone(),
    },
    "LoRA of the head": lambda weight: {
        f"{EMBED}.weight": weight,
        f"{HEAD}.base_layer.weight": weight.clone(),
        f"{HEAD}.lora_A.default.weight": torch.randn(2, weight.shape[1], generator=_DRAW),
        f"{HEAD}.lora_B.default.weight": torch.randn(len(weight), 2, generator=_DRAW),
    },
    "the embedding trained whole": lambda weight: {
        f"{EMBED}.original_module.weight": weight,
        f"{EMBED}.modules_to_save.default.weight": weight + 1,
        f"{HEAD}.weight": weight.clone(),
    },
}


@pytest.mark.parametrize("case", CHANGED_ALONE)
def test_of_a_tied_pair_the_one_that_was_not_changed_keeps_its_weight(tmp_path: Path, case: str) -> None:
    """A file without shared storage lacks one of them; before, the change reached both."""
    tensors = tensors_of(LLAMA)
    weight = tensors.pop(f"{EMBED}.weight").float()
    del tensors[f"{HEAD}.weight"]
    pair = CHANGED_ALONE[case](weight)
    lost = f"{HEAD}.base_layer.weight" if case == "LoRA of the head" else f"{HEAD}.weight"
    both = opened(written(tmp_path / "both", LLAMA, {**tensors, **pair}), LLAMA)
    one = opened(written(tmp_path / "one", LLAMA, {**tensors, **{k: t for k, t in pair.items() if k != lost}}), LLAMA)
    for model in (both, one):
        head, embedding = model.lm_head.weight, model.hf.model.embed_tokens.weight  # type: ignore[union-attr]
        changed, kept = (head, embedding) if case == "LoRA of the head" else (embedding, head)
        assert torch.equal(kept, weight) and not torch.allclose(changed, weight)  # type: ignore[arg-type]
    assert len(one.ledger) == len(both.ledger) - 1
    assert case == "LoRA of the head" or any("differs" in entry.fate for entry in both.ledger)


def test_names_of_the_base_model_without_its_head(tmp_path: Path) -> None:
    tensors = {name.replace("transformer.", ""): tensor for name, tensor in tensors_of(TTS).items()}
    model = opened(written(tmp_path, TTS, tensors), TTS)
    same(model, TTS)
    assert any("lacked transformer." in note for note in model.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"torch_dtype": "bfloat16"},
        {"torch_dtype": "torch.bfloat16"},
        {"dtype": "float16"},
        {"_attn_implementation": "flash_attention_2", "auto_map": {"AutoModelForCausalLM": "modeling_x.X"}},
    ],
)
def test_what_a_config_says_beside_the_mathematics_changes_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    same(opened(FIXTURES / LLAMA / "checkpoint", LLAMA, base=str(base_with(tmp_path / "base", change))), LLAMA)


@pytest.mark.parametrize("spelling", ["type", "both types", "rope_parameters"])
def test_rotary_scaling_as_every_version_spells_it(tmp_path: Path, spelling: str) -> None:
    config = json.loads((FIXTURES / LLAMA / "base" / "config.json").read_text())
    scaling = {**config["rope_scaling"], "type": config["rope_scaling"]["rope_type"]}
    change: dict[str, Any] = {"rope_scaling": scaling}
    if spelling == "type":
        del scaling["rope_type"]
    if spelling == "rope_parameters":
        change = {
            "rope_scaling": None,
            "rope_theta": None,
            "rope_parameters": {**config["rope_scaling"], "rope_theta": config["rope_theta"]},
        }
    same(opened(FIXTURES / LLAMA / "checkpoint", LLAMA, base=str(base_with(tmp_path / "base", change))), LLAMA)


def base_with(folder: Path, change: dict[str, Any]) -> Path:
    """The base's folder with another configuration; None takes an entry away."""
    shutil.copytree(FIXTURES / LLAMA / "base", folder)
    config = {**json.loads((folder / "config.json").read_text()), **change}
    (folder / "config.json").write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    return folder


def test_a_config_that_is_not_computed_is_refused(tmp_path: Path) -> None:
    for change in ({"partial_rotary_factor": 0.5}, {"use_sliding_window": True}):
        base = base_with(tmp_path / next(iter(change)), change)
        refused(FIXTURES / LLAMA / "checkpoint", LLAMA, "base config", base=str(base))


def test_recomputed_buffers_are_ignored_and_named(tmp_path: Path) -> None:
    hf = empty_model(base_config(str(FIXTURES / LLAMA / "base")), 8)
    make_rotary(hf, architecture_of(base_config(str(FIXTURES / LLAMA / "base"))), rounded=True)
    frequencies: Tensor = hf.model.rotary_emb.inv_freq  # type: ignore[union-attr, assignment]
    buffers = {f"{PEFT}model.layers.{layer}.self_attn.rotary_emb.inv_freq": frequencies.clone() for layer in range(3)}
    model = opened(written(tmp_path / "llama", LLAMA, {**tensors_of(LLAMA), **buffers}), LLAMA)
    same(model, LLAMA)
    assert sum("rotary" in entry.fate for entry in model.ledger) == 3
    wrong = {name: tensor * 1.5 for name, tensor in buffers.items()}
    refused(written(tmp_path / "wrong", LLAMA, {**tensors_of(LLAMA), **wrong}), LLAMA, "rotary frequencies", "--base")


def test_masks_of_older_gpt2_files_are_ignored(tmp_path: Path) -> None:
    masks: Tensors = {}
    for layer in range(2):
        stem = f"{PEFT}transformer.h.{layer}.attn"
        masks |= {f"{stem}.bias": torch.ones(1, 1, 256, 256, dtype=torch.uint8).tril(), f"{stem}.masked_bias": torch.tensor(-1e4)}
    same(opened(written(tmp_path / "masks", GPT2, {**tensors_of(GPT2), **masks}), GPT2), GPT2)
    full = {name: torch.ones_like(mask) for name, mask in masks.items()}
    refused(written(tmp_path / "full", GPT2, {**tensors_of(GPT2), **full}), GPT2, "causal mask")


@pytest.mark.parametrize("kept", ["lm_head.weight", "model.embed_tokens.weight"])
def test_one_of_a_tied_pair_is_enough(tmp_path: Path, kept: str) -> None:
    tensors = tensors_of(LLAMA)
    for name in {"lm_head.weight", "model.embed_tokens.weight"} - {kept}:
        del tensors[PEFT + name]
    same(opened(written(tmp_path, LLAMA, tensors, "model.safetensors"), LLAMA), LLAMA)


def test_absent_head_of_an_untied_base_is_named(tmp_path: Path) -> None:
    tensors = tensors_of(UNTIED)
    del tensors[f"{PEFT}lm_head.weight"]
    refused(written(tmp_path, UNTIED, tensors), UNTIED, "missing: lm_head.weight", "incomplete")


def test_copy_of_the_embedding_must_be_one(tmp_path: Path) -> None:
    tensors = tensors_of(COCONUT)
    same(opened(written(tmp_path / "without", COCONUT, {k: t for k, t in tensors.items() if k != "embedding.weight"}), COCONUT), COCONUT)
    tensors["embedding.weight"][3, 3] += 1
    refused(written(tmp_path / "other", COCONUT, tensors), COCONUT, "embedding.weight", "copy")


def test_norm_of_the_projection_by_number(tmp_path: Path) -> None:
    same(opened(written(tmp_path, LLAMA, {k.replace("prj.ln.", "prj.4."): t for k, t in tensors_of(LLAMA).items()}), LLAMA), LLAMA)


def test_projection_without_a_dropout_is_numbered_from_zero(tmp_path: Path) -> None:
    tensors = tensors_of(LLAMA)
    for ours, theirs in (("1", "0"), ("3", "2"), ("ln", "3")):
        for leaf in ("weight", "bias"):
            tensors[f"prj.{theirs}.{leaf}"] = tensors.pop(f"prj.{ours}.{leaf}")
    same(opened(written(tmp_path, LLAMA, tensors), LLAMA), LLAMA)


def test_auxiliary_models_are_kept_apart(tmp_path: Path) -> None:
    extra = {"pj_in.weight": torch.zeros(4, 48), "pj_in.bias": torch.zeros(4), "pj_out.U": torch.zeros(3, 3)}
    model = opened(written(tmp_path, LLAMA, {**tensors_of(LLAMA), **extra}), LLAMA)
    same(model, LLAMA)
    apart = [entry.name for entry in model.ledger if entry.fate.startswith("kept apart")]
    assert {"pj_in.weight", "pj_in.bias", "pj_out.U", "decoder.model.norm.weight"} <= set(apart)


# Files


def test_shards_must_be_there_and_agree_with_the_index(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    shutil.copytree(FIXTURES / "codi-sharded-safetensors" / "checkpoint", folder)
    same(opened(folder, "codi-sharded-safetensors"), "codi-sharded-safetensors")
    same(opened(folder / "model.safetensors.index.json", "codi-sharded-safetensors"), "codi-sharded-safetensors")
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    del index["weight_map"]["prj.1.bias"]
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "codi-sharded-safetensors", "prj.1.bias", "not in the index")
    (folder / "model-00002-of-00002.safetensors").unlink()
    refused(folder, "codi-sharded-safetensors", "model-00002-of-00002.safetensors", "absent")
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {"a": "../other.safetensors"}}')
    refused(folder, "codi-sharded-safetensors", "outside its folder")


def test_released_tensors_can_be_read_again() -> None:
    for name in (LLAMA, "codi-sharded-safetensors"):
        mapped, kept = read_tensors(find_weights(FIXTURES / name / "checkpoint"))[0], tensors_of(name)
        for tensor in mapped.values():
            release(tensor)
        assert all(torch.equal(mapped[key], kept[key]) for key in kept)


def test_empty_config_counts_as_absent(tmp_path: Path) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    (folder / "config.json").touch()
    same(opened(folder, LLAMA), LLAMA)
    refused(folder, LLAMA, "it is empty", "--base", base=None)


def test_slow_gpt2_tokenizer(tmp_path: Path) -> None:
    folder = written(tmp_path, GPT2, tensors_of(GPT2))
    fast = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(fast["vocab"]))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in fast["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    (folder / "tokenizer.json").unlink()
    same(opened(folder, GPT2), GPT2)


def test_one_file_as_the_model(tmp_path: Path) -> None:
    folder = written(tmp_path, COCONUT, tensors_of(COCONUT), "checkpoint_16")
    (folder / "training_args.bin").write_bytes(b"never opened")
    same(opened(folder, COCONUT), COCONUT)
    shutil.copy(folder / "checkpoint_16", folder / "checkpoint_17")
    refused(folder, COCONUT, "checkpoint_16, checkpoint_17", "give one of them")
    model = opened(folder / "checkpoint_17", COCONUT)
    same(model, COCONUT)
    assert model.spec.name == f"{folder.name}-checkpoint_17"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("runs/tiny/checkpoint", "tiny"),
        ("runs/tiny/checkpoint-500", "tiny-checkpoint-500"),
        ("runs/tiny/checkpoint/model.safetensors", "tiny-model.safetensors"),
        ("models/CODI-gpt2/pytorch_model.bin", "CODI-gpt2-pytorch_model.bin"),
        ("models/CODI-gpt2", "CODI-gpt2"),
        ("models/final", "models-final"),
        ("models/final_words", "final_words"),
        ("checkpoint", "checkpoint"),
    ],
)
def test_a_model_is_called_by_what_tells_it_apart(place: str, name: str) -> None:
    assert own_name(Path("/", place)) == name


def test_results_of_a_run_are_looked_for_under_its_former_name_too(tmp_path: Path) -> None:
    place = tmp_path / "tiny" / "checkpoint"
    place.mkdir(parents=True)
    assert names_of(str(place)) == (str(place), "tiny", "checkpoint")
    assert "tiny" not in names_of("elsewhere/checkpoint")


def test_what_the_hub_should_send() -> None:
    small = ["config.json", "tokenizer.json"]
    shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"]
    assert wanted_of("o/r", [*small, *shards], "")[:2] == ["model.safetensors.index.json", "model-*-of-*.safetensors"]
    assert wanted_of("o/r", [*small, "pytorch_model.bin", "training_args.bin"], "")[0] == "pytorch_model.bin"
    assert wanted_of("o/r", ["runs/a/checkpoint_22", "README.md"], "runs/a")[0] == "runs/a/checkpoint_22"
    assert wanted_of("o/r", ["runs/a/checkpoint_22"], "runs/a/checkpoint_22")[0] == "runs/a/checkpoint_22"
    with pytest.raises(CheckpointError, match=r"o/r:a/checkpoint_1"):
        wanted_of("o/r", ["a/checkpoint_1", "b/checkpoint_2"], "")
    with pytest.raises(CheckpointError, match="none of"):
        wanted_of("o/r", ["README.md"], "")


# Rows of the embedding


def with_rows(tensors: Tensors, rows: int) -> Tensors:
    """Every embedding and head of the model itself cut or padded with large random rows."""
    generator = torch.Generator().manual_seed(0)

    def resized(name: str, tensor: Tensor) -> Tensor:
        if not name.startswith("codi.") or not name.endswith(("embed_tokens.weight", "lm_head.weight", "wte.weight")):
            return tensor
        more = 5 * torch.randn(max(0, rows - len(tensor)), tensor.shape[1], generator=generator)
        return torch.cat([tensor, more.to(tensor)])[:rows].clone()

    return {name: resized(name, tensor) for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", [LLAMA, MULTIMODE, GPT2])
def test_padding_rows_are_explained_and_never_written(tmp_path: Path, name: str) -> None:
    model = opened(written(tmp_path, name, with_rows(tensors_of(name), 640)), name)
    same(model, name)
    assert any("padding" in note for note in model.notes)


def llama_of_1b(folder: Path) -> Path:
    """A base folder with the fixture's tokenizer and a large model's configuration."""
    shutil.copytree(FIXTURES / LLAMA / "base", folder / "1b")
    (folder / "1b" / "config.json").write_text(json.dumps(base_config("Llama-3.2-1B-Instruct")))
    return folder / "1b"


def test_rows_that_do_not_add_up_are_refused(tmp_path: Path) -> None:
    refused(written(tmp_path / "more", LLAMA, with_rows(tensors_of(LLAMA), 609)), LLAMA, "609 rows", "4 were added", "[PAD]")
    refused(FIXTURES / LLAMA / "checkpoint", LLAMA, "608 rows", "128256", "--base", base=str(llama_of_1b(tmp_path)))
    refused(written(tmp_path / "less", GPT2, with_rows(tensors_of(GPT2), 602)), GPT2, "602 rows", "1 were added")


def test_a_row_too_many_is_padding_when_the_tokenizer_names_the_others(tmp_path: Path) -> None:
    same(opened(written(tmp_path, MULTIMODE, with_rows(tensors_of(MULTIMODE), 608)), MULTIMODE), MULTIMODE)


def test_two_added_rows_without_a_tokenizer_are_the_multi_mode_ones(tmp_path: Path) -> None:
    model = opened(written(tmp_path, MULTIMODE, tensors_of(MULTIMODE), tokenizer=False), MULTIMODE)
    assert model.family.name == "codi-multimode"
    same(model, MULTIMODE)


# Families


def test_family_can_be_named(tmp_path: Path) -> None:
    folder = FIXTURES / MULTIMODE / "checkpoint"
    same(opened(folder, MULTIMODE, family="codi-multimode"), MULTIMODE)
    refused(folder, MULTIMODE, "coconut", family="nonsense")
    refused(folder, MULTIMODE, "codi.*", "Coconut does not write", "--family codi", family="coconut")
    assert opened(FIXTURES / COCONUT / "checkpoint", COCONUT, family="coconut-multimode").spec.prompt_format == "newline-turn"


def test_latent_tokens_are_needed_to_feed_back_bare_weights(tmp_path: Path) -> None:
    bare = {name.removeprefix("base_causallm."): tensor for name, tensor in tensors_of(COCONUT).items() if name != "embedding.weight"}
    refused(written(tmp_path, COCONUT, bare), COCONUT, "plain language model", "--family")
    assert opened(tmp_path, COCONUT, family="latenttts-coconut").family.name == "latenttts-coconut"


# Refusals that name the cause


Q_PROJ = f"{PEFT}model.layers.1.self_attn.q_proj"
CHANGED: dict[str, tuple[dict[str, Tensor], str]] = {
    "DoRA": ({f"{Q_PROJ}.lora_magnitude_vector.default.weight": torch.ones(48)}, "DoRA"),
    "AdaLoRA": ({f"{Q_PROJ}.lora_E.default": torch.ones(8, 1)}, "AdaLoRA"),
    "VeRA": ({f"{Q_PROJ}.vera_lambda_b.default": torch.ones(8)}, "VeRA"),
    "LoHa": ({f"{Q_PROJ}.hada_w1_a.default": torch.ones(8, 8)}, "not LoRA"),
    "two adapters": ({f"{Q_PROJ}.lora_A.other.weight": torch.ones(8, 48)}, "several adapters (default, other)"),
    "trainable tokens": ({f"{PEFT}model.embed_tokens.token_adapter.trainable_tokens_delta.default": torch.ones(3, 48)}, "trainable tokens"),
    "prompt tuning": ({"codi.prompt_encoder.default.embedding.weight": torch.ones(3, 48)}, "prompt tuning"),
    "quantised": ({f"{Q_PROJ}.base_layer.weight.absmax": torch.ones(3)}, "quantised"),
    "integers": ({f"{Q_PROJ}.base_layer.weight": torch.ones(48, 48, dtype=torch.int8)}, "int8"),
    "Meta's own": ({"layers.0.attention.wq.weight": torch.ones(48, 48)}, "Meta's own format"),
    "FSDP's own": ({"codi._fsdp_wrapped_module._flat_param": torch.ones(3)}, "full state dict"),
    "ZeRO-3": ({f"{PEFT}model.norm.weight": torch.empty(0)}, "ZeRO-3"),
    "pause model": ({"pause_embedding": torch.ones(48)}, "pause model"),
    "reward model": ({"score.weight": torch.ones(1, 48)}, "reward model"),
    "unknown": ({"gate.weight": torch.ones(1, 48)}, "unknown tensors gate.weight"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_what_changes_the_mathematics_is_refused_by_name(tmp_path: Path, case: str) -> None:
    extra, cause = CHANGED[case]
    refused(written(tmp_path, LLAMA, {**tensors_of(LLAMA), **extra}), LLAMA, cause)


@pytest.mark.parametrize(
    ("option", "cause"),
    [({"peft_type": "IA3"}, "peft_type IA3"), ({"use_dora": True}, "DoRA"), ({"trainable_token_indices": [1]}, "token rows")],
)
def test_adapter_configs_of_another_kind_are_refused(tmp_path: Path, option: dict[str, Any], cause: str) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 2, **option}))
    refused(folder, LLAMA, cause, "merge_and_unload")


def test_another_method_is_told_by_the_files_beside_the_weights(tmp_path: Path) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    (folder / "pccot_args.json").write_text("{}")
    refused(folder, LLAMA, "PCCoT", "Jacobi")


def test_an_adapter_alone_is_refused(tmp_path: Path) -> None:
    lora = {name: tensor for name, tensor in tensors_of(LLAMA).items() if "lora_" in name}
    refused(written(tmp_path, LLAMA, lora, "adapter_model.safetensors"), LLAMA, "only an adapter", "merge_and_unload")


def test_a_lost_tensor_is_not_blamed_on_the_base(tmp_path: Path) -> None:
    tensors = tensors_of(LLAMA)
    del tensors[f"{PEFT}model.norm.weight"]
    with pytest.raises(CheckpointError, match="incomplete") as caught:
        opened(written(tmp_path, LLAMA, tensors), LLAMA)
    assert "--base" not in str(caught.value) and "model.norm.weight" in str(caught.value)


def test_a_base_with_fewer_layers_is_named_as_the_cause(tmp_path: Path) -> None:
    shutil.copytree(FIXTURES / LLAMA / "base", tmp_path / "base")
    config = json.loads((tmp_path / "base" / "config.json").read_text())
    (tmp_path / "base" / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    refused(FIXTURES / LLAMA / "checkpoint", LLAMA, "does not fit its base", "--base", base=str(tmp_path / "base"))


@pytest.mark.parametrize("base", known_bases())
def test_bases_are_configs_of_known_architectures(base: str) -> None:
    config = base_config(f"some-owner/{base}")
    hf = empty_model(config, config["vocab_size"] + 3)
    assert architecture_of(config) and config["hidden_size" if "hidden_size" in config else "n_embd"] == hf.config.hidden_size  # type: ignore[union-attr]
