"""Random weights in the public file format and the shape of a known base: speed and memory are measured on them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codi_core.models.architectures import empty_model
from codi_core.models.blocks import Conv1D
from codi_core.models.presets import base_config
from codi_core.settings import ROOT

TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 512,
    "rope_theta": 500000.0,
    "vocab_size": 2048,
    "tie_word_embeddings": True,
}
RANK, ALPHA = 128, 32.0
DTYPE = torch.bfloat16
"""Of the public checkpoints."""
TOKENIZER = ROOT / "cache" / "bundled" / "models" / "bundled"
"""Words of ours under the ids that Llama's tokenizer gives its special tokens: that one may not be passed on."""


def write(folder: Path, base: str, seed: int = 0) -> Path:
    """A checkpoint of ``base`` (``tiny``, or a name in ``models/bases``) with LoRA and projection, as cywinski's code writes one.

    Its config.json, which public checkpoints lack, stands beside it, so that the folder opens by itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = TINY if base == "tiny" else base_config(base)
    torch.manual_seed(seed)
    torch.save(_tensors(config), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    _write_tokenizer(folder, int(config["vocab_size"]))
    return folder


def _tensors(config: dict[str, Any]) -> dict[str, Tensor]:
    """By the public code's names; the head is the embedding's storage where they are tied."""
    model = empty_model(config, int(config["vocab_size"]) + 3)  # pad, bot, eot
    width, rank = model.config.hidden_size, min(RANK, model.config.hidden_size // 4)
    tensors: dict[str, Tensor] = {}
    for name, shape in ((name, tensor.shape) for name, tensor in model.state_dict().items()):
        module, _, leaf = name.rpartition(".")
        layer = model.get_submodule(module)
        wrapped = isinstance(layer, (nn.Linear, Conv1D)) and module != "lm_head"
        prefix = "codi.base_model.model."
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            tensors[prefix + name] = next(iter(tensors.values()))
            continue
        tensors[f"{prefix}{module}.base_layer.{leaf}" if wrapped else prefix + name] = _normal(shape, 1 if len(shape) == 1 else 0)
        if wrapped and leaf == "weight":
            n_in, n_out = shape if isinstance(layer, Conv1D) else shape[::-1]
            tensors[f"{prefix}{module}.lora_A.default.weight"] = _normal(torch.Size((rank, n_in)))
            tensors[f"{prefix}{module}.lora_B.default.weight"] = _normal(torch.Size((n_out, rank)))
    square, line = torch.Size((width, width)), torch.Size((width,))
    for number in (1, 3):
        tensors |= {f"prj.{number}.weight": _normal(square), f"prj.{number}.bias": _normal(line)}
    return {**tensors, "prj.ln.weight": _normal(line, 1), "prj.ln.bias": _normal(line)}


def _normal(shape: torch.Size, mean: float = 0) -> Tensor:
    return torch.empty(shape, dtype=DTYPE).normal_(mean, 0.02)


def _write_tokenizer(folder: Path, first: int) -> None:
    """pad, bot and eot follow the base's ``first`` rows; bos and eos keep their distance from them as in Llama 3.2."""
    tokenizer = json.loads((TOKENIZER / "tokenizer.json").read_text(encoding="utf-8"))
    names = [added["content"] for added in tokenizer["added_tokens"]]  # bos, eos, pad, bot, eot
    ids = dict(zip(names, (first - 256, first - 247, first, first + 1, first + 2), strict=True))
    for added in tokenizer["added_tokens"]:
        added["id"] = ids[added["content"]]
    vocab = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {token: number for token, number in vocab.items() if token not in ids} | ids
    for special in tokenizer["post_processor"]["special_tokens"].values():
        special["ids"] = [ids[special["id"]]]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (TOKENIZER / name).is_file():
            (folder / name).write_bytes((TOKENIZER / name).read_bytes())
