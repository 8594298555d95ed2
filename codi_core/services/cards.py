"""What is known about a model, in values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codi_core.backend.worker import Check
from codi_core.models.model import CodiModel
from codi_core.models.presets import PRESETS
from codi_core.services.workbench import Poke, Workbench
from codi_core.types import ModelSpec


@dataclass(frozen=True)
class ModelCard:
    spec: ModelSpec
    key: str
    """The spec's."""
    hub_id: str | None
    """None for bundled and local models."""
    source: str
    """Folder the files were read from."""
    family: str
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
    training: dict[str, Any]
    """The checkpoint's ``codi.json``: training spec, learning curve; empty when it has none."""


def model_card(workbench: Workbench, name: str, viewer: str, poke: Poke | None = None) -> ModelCard:
    """Raises ModelError, CheckpointError or MemoryLimitError when the model cannot be loaded."""
    return workbench.run(lambda check: _card(workbench, name, check), viewer, poke)


def _card(workbench: Workbench, name: str, check: Check) -> ModelCard:
    model = workbench.engine(name).model
    preset = PRESETS.get(name)
    return ModelCard(
        spec=model.spec,
        key=model.spec.key,
        hub_id=preset.hub_id if preset else None,
        source=model.source,
        family=str(model.config.model_type),
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
        has_projection=any(True for _ in model.projection.parameters()),
        training=model.training,
    )


def _special_ids(model: CodiModel) -> dict[str, int | None]:
    ids = model.ids
    return {"bos": ids.bos, "eos": ids.eos, "bot": ids.bot, "eot": ids.eot, "pad": ids.pad}
