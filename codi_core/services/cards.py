"""What is known about a model, in values."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from codi_core.models.model import CodiModel
from codi_core.models.presets import known
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import OnWait
from codi_core.values.model import ModelSpec


@dataclass(frozen=True)
class ModelCard:
    name: str
    """As the command line calls it."""
    spec: ModelSpec
    key: str
    """The spec's."""
    hub_id: str | None
    """None for bundled and local models."""
    about: str
    """What is known of it beside its files."""
    source: str
    """Folder the files were read from."""
    family: str
    """Of latent reasoning: a name in FAMILIES."""
    family_label: str
    architecture: str
    """transformers' ``model_type``."""
    device: str
    device_reason: str
    parameters: int
    """Shared ones counted once."""
    n_layers: int
    d_model: int
    n_heads: int
    n_kv_heads: int
    d_head: int
    vocab_size: int
    max_positions: int
    special_ids: dict[str, int | None]
    """bos (None when the tokenizer adds none), eos, bot, eot, pad."""
    has_projection: bool
    feeds_back: bool
    """False for a pause twin, whose passes are fed one learned vector."""
    lora_alpha: str
    """Scale of the LoRA product, in words: "32", "32 (assumed)", "2, rslora"; "–" for a file without LoRA."""
    lead: str
    """What its answers begin with, before the number."""
    passes: int | None
    """Latents it was trained with; None when no file says and its family's checkpoints differ."""
    passes_hint: str
    """What is known about them then."""
    passes_assumed: bool
    """No file says how many, and nothing is known of the checkpoint: the number, if any, is the family's."""
    assumed: tuple[str, ...]
    """What no file says and nobody asked for, in words."""
    notes: tuple[str, ...]
    """What was inferred from the files, in words."""
    tensors: dict[str, int]
    """How many tensors of the file were used, ignored or kept apart, by what became of them."""
    is_ours: bool
    """Trained by this project, on its own problems."""
    training: dict[str, Any]
    """The checkpoint's ``codi.json``: training spec, learning curve; empty when it has none."""

    @property
    def passes_said(self) -> str:
        """In words: how many passes it runs unless asked otherwise, and who says so."""
        if self.passes is None:
            return f"not stated ({self.passes_hint})"
        return f"{self.passes}{' (assumed)' if self.passes_assumed else ''}"


def model_card(workbench: Workbench, name: str, viewer: str, on_wait: OnWait | None = None) -> ModelCard:
    """Raises ModelError, CheckpointError or MemoryLimitError when the model cannot be loaded."""
    return workbench.run(name, lambda engine, _: _card(engine.model, name), viewer, on_wait)


def _card(model: CodiModel, name: str) -> ModelCard:
    preset = known(name)
    return ModelCard(
        name=name,
        spec=model.spec,
        key=model.spec.key,
        hub_id=preset.hub_id,
        about=preset.about,
        source=model.source,
        family=model.family.name,
        family_label=model.family.label,
        architecture=str(model.config.model_type),
        device=str(model.device),
        device_reason=model.device_reason,
        parameters=model.parameters_count,
        n_layers=model.n_layers,
        d_model=model.d_model,
        n_heads=model.n_heads,
        n_kv_heads=model.n_kv_heads,
        d_head=model.d_head,
        vocab_size=model.vocab_size,
        max_positions=model.max_positions,
        special_ids=_special_ids(model),
        has_projection=model.family.feeds_back and any(True for _ in model.projection.parameters()),
        feeds_back=model.family.feeds_back,
        lora_alpha=_alpha(model),
        lead=model.lead,
        passes=model.passes,
        passes_hint=model.family.passes_hint,
        passes_assumed=any(words.endswith("passes") for words in model.assumed),
        assumed=model.assumed,
        notes=model.notes,
        tensors=dict(Counter(entry.fate for entry in model.ledger)),
        is_ours=model.is_ours,
        training=model.training,
    )


def _alpha(model: CodiModel) -> str:
    if model.spec.lora_alpha is None:
        return "–"
    is_assumed = any(words.startswith("LoRA alpha") for words in model.assumed)
    rule = f", {model.spec.lora_rule}" if model.spec.lora_rule else ""
    return f"{model.spec.lora_alpha:g}{rule}{' (assumed)' if is_assumed else ''}"


def _special_ids(model: CodiModel) -> dict[str, int | None]:
    ids = model.ids
    return {"bos": ids.bos, "eos": ids.eos, "bot": ids.bot, "eot": ids.eot, "pad": ids.pad}
