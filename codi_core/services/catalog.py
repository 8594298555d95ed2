"""Which models one can choose, and whether opening them needs a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from codi_core.models.hub import fetch
from codi_core.models.presets import PRESETS, Preset
from codi_core.models.prompts import TOKENIZER_FILE
from codi_core.services.workbench import Workbench, model_names
from codi_core.settings import Settings


@dataclass(frozen=True)
class ModelChoice:
    name: str
    hub_id: str | None
    """None for models that ship with the repository and local folders."""
    present: bool
    """False: opening it starts a download, or fails because its files are not here."""


def model_choices(workbench: Workbench) -> tuple[ModelChoice, ...]:
    """The model of the settings first when it is no preset, then the presets, those that ship first."""
    settings, names = workbench.settings, model_names()
    return tuple(_choice(name, settings) for name in (*(() if settings.model in names else (settings.model,)), *names))


def download(workbench: Workbench, name: str) -> None:
    """Fetch a model of the hub to where the workbench is, with a progress bar on the terminal. Away from the model's thread, which others
    wait for.

    Raises ModelError when it cannot be had.
    """
    preset = PRESETS.get(name, Preset(hub_id=name))
    assert preset.hub_id is not None
    fetch(preset.hub_id, preset.revision)


def _choice(name: str, settings: Settings) -> ModelChoice:
    hub_id = PRESETS[name].hub_id if name in PRESETS else None if Path(name).expanduser().is_dir() else name
    if name in PRESETS and hub_id is None:
        return ModelChoice(name, None, (settings.bundled_dir / "models" / name).is_dir())
    return ModelChoice(name, hub_id, hub_id is None or _downloaded(hub_id))


def _downloaded(hub_id: str) -> bool:
    try:
        return isinstance(try_to_load_from_cache(hub_id, TOKENIZER_FILE), str)
    except ValueError:  # not shaped like a hub id: loading it will say so
        return True
