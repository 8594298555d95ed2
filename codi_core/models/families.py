"""Model families: how transformers' modules map to our canonical names. A new family is one row of FAMILIES."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from codi_core.errors import ModelError
from codi_core.models.attention import ATTENTION


@dataclass(frozen=True)
class Family:
    """Paths of the canonical parts inside transformers' model, which are also the names of their tensors in a checkpoint."""

    body: str
    embed: str
    blocks: str
    final_norm: str
    rotary: str | None
    """Module holding ``inv_freq``; None when positions are learned embeddings."""
    ties_by_default: bool
    """Whether a base config that does not mention ``tie_word_embeddings`` ties the head to the embedding."""

    def part(self, model: nn.Module, name: str) -> Any:
        return attrgetter(name)(model)


_LLAMA = Family("model", "model.embed_tokens", "model.layers", "model.norm", "model.rotary_emb", ties_by_default=False)
_GPT2 = Family("transformer", "transformer.wte", "transformer.h", "transformer.ln_f", None, ties_by_default=True)

FAMILIES: dict[str, Family] = {"llama": _LLAMA, "qwen3": _LLAMA, "gpt2": _GPT2}
"""By the base config's ``model_type``."""


def family_of(base_config: dict[str, Any]) -> Family:
    """Raises ModelError for a family without a row, or one of its options our attention does not compute."""
    model_type = base_config.get("model_type")
    if model_type not in FAMILIES:
        raise ModelError(f"The base config says model_type '{model_type}': supported families are {', '.join(FAMILIES)}.")
    if base_config.get("use_sliding_window"):
        raise ModelError("The base config asks for sliding-window attention, which is not supported: set use_sliding_window to false.")
    return FAMILIES[model_type]


def empty_model(base_config: dict[str, Any], vocab_size: int) -> nn.Module:
    """The architecture without weights (on torch's meta device), its vocabulary resized and its head untied."""
    try:
        config = AutoConfig.for_model(**{**base_config, "vocab_size": vocab_size, "tie_word_embeddings": False, "pad_token_id": None})
        with torch.device("meta"):
            model: nn.Module = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config, attn_implementation=ATTENTION, dtype=torch.float32
            )
    except (StrictDataclassError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"The base config cannot be used: {error}") from error
    return model.eval().requires_grad_(False)


def make_rotary(model: nn.Module, family: Family, rounded: bool) -> None:
    """Compute the rotary frequencies, which are in no checkpoint, in float32 on the cpu.

    ``rounded`` rounds them to bfloat16 as both public code bases did when they cast the whole module; they stay float32 tensors,
    so that angles are exact in every dtype of the model.
    """
    if family.rotary is None:
        return
    config: Any = model.config
    rotary = type(family.part(model, family.rotary))(config=config)
    if rounded:
        rotary.inv_freq = nn.Buffer(rotary.inv_freq.bfloat16().float(), persistent=False)
        rotary.original_inv_freq = nn.Buffer(rotary.inv_freq.clone(), persistent=False)
    model.set_submodule(family.rotary, rotary)
