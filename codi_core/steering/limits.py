"""What every method checks before it runs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from codi_core.errors import InterventionError

if TYPE_CHECKING:
    from codi_core.models.model import CodiModel

MAX_COEFFICIENT = 100.0
"""Beyond this nothing but noise comes out, and bfloat16 overflows first."""

Then = Literal["continue", "stop"]
"""``continue``: all passes are run. ``stop``: no more passes than the edit needs to act, then eot."""


def check_coefficient(coefficient: float, name: str = "coefficient") -> None:
    if not math.isfinite(coefficient) or abs(coefficient) > MAX_COEFFICIENT:
        raise InterventionError(f"The {name} is {coefficient}: give a number from {-MAX_COEFFICIENT:g} to {MAX_COEFFICIENT:g}.")


def check_indices(indices: Sequence[int], passes: int, space: str) -> None:
    """z and h of the last pass are never consumed; what lies in its cache slot and in its residual stream is."""
    if not indices:
        raise InterventionError("No index to steer at was given: choose at least one.", field="indices")
    for index in indices:
        if not 0 <= index <= passes:
            raise InterventionError(f"Index {index} does not exist: the rollout has indices 0 (bot) to {passes}.", field="indices")
        if index == passes and space in ("z", "h"):
            raise InterventionError(
                f"{space} at index {index} is computed but never consumed: pass {index} is the last, so an edit would change nothing. "
                f"Choose index 0 to {passes - 1}, or edit the residual stream or the KV cache there.",
                field="indices",
            )


def check_feeds_back(space: str, model: CodiModel) -> None:
    """In a pause twin z and h are never consumed, at any index."""
    if space in ("z", "h") and not model.family.feeds_back:
        raise InterventionError(
            f"{space} never acts in {model.spec.name}: it is a pause twin, whose passes are all fed one learned vector and no latent. "
            "Edit the residual stream or the KV cache.",
            field="space",
        )


def check_layers(layers: Sequence[int], model: CodiModel) -> None:
    """Layers of the KV cache."""
    wrong = [layer for layer in layers if not 0 <= layer < model.n_layers]
    if wrong:
        raise InterventionError(f"Layer {wrong[0]} does not exist: the KV cache has layers 0 to {model.n_layers - 1}.", field="layers")


def check_heads(heads: Sequence[int], model: CodiModel) -> None:
    wrong = [head for head in heads if not 0 <= head < model.n_kv_heads]
    if wrong:
        raise InterventionError(f"KV head {wrong[0]} does not exist: the model has heads 0 to {model.n_kv_heads - 1}.", field="heads")


def check_depth(layer: int | None, model: CodiModel, space: str) -> None:
    """Depth of a residual edit."""
    if space != "resid":
        if layer is not None:
            raise InterventionError(
                f"Space {space} has no layers, but layer {layer} was given: leave it out, or choose space resid.", field="layer"
            )
    elif layer is None or not 1 <= layer <= model.n_layers:
        raise InterventionError(
            f"Space resid needs a layer from 1 to {model.n_layers} (the residual stream after that block), got {layer}.",
            field="layer",
        )
