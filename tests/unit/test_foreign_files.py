"""What lies where weights were expected is named: pointers, web pages, other libraries' files, a process's share; lost indices mended."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from codi_core.errors import CheckpointError
from codi_core.models.files import find_weights
from tests.checkpoints import FIXTURES
from tests.unit.test_layouts import COCONUT, LLAMA, PEFT, meta_of, opened, products, refused, same, tensors_of, written

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 123\n"
SHARDED = "codi-sharded-safetensors"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (POINTER, "git-lfs pointer"),
        (b"", "empty (0 bytes)"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"Entry not found", "error message of the hub"),
        (b"GGUF\0\0\0", "GGUF"),
        (b"\x89HDF\r\n", "HDF5"),
        (b'{"model_type": "llama"}', "JSON, not weights"),
    ],
)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_what_is_no_weights_is_named(tmp_path: Path, file: str, content: bytes, cause: str) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    (folder / file).write_bytes(content)
    refused(folder, LLAMA, file, cause)


def test_pointers_instead_of_the_small_files_are_named_too(tmp_path: Path) -> None:
    for file, options in (("tokenizer.json", {}), ("config.json", {"base": None}), ("adapter_config.json", {})):
        folder = written(tmp_path / file, LLAMA, tensors_of(LLAMA))
        (folder / file).write_bytes(POINTER)
        refused(folder, LLAMA, file, "git-lfs pointer", **options)
    index = written(tmp_path / "index", LLAMA, tensors_of(LLAMA)) / "model.safetensors.index.json"
    index.write_bytes(POINTER)
    refused(index.parent, LLAMA, index.name, "git-lfs pointer")


def test_a_file_is_read_by_its_content_not_by_its_name(tmp_path: Path) -> None:
    folder = written(tmp_path / "pickle", LLAMA, tensors_of(LLAMA))
    (folder / "pytorch_model.bin").rename(folder / "model.safetensors")
    same(opened(folder, LLAMA), LLAMA)
    for name, file in ((LLAMA, "pytorch_model.bin"), (COCONUT, "checkpoint_9")):
        folder = written(tmp_path / file, name, tensors_of(name))
        (folder / "pytorch_model.bin").unlink()
        save_file(tensors_of(name), folder / "x")
        (folder / "x").rename(folder / file)
        same(opened(folder, name), name)


def sharded(folder: Path) -> Path:
    shutil.copytree(FIXTURES / SHARDED / "checkpoint", folder)
    return folder


def test_shards_without_their_index_are_read_when_all_are_there(tmp_path: Path) -> None:
    folder = sharded(tmp_path / "shards")
    refused(folder / "model-00001-of-00002.safetensors", SHARDED, "one of 2 shards")
    (folder / "model.safetensors.index.json").unlink()
    same(opened(folder, SHARDED), SHARDED)
    (folder / "model-00001-of-00002.safetensors").unlink()
    refused(folder, SHARDED, "lacks model-00001-of-00002.safetensors")


@pytest.mark.parametrize("indexed", [True, False])
def test_a_tensor_in_two_shards_must_be_the_same(tmp_path: Path, indexed: bool) -> None:
    folder = sharded(tmp_path / "shards")
    first, second = (folder / f"model-0000{number}-of-00002.safetensors" for number in (1, 2))
    name, tensor = next(iter(load_file(first).items()))
    rest = load_file(second)
    if not indexed:
        (folder / "model.safetensors.index.json").unlink()
    save_file({**rest, name: tensor.clone()}, second)
    same(opened(folder, SHARDED), SHARDED)
    save_file({**rest, name: tensor + 1}, second)
    refused(folder, SHARDED, name, "another shard", "other numbers")


def test_what_a_trainer_writes_beside_weights_is_not_taken_for_them(tmp_path: Path) -> None:
    folder = written(tmp_path, COCONUT, tensors_of(COCONUT), "checkpoint_9")
    for name in ("training_args.bin", "optimizer.pt", "optimizer.bin", "scheduler.pt", "rng_state_0.pth", "scaler.pt", "sampler.bin"):
        (folder / name).write_bytes(b"never opened")
    (folder / "zero_pp_rank_0_mp_rank_00_optim_states.pt").write_bytes(b"never opened")
    assert find_weights(folder).path.name == "checkpoint_9"
    same(opened(folder, COCONUT), COCONUT)


def test_a_run_of_trainer_names_its_checkpoints(tmp_path: Path) -> None:
    for step in ("checkpoint-500", "checkpoint-1000"):
        written(tmp_path / step, LLAMA, tensors_of(LLAMA))
    refused(tmp_path, LLAMA, "checkpoint-500, checkpoint-1000", "give one of them")


@pytest.mark.parametrize(
    ("file", "cause"),
    [
        ("zero_to_fp32.py", "DeepSpeed"),
        ("zero_pp_rank_0_mp_rank_00_model_states.pt", "DeepSpeed"),
        ("pytorch_model_fsdp_0/__0_0.distcp", "FSDP"),
        ("weights.Q4_K.gguf", "GGUF"),
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("model.onnx", "ONNX"),
    ],
)
def test_a_folder_of_other_files_says_what_they_are(tmp_path: Path, file: str, cause: str) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"never opened")
    with pytest.raises(CheckpointError, match=f"No weights in .* It holds .*{cause}"):
        find_weights(tmp_path)
    if file.startswith("zero_pp"):
        with pytest.raises(CheckpointError, match="one process's share"):
            opened(tmp_path / file, LLAMA)


def test_numbers_beside_the_tensors_are_left(tmp_path: Path) -> None:
    model = opened(written(tmp_path, LLAMA, {**tensors_of(LLAMA), "step": 5}), LLAMA)
    same(model, LLAMA)
    assert any("step not used" in note for note in model.notes)


# Adapters beside weights


def plain(name: str = LLAMA) -> dict[str, torch.Tensor]:
    return {key.replace(PEFT, "codi.").replace(".base_layer.", "."): t for key, t in tensors_of(name).items() if "lora_" not in key}


def test_an_adapter_beside_weights_without_lora_is_not_ignored_in_silence(tmp_path: Path) -> None:
    folder = written(tmp_path, LLAMA, plain())
    save_file({key: t for key, t in tensors_of(LLAMA).items() if "lora_" in key}, folder / "adapter_model.safetensors")
    refused(folder, LLAMA, "adapter_model.safetensors", "nothing says whether it is merged")
    assert opened(folder / "pytorch_model.bin", LLAMA).spec.lora_alpha is None
    (folder / "adapter_model.safetensors").unlink()
    (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16}))
    assert any("taken as merged" in note for note in opened(folder, LLAMA).notes)


def test_the_config_of_another_adapter_is_told_by_its_rank(tmp_path: Path) -> None:
    rank, alpha = meta_of(LLAMA)["lora_r"], meta_of(LLAMA)["lora_alpha"]
    tensors = tensors_of(LLAMA)
    for module in products(LLAMA):
        if module.endswith("q_proj"):  # twice the rank, of which half does nothing
            a, b = (f"{module}.lora_{part}.default.weight" for part in "AB")
            tensors[a], tensors[b] = torch.cat([tensors[a], tensors[a]]), torch.cat([tensors[b], 0 * tensors[b]], 1)
    folder = written(tmp_path, LLAMA, tensors)
    config = {"r": rank, "lora_alpha": alpha, "alpha_pattern": {"q_proj": 2 * alpha}}
    (folder / "adapter_config.json").write_text(json.dumps({**config, "rank_pattern": {"q_proj": 2 * rank}}))
    same(opened(folder, LLAMA, lora_alpha=None), LLAMA)
    (folder / "adapter_config.json").write_text(json.dumps(config))
    refused(folder, LLAMA, f"says rank {rank}", "q_proj", f"rank {2 * rank}", lora_alpha=None)


def test_the_base_that_an_adapter_names_is_said_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = written(tmp_path, LLAMA, tensors_of(LLAMA))
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "meta-llama/Llama-3.2-1B-Instruct"}))
    refused(folder, LLAMA, "name the base", "names meta-llama/Llama-3.2-1B-Instruct", base=None)
    lora = {key: t for key, t in tensors_of(LLAMA).items() if "lora_" in key or key.startswith("prj.")}
    refused(written(tmp_path / "alone", LLAMA, lora), LLAMA, "LoRA without its base's weights", "merge_and_unload")
