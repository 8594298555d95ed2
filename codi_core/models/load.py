"""From the name of a model to a `CodiModel`: find the files, settle what they cannot say, load strictly."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from codi_core.device import check_memory, choose_device, choose_dtype, dtype_name, set_threads
from codi_core.errors import CheckpointError, ModelError
from codi_core.keys import canonical_json
from codi_core.models.architectures import Architecture, architecture_of, check_recomputed, empty_model, make_rotary, other_architecture
from codi_core.models.checkpoint import Target, embedding_rows, load_body, load_projection, ranks_of
from codi_core.models.families import FOREIGN_FILES, Family
from codi_core.models.files import WeightFiles, adapter_beside, find_weights, own_name, read_tensors
from codi_core.models.hub import fetch, fetch_tokenizer, split_hub_id
from codi_core.models.lora import Scaling, check_ranks, read_scaling
from codi_core.models.model import CodiModel
from codi_core.models.names import Sorted, sort_names
from codi_core.models.presets import PRESETS, Preset, base_config, base_on_hub, check_shipped, known, known_bases, read_json_object
from codi_core.models.recognise import family_of, named_family
from codi_core.models.rows import Rows, name_tokens, special_ids
from codi_core.models.tokenizer import load_tokenizer, tokenizer_files, tokenizer_sha
from codi_core.settings import Settings
from codi_core.values.model import LedgerEntry, ModelSpec, PromptFormat, RopeRounding

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

DEFAULT_LORA_ALPHA = 32.0
"""Of every public checkpoint; the weight file does not say."""
MEMORY_MARGIN = 1.2
"""Room for activations and the KV cache on top of the weights."""


@dataclass(frozen=True)
class ModelRequest:
    """What a person asked for. None: as the preset, the checkpoint's ``codi.json`` or its files say; device and dtype: the settings."""

    name: str
    """A preset, a hub id (``owner/repo``, or ``owner/repo:path``), a local folder, or a file of weights in one."""
    base: str | None = None
    """A known base's name, or a folder with config.json (and a tokenizer, if the checkpoint has none)."""
    lora_alpha: float | None = None
    prompt_format: PromptFormat | None = None
    rope_rounding: RopeRounding | None = None
    dtype: str | None = None
    device: str | None = None
    family: str | None = None
    suffix: str | None = None
    """Instruction that ends every question which does not end with one."""
    lead: str | None = None
    """What answers begin with, before the number."""


@dataclass(frozen=True)
class _Source:
    """Where everything is read from."""

    name: str
    folder: Path
    weights: WeightFiles
    preset: Preset
    codi_json: dict[str, Any]
    adapter: dict[str, Any]
    """``adapter_config.json``, as PEFT writes it; empty when there is none."""
    base_config: dict[str, Any]
    base_rows: int | None
    """Rows of the base's embedding; None when only the checkpoint's own config is there."""
    tokenizer_folder: Path
    adapter_weights: str | None
    """Name of a file with an adapter alone that lies beside the weights of a folder; None when a file was given."""


@dataclass(frozen=True)
class _Recipe:
    """What the files do not settle by themselves, settled."""

    family: Family
    prompt_format: PromptFormat
    rope_rounding: RopeRounding
    scaling: Scaling | None
    """None without LoRA."""
    suffix: str
    lead: str | None
    passes: int | None
    assumed: tuple[str, ...]


def load_model(request: ModelRequest, settings: Settings) -> CodiModel:
    """Load a checkpoint onto the chosen device.

    Raises ModelError when it cannot be named, found or fetched, CheckpointError when its files disagree with the format or the base,
    MemoryLimitError before loading what does not fit.
    """
    set_threads(settings.threads)
    choice = choose_device(request.device or settings.device)
    source = _source(request, settings)
    checkpoint_sha = source.weights.sha256  # first: the file is then in memory when its tensors are read
    tensors, file_notes = read_tensors(source.weights)
    checkpoint = sort_names(source.weights.path, tensors)
    merged = _check_adapter(source, checkpoint)
    architecture = architecture_of(source.base_config)
    tied = bool(source.base_config.get("tie_word_embeddings", architecture.ties_by_default))
    rows = Rows(_row_count(checkpoint, source, architecture, tied), source.base_rows)
    tokenizer = load_tokenizer(source.tokenizer_folder, str(source.base_config["model_type"]))
    recipe = _settle(request, source, checkpoint, tokenizer, rows)
    ids, row_notes = special_ids(tokenizer, recipe.family, rows)
    name_tokens(tokenizer, recipe.family, ids)
    hf = empty_model(source.base_config, rows.count)
    parameters = sum(parameter.numel() for parameter in hf.parameters())
    dtype = choose_dtype(request.dtype or settings.dtype, parameters)
    check_memory(int(parameters * dtype.itemsize * MEMORY_MARGIN), choice.device)

    target = Target(dtype, choice.device, recipe.scaling or Scaling(DEFAULT_LORA_ALPHA), tied)
    used = load_body(checkpoint, hf, architecture.embed, target)
    projection, projected = load_projection(checkpoint, recipe.family.feeds_back, hf.config.hidden_size, target)
    make_rotary(hf, architecture, rounded=recipe.rope_rounding == "bf16")
    check_recomputed(checkpoint.recomputed, hf, architecture, checkpoint.path)
    return CodiModel(
        spec=_spec(source, checkpoint_sha, recipe, architecture, dtype_name(dtype)),
        hf=hf.to(choice.device),
        architecture=architecture,
        family=recipe.family,
        projection=projection,
        tokenizer=tokenizer,
        ids=ids,
        device=choice.device,
        dtype=dtype,
        device_reason=choice.reason,
        source=str(source.folder),
        training=source.codi_json,
        passes=recipe.passes,
        assumed=recipe.assumed,
        notes=(*file_notes, *checkpoint.notes, *merged, *row_notes),
        ledger=_ledger(checkpoint, recipe.family, [*used, *projected]),
    )


def _source(request: ModelRequest, settings: Settings) -> _Source:
    place, preset = _find(request.name, settings)
    folder = place if place.is_dir() else place.parent
    for name, what in FOREIGN_FILES.items():
        if (folder / name).is_file():
            raise CheckpointError(f"{folder} holds {name}: it is {what}. That is not computed here.")
    weights = find_weights(place)
    own_config = folder / "config.json"
    has_config = own_config.is_file() and own_config.stat().st_size > 0
    base = request.base or preset.base
    adapter = _optional_json(folder / "adapter_config.json")
    if base is None and not has_config:
        named = adapter.get("base_model_name_or_path")
        raise ModelError(
            f"{folder} has no config.json{' (it is empty)' if own_config.is_file() else ''}, so its architecture is unknown: name the base "
            f"with --base, either a known one ({', '.join(known_bases())}) or a folder with config.json."
            + (f" Its adapter_config.json names {named}." if named else "")
        )
    config = base_config(base) if base is not None else read_json_object(own_config)
    has_tokenizer = bool(tokenizer_files(folder))
    base_rows = config.get("vocab_size") if base is not None else None
    is_local = Path(request.name).expanduser().exists() and request.name not in PRESETS
    return _Source(
        name=own_name(place) if is_local else request.name,
        folder=folder,
        weights=weights,
        preset=preset,
        codi_json=_optional_json(folder / "codi.json"),
        adapter=adapter,
        base_config=config,
        base_rows=int(base_rows) if base_rows is not None else None,
        tokenizer_folder=folder if has_tokenizer or base is None else _base_folder(base),
        adapter_weights=adapter_beside(folder) if place.is_dir() else None,
    )


def _check_adapter(source: _Source, checkpoint: Sorted) -> tuple[str, ...]:
    """A note when the config of an adapter lies beside weights without LoRA. Raises CheckpointError when its weights do too."""
    if ranks_of(checkpoint):
        return ()
    if source.adapter_weights:
        raise CheckpointError(
            f"{source.folder} holds weights without LoRA and beside them an adapter ({source.adapter_weights}): nothing says whether it is "
            f"merged into them. If it is, give the file ({source.weights.path}) as the model; if not, merge it first (merge_and_unload)."
        )
    return ("adapter_config.json lies beside weights without LoRA: they are taken as merged",) if source.adapter else ()


def _base_folder(base: str) -> Path:
    """With the base's tokenizer, fetched when the base is known by its name alone."""
    folder, hub_id = Path(base).expanduser(), base_on_hub(base)
    return folder if folder.is_dir() or hub_id is None else fetch_tokenizer(hub_id)


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json_object(path) if path.is_file() and path.stat().st_size > 0 else {}


def _find(name: str, settings: Settings) -> tuple[Path, Preset]:
    """The checkpoint's folder or file, fetched if it is on the hub. What lies here under that name wins over a hub id."""
    place, preset = Path(name).expanduser(), known(name)
    if name in PRESETS and preset.hub_id is None:
        folder = settings.bundled_dir / "models" / name
        if not folder.is_dir():
            raise ModelError(f"The model '{name}' is not in this copy of the repository ({folder} is absent): choose another one.")
        check_shipped(name, folder)
        return folder, preset
    if name not in PRESETS and place.exists():
        return place.resolve(), Preset()
    if preset.refused:
        raise ModelError(f"'{name}' is {preset.refused}. That is not computed here.")
    if on_hub := split_hub_id(preset.hub_id or name):
        return fetch(on_hub[0], preset.revision, on_hub[1]), preset
    raise ModelError(
        f"Unknown model '{name}': give a preset ({', '.join(PRESETS)}), a hub id (owner/repo), an existing folder or a file in it."
    )


def _settle(request: ModelRequest, source: _Source, checkpoint: Sorted, tokenizer: PreTrainedTokenizerFast, rows: Rows) -> _Recipe:
    """First answer wins: the request, ``codi.json``, the adapter's config, the preset, what the family does."""
    assumed: list[str] = []

    def answer(name: str, fallback: Any, from_adapter: Any = None) -> Any:
        given = (getattr(request, name), source.codi_json.get(name), from_adapter, getattr(source.preset, name))
        found = next((value for value in given if value is not None), None)
        return fallback() if found is None else found

    def guess(value: Any, words: str) -> Any:
        assumed.append(words)
        return value

    has_rotary = architecture_of(source.base_config).rotary is not None
    named = answer("family", lambda: None)
    family = named_family(named, checkpoint) if named else family_of(checkpoint, tokenizer, rows, source.base_config)
    spelled = family.name == "codi" and family.name_of("bot") in tokenizer.get_vocab()
    usual: PromptFormat = "answer-only" if spelled else family.formats[0]
    _check_input(source, family)
    several = len(family.formats) > 1
    prompt_format = answer("prompt_format", lambda: guess(usual, f"prompt format {usual}") if several else usual)
    scaling = None
    if ranks := ranks_of(checkpoint):
        check_ranks(source.adapter, source.folder / "adapter_config.json", ranks)
        alpha = answer(
            "lora_alpha", lambda: guess(DEFAULT_LORA_ALPHA, f"LoRA alpha {DEFAULT_LORA_ALPHA:g}"), source.adapter.get("lora_alpha")
        )
        scaling = read_scaling(source.adapter, source.folder / "adapter_config.json", _positive(alpha))
    _one_of(PromptFormat, "prompt format", prompt_format)
    if prompt_format not in family.formats:
        raise ModelError(f"{family.label} has no prompt format '{prompt_format}': use {' or '.join(family.formats)}.")
    rounding = answer("rope_rounding", lambda: guess("bf16", "rope rounding bf16") if family.rounds_rope and has_rotary else "none")
    suffix, lead = answer("suffix", lambda: ""), answer("lead", lambda: None)
    passes = _stated_passes(source)
    if passes is None:
        passes = guess(family.passes, "the number of passes" if family.passes is None else f"{family.passes} passes")
    return _Recipe(family, prompt_format, _one_of(RopeRounding, "rope rounding", rounding), scaling, suffix, lead, passes, tuple(assumed))


def _stated_passes(source: _Source) -> int | None:
    """By the checkpoint's ``codi.json``, or as is known of it."""
    trained = source.codi_json.get("training")
    stated = source.codi_json.get("passes", trained.get("passes") if isinstance(trained, dict) else None)
    return stated if isinstance(stated, int) else source.preset.passes


def _check_input(source: _Source, family: Family) -> None:
    """``latent_input`` of ``codi.json`` and the tensors must tell the same."""
    stated, found = source.codi_json.get("latent_input"), "projected" if family.feeds_back else "shared"
    if stated not in (None, found):
        raise CheckpointError(
            f"{source.folder / 'codi.json'} says latent_input {stated!r}, but the weights are of {family.label}, whose passes are fed a "
            f"{found} input: the two files are not of one model. Known inputs are projected (prj.*) and shared (pause.weight)."
        )


def _one_of(literal: Any, what: str, value: Any) -> Any:
    if value not in get_args(literal):
        raise ModelError(f"Unknown {what} '{value}': use {', '.join(get_args(literal))}.")
    return value


def _positive(alpha: Any) -> float:
    if not isinstance(alpha, (int, float)) or not 0 < alpha < float("inf"):
        raise ModelError(f"LoRA alpha is {alpha!r}: give a positive number (32 for the public checkpoints).")
    return float(alpha)


def _row_count(checkpoint: Sorted, source: _Source, architecture: Architecture, tied: bool) -> int:
    where, model_type = checkpoint.path, source.base_config["model_type"]
    other = other_architecture(checkpoint.body, architecture)
    if other:
        raise CheckpointError(
            f"{where} holds tensors named as in {other}, its base is a {model_type}: name the base it was trained from (--base)."
        )
    count = embedding_rows(checkpoint, architecture.embed, tied)
    if count is None and ranks_of(checkpoint):
        raise CheckpointError(
            f"{where} holds LoRA without its base's weights: merge it into its base (merge_and_unload) and save the model."
        )
    if count is None:
        raise CheckpointError(f"{where} is incomplete: it has no {architecture.embed}.weight, the input embedding.")
    return count


def _ledger(checkpoint: Sorted, family: Family, used: Iterable[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Every tensor of the file."""
    reasons = {name: next(what for prefix, what in family.apart.items() if name.startswith(prefix)) for name in checkpoint.apart}
    return (
        *used,
        *(LedgerEntry(name, f"ignored: {why}") for name, why in checkpoint.ignored.items()),
        *(LedgerEntry(name, "ignored: a copy of the input embedding") for name in checkpoint.copies),
        *(LedgerEntry(name, f"kept apart: {what}") for name, what in reasons.items()),
    )


def _spec(source: _Source, checkpoint_sha: str, recipe: _Recipe, architecture: Architecture, dtype: str) -> ModelSpec:
    ignored = ("_name_or_path", "transformers_version", "torch_dtype", "dtype", "vocab_size", "use_cache")
    config = {name: value for name, value in source.base_config.items() if name not in ignored}
    return ModelSpec(
        name=source.name,
        checkpoint=checkpoint_sha,
        dtype=dtype,
        prompt_format=recipe.prompt_format,
        rope_rounding=recipe.rope_rounding if architecture.rotary else "none",
        lora_alpha=recipe.scaling.alpha if recipe.scaling else None,
        base=hashlib.sha256((canonical_json(config) + tokenizer_sha(source.tokenizer_folder)).encode()).hexdigest(),
        family=recipe.family.name,
        suffix=recipe.suffix,
        lead=recipe.lead,
        lora_rule=recipe.scaling.rule if recipe.scaling else "",
    )
