"""LoRA as PEFT writes it: which tensors belong to a module, and how the product is scaled."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codi_core.errors import CheckpointError, ModelError

PART = re.compile(
    r"(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_embedding_A|lora_embedding_B)(?:\.(?!(?:weight|bias)$)(?P<adapter>[^.]+))?(?:\.(?P<leaf>weight|bias))?"
)
"""A tensor of the product: with the adapter's name while training, without it in a saved adapter."""
REPLACED = re.compile(r"(?P<module>.+)\.(?:modules_to_save\.(?P<adapter>[^.]+)|(?P<original>original_module))\.(?P<leaf>.+)")
"""A module that was trained whole, beside the original one."""


@dataclass(frozen=True)
class Lora:
    """Names of one module's tensors; None where the file has none."""

    down: str | None = None
    """A ``[r in]``; of an embedding ``[r rows]``."""
    up: str | None = None
    """B ``[out r]``."""
    up_bias: str | None = None
    """Of B (``lora_bias``), scaled like the product."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.down, self.up, self.up_bias) if name is not None)


def lora_of(path: Path, names: Iterable[str]) -> dict[str, Lora]:
    """By module. Raises CheckpointError when several adapters lie in one file, which no name says how to combine."""
    found: dict[str, dict[str, str]] = {}
    adapters: set[str] = set()
    roles = {("A", "weight"): "down", ("B", "weight"): "up", ("B", "bias"): "up_bias"}
    for name in names:
        match = PART.fullmatch(name)
        replaced = REPLACED.fullmatch(name)
        if replaced and replaced["adapter"]:
            adapters.add(replaced["adapter"])
        role = roles.get((match["part"][-1], match["leaf"] or "weight")) if match else None
        if match and role:
            adapters.add(match["adapter"] or "default")
            found.setdefault(match["module"], {}).setdefault(role, name)
    if len(adapters) > 1:
        raise CheckpointError(
            f"{path.name} holds several adapters ({', '.join(sorted(adapters))}): merge the one to be used and save the model."
        )
    return {module: Lora(**parts) for module, parts in found.items()}


@dataclass(frozen=True)
class Scaling:
    """From alpha and rank to the factor of the product."""

    alpha: float
    rslora: bool = False
    """Divided by the square root of the rank."""
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    """Alphas of modules whose name ends with one of these (PEFT's alpha_pattern)."""

    def of(self, module: str, rank: int) -> float:
        own = matching(self.alpha_pattern, module)
        return (self.alpha if own is None else own) / (math.sqrt(rank) if self.rslora else rank)

    @property
    def rule(self) -> str:
        """What a key has to say beyond alpha; empty for alpha / r everywhere."""
        pattern = json.dumps(dict(self.alpha_pattern), sort_keys=True) if self.alpha_pattern else ""
        return " ".join(part for part in ("rslora" * self.rslora, pattern) if part)


def matching(patterns: Mapping[str, float], module: str) -> float | None:
    """The value of the first pattern that a module's name ends with."""
    return next((value for pattern, value in patterns.items() if re.fullmatch(rf"(.*\.)?({pattern})", module)), None)


def check_ranks(adapter_config: Mapping[str, Any], path: Path, ranks: Mapping[str, int]) -> None:
    """Raises ModelError when the ranks of the file are not those that its config says: the alpha beside them is another adapter's then."""
    stated, pattern = adapter_config.get("r"), adapter_config.get("rank_pattern") or {}
    if not isinstance(stated, int) or not isinstance(pattern, dict):
        return
    for module, rank in ranks.items():
        expected = matching(pattern, module)
        if rank and rank != (stated if expected is None else expected):
            raise ModelError(
                f"{path} says rank {stated if expected is None else expected}, and {module} has rank {rank} in the weights: it is the "
                "config of another adapter, so its alpha may be too. Put the right one there, or take it away and give --lora-alpha."
            )


_REFUSED_OPTIONS = {
    "use_dora": "DoRA, which rescales every column after the LoRA product",
    "trainable_token_indices": "trained token rows beside the embedding",
    "layer_replication": "replicated layers",
    "alora_invocation_tokens": "activated LoRA, which acts on a part of the text only",
}


def read_scaling(adapter_config: Mapping[str, Any], path: Path, alpha: float) -> Scaling:
    """``alpha`` is the one settled on. Raises ModelError for an adapter that is computed in another way."""
    kind = adapter_config.get("peft_type", "LORA")
    if kind != "LORA":
        raise ModelError(f"{path} says peft_type {kind}: only LoRA is merged here. Merge it into its base first (merge_and_unload).")
    for option, what in _REFUSED_OPTIONS.items():
        if adapter_config.get(option):
            raise ModelError(f"{path} sets {option}: {what}. Merge it into its base first (merge_and_unload).")
    pattern = adapter_config.get("alpha_pattern") or {}
    if not isinstance(pattern, dict) or not all(isinstance(value, (int, float)) for value in pattern.values()):
        raise ModelError(f"{path}: alpha_pattern must map module names to numbers.")
    return Scaling(alpha, bool(adapter_config.get("use_rslora")), {str(name): float(value) for name, value in pattern.items()})
