"""Which models one can choose, and whether opening them needs a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codi_core.errors import ModelError
from codi_core.models.hub import fetch, is_here, split_hub_id
from codi_core.models.presets import PRESETS, known
from codi_core.services.shared.workbench import Workbench, model_names
from codi_core.services.twins import SUFFIX
from codi_core.settings import Settings

SHIPPED = tuple(name for name, preset in PRESETS.items() if preset.hub_id is None)
"""Models that come with the repository, or can be trained by it."""


@dataclass(frozen=True)
class ModelChoice:
    name: str
    hub_id: str | None
    """None for models that ship with the repository and local folders."""
    present: bool
    """False: opening it starts a download, or fails because its files are not here."""


def model_choices(workbench: Workbench) -> tuple[ModelChoice, ...]:
    """The model of the settings first when it is no preset, then the presets, those that ship first, without controls that are not here."""
    settings, names = workbench.settings, model_names()
    wanted = dict.fromkeys([*(() if settings.model in names else (settings.model,)), *names, *settings.models])
    choices = [_choice(name, settings) for name in wanted]
    here = (choice for choice in choices if choice.present or choice.name == settings.model or not choice.name.endswith(SUFFIX))
    return tuple(choice for choice in here if not settings.models or choice.name in settings.models)


def download(workbench: Workbench, name: str) -> None:
    """Fetch a model of the hub to where the workbench is, with a progress bar on the terminal. Away from the model's thread, which others
    wait for.

    Raises ModelError when it cannot be had.
    """
    if workbench.settings.models and name not in workbench.settings.models:
        raise ModelError(f"'{name}' is not among the models this server fetches: {', '.join(workbench.settings.models)} (CODI_MODELS).")
    preset = known(name)
    repository, inside = split_hub_id(preset.hub_id or name) or (name, "")
    fetch(repository, preset.revision, inside)


def _choice(name: str, settings: Settings) -> ModelChoice:
    preset = known(name)
    if name in PRESETS and preset.hub_id is None:
        return ModelChoice(name, None, (settings.bundled_dir / "models" / name).is_dir())
    on_hub = None if name not in PRESETS and Path(name).expanduser().exists() else split_hub_id(preset.hub_id or name)
    # what is not shaped like a hub id cannot be fetched: loading it will say so
    return ModelChoice(name, on_hub and (preset.hub_id or name), on_hub is None or is_here(on_hub[0], preset.revision, on_hub[1]))
