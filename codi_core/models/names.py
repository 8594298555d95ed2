"""Tensor names as training tools write them → the base model's own names, sorted by what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from codi_core.errors import CheckpointError
from codi_core.models.families import BODY_PREFIXES, FAMILIES, PROJECTION_PREFIXES, REFUSED
from codi_core.models.files import listed

WRAPPERS = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})
"""Steps of a name that DataParallel, torch.compile, FSDP, activation checkpointing and DeepSpeed put in."""
PEFT_PREFIX = "base_model.model."
WHOLE = "replaced by modules_to_save, which was trained whole"
_SAVED = re.compile(r"modules_to_save\.[^.]+\.(?P<rest>.+)")
BARE = ("model.", "transformer.", "lm_head.", PEFT_PREFIX)
HEAD = "lm_head.weight"

HEADLESS = {"transformer.": ("h.", "wte.", "wpe.", "ln_f."), "model.": ("layers.", "embed_tokens.", "norm.")}
"""What names lack that were saved from transformers' base model, without its head, and how they begin then."""

RECOMPUTED = (
    (re.compile(r"(^|\.)rotary_emb\.(inv_freq|original_inv_freq|cos_cached|sin_cached)$"), "rotary frequencies, computed from the config"),
    (re.compile(r"^transformer\.h\.\d+\.attn\.(bias|masked_bias)$"), "GPT-2's causal mask, a constant"),
    (re.compile(r"(^|\.)position_ids$"), "positions, a constant"),
)
"""Buffers that older versions of transformers saved: recomputed here."""
UNSUPPORTED = (
    (
        re.compile(r"^(tok_embeddings|layers\.\d+\.(attention\.w[qkvo]|feed_forward\.w[123]))\."),
        "Meta's own format of Llama, which orders the rows of attention otherwise: take the files in transformers' format",
    ),
    (re.compile(r"(^|\.)_flat_param"), "FSDP's flattened parameters of one process: save the full state dict"),
    (
        re.compile(r"\.(SCB|absmax|quant_map|qweight|qzeros|g_idx|weight_scale(_inv)?|quant_state\..*)$|\.weight\.(absmax|quant_)"),
        "quantised weights: save them in float",
    ),
    (
        re.compile(r"\.trainable_tokens_(delta|original)(\.|$)"),
        "PEFT's trainable tokens, whose rows only its config knows: merge them first",
    ),
    (
        re.compile(r"\.lora_magnitude_vector(\.|$)"),
        "DoRA, which rescales every column after the LoRA product: merge it first (merge_and_unload)",
    ),
    (re.compile(r"\.(lora_E|ranknum)(\.|$)"), "AdaLoRA: merge it first"),
    (re.compile(r"\.(vera_lambda_[bd]|vera_[AB])(\.|$)|^vera_"), "VeRA: merge it first"),
    (
        re.compile(r"\.(hada_w|lokr_w|oft_|boft_|ia3_l|hra_u|vblora_|fourierft_|randlora_|c3a_|miss_|bone_|ln_tuning|poly_lora)"),
        "an adapter that is not LoRA: merge it first",
    ),
    (
        re.compile(r"(^|\.)prompt_(encoder|embeddings)\b|prefix_tuning"),
        "prompt tuning: its virtual tokens are no part of the model's prompt",
    ),
)
"""Names that change what the model computes in a way this loader does not, and what to do."""


@dataclass(frozen=True)
class Sorted:
    """The tensors of a file by the base model's own names, each in one place."""

    path: Path
    body_prefix: str
    body: Mapping[str, Tensor]
    projection_prefix: str
    """Empty when the file has no projection."""
    projection: Mapping[str, Tensor]
    """Names after the prefix; the LayerNorm is ``ln`` however it is spelled."""
    apart: Mapping[str, Tensor]
    """Auxiliary models, by the names in the file."""
    copies: Mapping[str, Tensor]
    """Copies of the embedding, by the names in the file."""
    ignored: Mapping[str, str] = field(default_factory=dict)
    """Names of buffers that are recomputed, and why they are not needed."""
    recomputed: Mapping[str, Tensor] = field(default_factory=dict)
    """The same buffers, to be checked."""
    notes: tuple[str, ...] = ()


def sort_names(path: Path, tensors: Mapping[str, Tensor]) -> Sorted:
    """Raises CheckpointError naming what is no part of a known family or changes the mathematics."""
    plain, notes = _unwrapped(path, tensors)
    _refuse_unsupported(path, plain)
    body_prefix = next((prefix for prefix in BODY_PREFIXES if any(name.startswith(prefix) for name in plain)), "")
    projection_prefix = next((prefix for prefix in PROJECTION_PREFIXES if any(name.startswith(prefix) for name in plain)), "")
    families = [family for family in FAMILIES.values() if body_prefix in family.bodies]
    apart_prefixes = tuple(prefix for family in families for prefix in family.apart)
    copies = {name for family in families for name in family.copies}
    groups: dict[str, dict[str, Tensor]] = {name: {} for name in ("body", "projection", "apart", "copies", "unknown")}
    for name, tensor in plain.items():
        if name in copies:
            groups["copies"][name] = tensor
        elif name.startswith(apart_prefixes):
            groups["apart"][name] = tensor
        elif projection_prefix and name.startswith(projection_prefix):
            groups["projection"][name.removeprefix(projection_prefix)] = tensor
        elif name.startswith(body_prefix or BARE):
            groups["body"][name.removeprefix(body_prefix)] = tensor
        else:
            groups["unknown"][name] = tensor
    if groups["unknown"]:
        raise CheckpointError(_unknown(path, body_prefix, sorted(groups["unknown"])))
    projection, originals = _trained_whole(groups["projection"])
    body = _without_peft_prefix(path, body_prefix, groups["body"])
    recomputed = {name: why for name in body for pattern, why in RECOMPUTED if pattern.search(name)}
    return Sorted(
        path=path,
        body_prefix=body_prefix,
        body={name: tensor for name, tensor in body.items() if name not in recomputed},
        projection_prefix=projection_prefix,
        projection=_as_numbered(projection),
        apart=groups["apart"],
        copies=groups["copies"],
        ignored=recomputed | {f"{projection_prefix}{name}": WHOLE for name in originals},
        recomputed={name: body[name] for name in recomputed},
        notes=notes,
    )


def _unwrapped(path: Path, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Names without what wrapped the model when it was saved."""
    plain: dict[str, Tensor] = {}
    removed: dict[str, None] = {}
    for name, tensor in tensors.items():
        steps = name.split(".")
        removed.update(dict.fromkeys(step for step in steps if step in WRAPPERS))
        short = ".".join(step for step in steps if step not in WRAPPERS)
        if short in plain:
            raise CheckpointError(f"{path.name} mixes wrapped and plain names: {name} and another are both {short}.")
        plain[short] = tensor
    plain, outer = _without_outer(plain)
    removed.update(dict.fromkeys(outer))
    notes: tuple[str, ...] = (f"names were wrapped in {', '.join(removed)}",) if removed else ()
    whole = next((whole for whole, beginnings in HEADLESS.items() if any(name.startswith(beginnings) for name in plain)), "")
    if whole and not any(name.startswith((*BODY_PREFIXES, whole)) for name in plain):
        within = HEADLESS[whole]
        plain = {f"{whole}{name}" if name.startswith(within) else name: tensor for name, tensor in plain.items()}
        notes += (f"names lacked {whole}, as the base model without its head has them",)
    return plain, notes


def _without_outer(names: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """A training framework's module, or PEFT around everything, holds the model under names of its own."""
    inner, outer = names, list[str]()
    while not any(name.startswith((*BODY_PREFIXES, *PROJECTION_PREFIXES)) for name in inner):
        first = {name.partition(".")[0] for name in inner}
        inner = {name.partition(".")[2]: tensor for name, tensor in inner.items()}
        if len(first) != 1 or len(inner) != len(names) or "" in inner:
            return names, []
        outer += first
    return inner, outer


def _refuse_unsupported(path: Path, names: Mapping[str, Tensor]) -> None:
    for name in names:
        for pattern, what in UNSUPPORTED:
            if pattern.search(name):
                raise CheckpointError(f"{path.name} cannot be used: {name} belongs to {what}.")
        kind = next((what for beginning, what in REFUSED.items() if name.startswith(beginning)), None)
        if kind is not None:
            raise CheckpointError(f"{path.name} is {kind} ({name}): there are no latent thoughts to look at.")
    empty = [name for name, tensor in names.items() if tensor.numel() == 0]
    if empty:
        raise CheckpointError(
            f"{path.name} holds empty tensors ({listed(empty)}), as one process of DeepSpeed ZeRO-3 saves: save the whole model."
        )


def _without_peft_prefix(path: Path, body_prefix: str, body: Mapping[str, Tensor]) -> dict[str, Tensor]:
    inside = [name for name in body if name.startswith(PEFT_PREFIX)]
    outside = [name for name in body if not name.startswith(PEFT_PREFIX)]
    if inside and outside:
        strays = listed(body_prefix + name for name in outside)
        raise CheckpointError(f"{path.name} mixes LoRA ({body_prefix}{PEFT_PREFIX}*) and plain names: {strays}.")
    return {name.removeprefix(PEFT_PREFIX): tensor for name, tensor in body.items()}


def _trained_whole(projection: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The projection that PEFT trained whole (modules_to_save), and the names of the original beside it."""
    saved = {name: match["rest"] for name in projection if (match := _SAVED.fullmatch(name))}
    originals = [name for name in projection if saved and name.startswith("original_module.")]
    return {saved.get(name, name): tensor for name, tensor in projection.items() if name not in originals}, originals


def _as_numbered(projection: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names of the projection's modules as the CODI code has them: Linear ``1``, Linear ``3``, LayerNorm ``ln``.

    Without a Dropout in front they are ``0``, ``2`` and ``3``; a LayerNorm that has no name is number ``4``.
    """
    without_dropout = "0.weight" in projection and "1.weight" not in projection
    numbered = {re.sub(r"^\d", lambda n: str(int(n[0]) + without_dropout), name): tensor for name, tensor in projection.items()}
    if any(name.startswith("ln.") for name in numbered):
        return numbered
    return {re.sub(r"^4\.", "ln.", name): tensor for name, tensor in numbered.items()}


def _unknown(path: Path, body_prefix: str, names: list[str]) -> str:
    expected = [f"{prefix}*" for prefix in (*BODY_PREFIXES, *PROJECTION_PREFIXES)]
    what = f"beside {body_prefix}*" if body_prefix else f"(expected {', '.join(expected)} or a transformers model's own names)"
    return f"{path.name} holds unknown tensors {listed(names)} {what}: no known family writes them, so what they do is not known."
