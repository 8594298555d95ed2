"""Every kind of lens by name. A new one is one file and one row of LENSES."""

from __future__ import annotations

from collections.abc import Callable

from codi_core.errors import LensError
from codi_core.lenses.base import Lens
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.tuned import load_tuned
from codi_core.models.model import CodiModel
from codi_core.settings import Settings

LENSES: dict[str, Callable[[CodiModel, str, Settings], Lens]] = {
    "logit": lambda model, variant, settings: LogitLens(),
    "tuned": load_tuned,
}
"""By kind: model, variant, settings → lens. A lens is named ``kind`` or ``kind:variant``."""


def load_lens(model: CodiModel, name: str, settings: Settings) -> Lens:
    """Raises LensError when there is no such lens or it does not fit the model."""
    kind, _, variant = name.partition(":")
    if kind not in LENSES:
        raise LensError(f"Unknown lens '{name}': kinds are {', '.join(LENSES)}.")
    return LENSES[kind](model, variant, settings)
