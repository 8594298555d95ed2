"""Architectures: which modules one is of and how they map to our canonical names. A new one is one row of ARCHITECTURES."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codi_core.errors import CheckpointError, ModelError
from codi_core.models.blocks import GPT2, CausalModel, Llama, Rotary
from codi_core.models.config import read_config


@dataclass(frozen=True)
class Architecture:
    """Paths of the canonical parts inside transformers' model, which are also the names of their tensors in a checkpoint."""

    make_body: type[Llama] | type[GPT2]
    body: str
    embed: str
    blocks: str
    final_norm: str
    rotary: str | None
    """Module holding ``inv_freq``; None when positions are learned embeddings."""
    output: str
    """Inside a block: what attention's mixed values are multiplied with."""
    ties_by_default: bool
    """Whether a base config that does not mention ``tie_word_embeddings`` ties the head to the embedding."""

    def part(self, model: nn.Module, name: str) -> Any:
        return attrgetter(name)(model)


_LLAMA = Architecture(
    Llama, "model", "model.embed_tokens", "model.layers", "model.norm", "model.rotary_emb", "self_attn.o_proj", ties_by_default=False
)
_GPT2 = Architecture(GPT2, "transformer", "transformer.wte", "transformer.h", "transformer.ln_f", None, "attn.c_proj", ties_by_default=True)

ARCHITECTURES: dict[str, Architecture] = {"llama": _LLAMA, "qwen3": _LLAMA, "gpt2": _GPT2}
"""By the base config's ``model_type``."""


def architecture_of(base_config: dict[str, Any]) -> Architecture:
    """Raises ModelError for one without a row, or for an option that our attention does not compute."""
    model_type = base_config.get("model_type")
    if model_type not in ARCHITECTURES:
        raise ModelError(f"The base config says model_type '{model_type}': supported are {', '.join(ARCHITECTURES)}.")
    if base_config.get("use_sliding_window"):
        raise ModelError("The base config asks for sliding-window attention, which is not supported: set use_sliding_window to false.")
    if base_config.get("partial_rotary_factor") not in (None, 1, 1.0):
        raise ModelError("The base config rotates only a part of each head (partial_rotary_factor), which is not computed here.")
    return ARCHITECTURES[model_type]


def empty_model(base_config: dict[str, Any], vocab_size: int) -> CausalModel:
    """The architecture without weights (on torch's meta device), its vocabulary resized and its head untied.

    Raises ModelError for a config that cannot be used.
    """
    architecture, config = architecture_of(base_config), read_config(base_config, vocab_size)
    with torch.device("meta"):
        model = CausalModel(config, architecture.body, architecture.make_body)
    return model.eval().requires_grad_(False)


def make_rotary(model: CausalModel, architecture: Architecture, rounded: bool) -> None:
    """Compute the rotary frequencies, which are in no checkpoint, in float32 on the cpu.

    ``rounded`` rounds them to bfloat16 as both public code bases did when they cast the whole module; they stay float32 tensors,
    so that angles are exact in every dtype of the model.
    """
    if architecture.rotary is None:
        return
    rotary = Rotary(model.config)
    if rounded:
        rotary.inv_freq = rotary.inv_freq.bfloat16().float()
    model.set_submodule(architecture.rotary, rotary)


def check_recomputed(buffers: Mapping[str, Tensor], model: nn.Module, architecture: Architecture, path: Path) -> None:
    """Saved copies of what is computed here must agree with it, bf16 rounding aside. Raises CheckpointError naming what does not."""
    rotary = architecture.part(model, architecture.rotary) if architecture.rotary else None
    for name, saved in buffers.items():
        if name.endswith("inv_freq") and rotary is not None:
            computed = rotary.inv_freq
            if saved.shape != computed.shape or not torch.allclose(saved.float().cpu(), computed.float().cpu(), rtol=1e-2):
                raise CheckpointError(
                    f"{path.name}: {name} holds other rotary frequencies than the base config gives (rope_theta, rope_scaling): "
                    "name the base it was trained from (--base)."
                )
        if name.endswith("attn.bias") and not torch.equal(saved.bool(), torch.ones_like(saved, dtype=torch.bool).tril()):
            raise CheckpointError(f"{path.name}: {name} is not GPT-2's causal mask; attention with another mask is not computed here.")


def other_architecture(names: Iterable[str], architecture: Architecture) -> str:
    """The architectures, in words, whose modules the names are of, when it is not this one; else empty."""
    beginnings = {name.partition(".")[0] for name in names}
    others = [kind for kind, known in ARCHITECTURES.items() if known.body != architecture.body and known.body in beginnings]
    return " or ".join(others) if architecture.body not in beginnings else ""
