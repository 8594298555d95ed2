"""From the name of a model to a `CodiModel`: find the files, settle what they cannot say, load strictly."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from codi_core.device import check_memory, choose_device, choose_dtype, dtype_name, set_threads
from codi_core.errors import CheckpointError, ModelError
from codi_core.keys import canonical_json
from codi_core.models.checkpoint import Checkpoint, Target, find_weights, load_body, load_projection, read_checkpoint, sha256_of
from codi_core.models.families import Family, empty_model, family_of, make_rotary
from codi_core.models.hub import fetch
from codi_core.models.model import CodiModel
from codi_core.models.presets import PRESETS, Preset, base_config, known_bases, read_json_object
from codi_core.models.prompts import BOT, TOKENIZER_FILE, load_tokenizer, special_ids
from codi_core.settings import Settings
from codi_core.types import ModelSpec, PromptFormat, RopeRounding

DEFAULT_LORA_ALPHA = 32.0
"""Of every public checkpoint; the file does not say."""
MEMORY_MARGIN = 1.2
"""Room for activations and the KV cache on top of the weights."""
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ModelRequest:
    """What a person asked for. None: as the preset, the checkpoint's ``codi.json`` or its files say; device and dtype: the settings."""

    name: str
    """A preset, a hub id (``owner/repo``) or a local folder."""
    base: str | None = None
    """A known base's name, or a folder with config.json (and a tokenizer, if the checkpoint has none)."""
    lora_alpha: float | None = None
    prompt_format: PromptFormat | None = None
    rope_rounding: RopeRounding | None = None
    dtype: str | None = None
    device: str | None = None


@dataclass(frozen=True)
class _Recipe:
    """The request with every question answered."""

    name: str
    folder: Path
    tokenizer_folder: Path
    base_config: dict[str, Any]
    codi_json: dict[str, Any]
    prompt_format: PromptFormat
    lora_alpha: float
    rope_rounding: RopeRounding


def load_model(request: ModelRequest, settings: Settings) -> CodiModel:
    """Load a checkpoint onto the chosen device.

    Raises ModelError when it cannot be named, found or fetched, CheckpointError when its files disagree with the format or the base,
    MemoryLimitError before loading what does not fit.
    """
    set_threads(settings.threads)
    choice = choose_device(request.device or settings.device)
    folder, preset = _find(request.name, settings)
    checkpoint = read_checkpoint(find_weights(folder))
    recipe = _settle(request, folder, preset, checkpoint)
    family = family_of(recipe.base_config)
    vocab_size = _vocab_size(checkpoint, family)
    hf = empty_model(recipe.base_config, vocab_size)
    parameters = sum(parameter.numel() for parameter in hf.parameters())
    dtype = choose_dtype(request.dtype or settings.dtype, parameters)
    check_memory(int(parameters * dtype.itemsize * MEMORY_MARGIN), choice.device)

    tied = bool(recipe.base_config.get("tie_word_embeddings", family.ties_by_default))
    target = Target(dtype, choice.device, recipe.lora_alpha, tied)
    load_body(checkpoint, hf, f"{family.embed}.weight", target)
    projection = load_projection(checkpoint, int(hf.config.hidden_size), target)  # type: ignore[union-attr, arg-type]
    make_rotary(hf, family, rounded=recipe.rope_rounding == "bf16")
    tokenizer = load_tokenizer(recipe.tokenizer_folder)
    return CodiModel(
        spec=_spec(recipe, checkpoint, family, dtype_name(dtype)),
        hf=hf.to(choice.device),
        family=family,
        projection=projection,
        tokenizer=tokenizer,
        ids=special_ids(tokenizer, vocab_size),
        device=choice.device,
        dtype=dtype,
        device_reason=choice.reason,
        source=str(folder),
        training=recipe.codi_json,
    )


def _find(name: str, settings: Settings) -> tuple[Path, Preset]:
    """Folder of the checkpoint, fetched if it is on the hub. A folder of that name wins over a hub id."""
    preset = PRESETS.get(name)
    if preset is not None and preset.hub_id is None:
        folder = settings.bundled_dir / "models" / name
        if not folder.is_dir():
            raise ModelError(f"The model '{name}' is not in this copy of the repository ({folder} is absent): choose another one.")
        return folder, preset
    if preset is not None:
        assert preset.hub_id is not None
        return fetch(preset.hub_id, preset.revision), preset
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve(), Preset()
    if HUB_ID.fullmatch(name) and not name.startswith("."):
        return fetch(name, None), next((known for known in PRESETS.values() if known.hub_id == name), Preset())
    raise ModelError(f"Unknown model '{name}': give a preset ({', '.join(PRESETS)}), a hub id (owner/repo) or an existing folder.")


def _settle(request: ModelRequest, folder: Path, preset: Preset, checkpoint: Checkpoint) -> _Recipe:
    """First answer wins: the request, ``codi.json``, the preset, what the files suggest."""
    codi_json = read_json_object(folder / "codi.json") if (folder / "codi.json").is_file() else {}
    own_config = folder / "config.json"
    base = request.base or preset.base
    if base is None and not own_config.is_file():
        raise ModelError(
            f"{folder} has no config.json, so its architecture is unknown: name the base with --base, "
            f"either a known one ({', '.join(known_bases())}) or a folder with config.json."
        )
    config = base_config(base) if base is not None else read_json_object(own_config)
    tokenizer_folder = folder if (folder / TOKENIZER_FILE).is_file() or base is None else Path(base).expanduser()
    has_bot = (folder / TOKENIZER_FILE).is_file() and f'"{BOT}"' in (folder / TOKENIZER_FILE).read_text(encoding="utf-8")

    def answer(name: str, fallback: Any) -> Any:
        given = (getattr(request, name), codi_json.get(name), getattr(preset, name))
        return next((value for value in given if value is not None), fallback)

    return _Recipe(
        name=request.name if request.name in PRESETS else folder.name if Path(request.name).expanduser().is_dir() else request.name,
        folder=folder,
        tokenizer_folder=tokenizer_folder,
        base_config=config,
        codi_json=codi_json,
        prompt_format=_one_of(PromptFormat, "prompt format", answer("prompt_format", "answer-only" if has_bot else "paper")),
        lora_alpha=_positive(answer("lora_alpha", DEFAULT_LORA_ALPHA)),
        rope_rounding=_one_of(RopeRounding, "rope rounding", answer("rope_rounding", "bf16" if checkpoint.has_lora else "none")),
    )


def _one_of(literal: Any, what: str, value: Any) -> Any:
    if value not in get_args(literal):
        raise ModelError(f"Unknown {what} '{value}': use {', '.join(get_args(literal))}.")
    return value


def _positive(alpha: Any) -> float:
    if not isinstance(alpha, (int, float)) or not 0 < alpha < float("inf"):
        raise ModelError(f"LoRA alpha is {alpha!r}: give a positive number (32 for the public checkpoints).")
    return float(alpha)


def _vocab_size(checkpoint: Checkpoint, family: Family) -> int:
    embedding = checkpoint.body.get(f"{family.embed}.weight")
    if embedding is None:
        raise CheckpointError(f"{checkpoint.path} has no {family.embed}.weight: it belongs to another family of models. Check --base.")
    return int(embedding.shape[0])


def _spec(recipe: _Recipe, checkpoint: Checkpoint, family: Family, dtype: str) -> ModelSpec:
    ignored = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "vocab_size", "use_cache")
    architecture = {name: value for name, value in recipe.base_config.items() if name not in ignored}
    tokenizer_sha = sha256_of(recipe.tokenizer_folder / TOKENIZER_FILE)
    return ModelSpec(
        name=recipe.name,
        checkpoint=sha256_of(checkpoint.path),
        dtype=dtype,
        prompt_format=recipe.prompt_format,
        rope_rounding=recipe.rope_rounding if family.rotary else "none",
        lora_alpha=recipe.lora_alpha if checkpoint.has_lora else None,
        base=hashlib.sha256((canonical_json(architecture) + tokenizer_sha).encode()).hexdigest(),
    )
