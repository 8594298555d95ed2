"""Tiny checkpoints with random weights in the public file format, for the real loader: no mocks of the model anywhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.pytorch_utils import Conv1D

from codi_core.engine.engine import Engine
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.values.arrays import Floats

FIXTURES = Path(__file__).parent / "parity" / "fixtures"
VOCAB = {"llama": 608, "qwen3": 608, "gpt2": 604}
TOKENIZER = {"llama": "llama-cywinski", "qwen3": "llama-cywinski", "gpt2": "gpt2-zhenyi4"}
EOS = 601
"""Of Llama's tokenizer."""
RANK, ALPHA = 4, 2.0

_LLAMA: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
}
BASE_CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", **_LLAMA},
    "qwen3": {"model_type": "qwen3", **_LLAMA, "head_dim": 12},  # as in Qwen3: heads · d_head ≠ d_model
    "gpt2": {"model_type": "gpt2", "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 512},
}

Head = Literal["tied", "absent", "own"]


def flip_a_bit(path: Path) -> None:
    """In the middle of a file, or back."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def base_model(family: str, seed: int = 0, vocab: int | None = None) -> nn.Module:
    """transformers' own model with random weights large enough that rows, layers and positions differ clearly."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        **{**BASE_CONFIGS[family], "vocab_size": vocab or VOCAB[family], "pad_token_id": None, "initializer_range": 0.3}
    )
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager", dtype=torch.float32).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:  # norms and biases start at one and zero
            parameter.add_(0.1 * torch.randn_like(parameter))
        elif name.endswith(("wte.weight", "embed_tokens.weight")):
            parameter.mul_(3)
    return model


def in_transformers(model: CodiModel, attention: str = "eager") -> nn.Module:
    """The same weights, and the same rotary frequencies, in transformers' own model: the judge of ours."""
    config = AutoConfig.for_model(**model.config.given)
    theirs = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=model.dtype).eval().requires_grad_(False)
    theirs.load_state_dict(model.hf.state_dict())
    if model.architecture.rotary is not None:
        theirs.get_submodule(model.architecture.rotary).inv_freq = model.hf.get_submodule(model.architecture.rotary).inv_freq
    return theirs


def tensors_of(
    family: str = "llama", lora: bool = True, projection: bool = True, layer_norm: bool = True, head: Head = "tied", seed: int = 0
) -> dict[str, Tensor]:
    """Tensors by the names the public code writes."""
    model = base_model(family, seed)
    prefix = "codi.base_model.model." if lora else "codi."
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        module_name, _, leaf = name.rpartition(".")
        module = model.get_submodule(module_name)
        wrapped = lora and isinstance(module, (nn.Linear, Conv1D)) and module_name != "lm_head"
        tensors[f"{prefix}{module_name}.base_layer.{leaf}" if wrapped else prefix + name] = value.clone()
        if wrapped and leaf == "weight":
            n_in, n_out = value.shape if isinstance(module, Conv1D) else value.shape[::-1]
            tensors[f"{prefix}{module_name}.lora_A.default.weight"] = 0.2 * torch.randn(RANK, n_in)
            tensors[f"{prefix}{module_name}.lora_B.default.weight"] = 0.2 * torch.randn(n_out, RANK)
    if head == "absent":
        del tensors[f"{prefix}lm_head.weight"]
    elif head == "own":
        tensors[f"{prefix}lm_head.weight"] = 0.3 * torch.randn_like(tensors[f"{prefix}lm_head.weight"])
    d_model, d_hidden = model.config.hidden_size, 24
    if projection:
        tensors |= {
            "prj.1.weight": 0.3 * torch.randn(d_hidden, d_model),
            "prj.1.bias": 0.3 * torch.randn(d_hidden),
            "prj.3.weight": 0.3 * torch.randn(d_model, d_hidden),
            "prj.3.bias": 0.3 * torch.randn(d_model),
        }
        if layer_norm:
            tensors |= {"prj.ln.weight": 1 + 0.1 * torch.randn(d_model), "prj.ln.bias": 0.1 * torch.randn(d_model)}
    return tensors


def ending(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """With a logit of eos large enough to win after a few tokens: at random no answer ends before the limit."""
    for name, value in tensors.items():
        if name.endswith(("embed_tokens.weight", "lm_head.weight")):
            value[EOS] *= 3
    return tensors


def write(
    folder: Path,
    tensors: dict[str, Tensor],
    family: str = "llama",
    file: Literal["model.safetensors", "pytorch_model.bin"] = "model.safetensors",
    config: dict[str, Any] | None = None,
    codi_json: dict[str, Any] | None = None,
) -> Path:
    """A checkpoint folder with its own config.json and a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    if file == "model.safetensors":
        save_file(tensors, folder / file)
    else:
        torch.save(tensors, folder / file)
    (folder / "config.json").write_text(json.dumps(config or BASE_CONFIGS[family]))
    if codi_json is not None:
        (folder / "codi.json").write_text(json.dumps(codi_json))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(FIXTURES / TOKENIZER[family] / "checkpoint" / name, folder)
    return folder


def load(folder: Path, **request: Any) -> CodiModel:
    request = {"lora_alpha": ALPHA, "device": "cpu", "dtype": "float32", **request}
    return load_model(ModelRequest(str(folder), **request), Settings())


def fixture_engine(name: str) -> Engine:
    """The engine on one of the three checkpoints of the public code."""
    return Engine(load(FIXTURES / name / "checkpoint", base=str(FIXTURES / name / "base")))


def distance(ours: Floats, theirs: Floats) -> float:
    """Relative Frobenius distance; the shapes must agree."""
    assert ours.shape == theirs.shape
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
