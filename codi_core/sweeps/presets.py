"""What can be swept by name: variants of an intervention, and grids over them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from codi_core.errors import InputError
from codi_core.steering.contract import Variant
from codi_core.steering.methods import METHODS
from codi_core.steering.presets import PRESETS as STEERING
from codi_core.steering.presets import Means

Pair = tuple[int, int]
MAX_LAYERS = 64
"""Of a model whose layers get a row each; as many as any that is known here has."""


def variants() -> dict[str, Variant]:
    """What a sweep can name: the presets of steering, and the variants of every method."""
    found = {name: Variant(preset.title, name, preset.make) for name, preset in STEERING.items()}
    for method in METHODS.values():
        found |= method.variants(MAX_LAYERS)
    return found


def variant(name: str) -> Variant:
    """Raises InputError naming the variants; those of layers and depths by one example."""
    known = variants()
    if name not in known:
        examples = {re.sub(r"\d+", "0", each): each for each in reversed(known)}
        raise InputError(f"Unknown variant '{name:.80}': choose {', '.join(reversed(examples.values()))}.")
    return known[name]


@dataclass(frozen=True)
class SweepPreset:
    title: str
    text: str
    """What it does, for the screen."""
    variants: Callable[[int], tuple[str, ...]]
    """Layers of the model → names in `variants`."""
    pairs: Callable[[int], tuple[Pair, ...]]
    """Passes → ordered pairs (A, B); (B, A, α) is (A, B, −α)."""
    indices: Callable[[int], tuple[int, ...]]
    """Passes → indices, one steered at a time."""
    coefficients: tuple[float, ...]
    """0 is the baseline, which is always there."""
    means: Callable[[bool], Means]
    """Whether the model learnt our problems → where its means are taken from."""
    overlap: bool = False
    """Whether the means may come from evaluated questions. True only where the posts did so, and always marked on screen."""


POST_COEFFICIENTS = (-5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0)
CLAIMED_PAIRS: tuple[Pair, ...] = ((1, 2), (1, 4), (1, 5), (1, 6), (2, 3), (2, 4), (3, 5), (4, 5), (4, 6), (5, 6))
"""Those the posts say something about."""
CLAIMED_INDEX = 5
CLAIMED_COEFFICIENTS = (-1.0, -0.5, 0.5, 1.0)


def _all_pairs(passes: int) -> tuple[Pair, ...]:
    return tuple(combinations(range(1, passes + 1), 2))


def _all_indices(passes: int) -> tuple[int, ...]:
    return tuple(range(1, passes + 1))


def _claimed_pairs(passes: int) -> tuple[Pair, ...]:
    return tuple(pair for pair in CLAIMED_PAIRS if max(pair) <= passes)


def _claimed_index(passes: int) -> tuple[int, ...]:
    return (min(CLAIMED_INDEX, passes),)


def _grid(variant: str) -> SweepPreset:
    """Every pair at every index with the coefficients of the posts."""
    preset = STEERING[variant]
    return SweepPreset(
        preset.title, preset.text, lambda layers: (variant,), _all_pairs, _all_indices, POST_COEFFICIENTS, preset.means_of, preset.overlap
    )


def _layer_variants(layers: int) -> tuple[str, ...]:
    return tuple(f"layer-{layer}" for layer in range(layers))


def _factorial_variants(layers: int) -> tuple[str, ...]:
    spaces = ("z", "h-on-z", "h", f"resid-{max(1, layers // 2)}", "kv", "k", "v")
    return tuple(f"{space}-{then}" for space in spaces for then in ("stop", "continue"))


SWEEPS: dict[str, SweepPreset] = {
    "post-hidden": _grid("embedding-as-in-the-post"),
    "post-kv": _grid("kv-as-in-the-post"),
    "corrected-hidden": _grid("embedding-corrected"),
    "corrected-kv": _grid("kv-corrected"),
    "layers": SweepPreset(
        "KV cache, one layer at a time",
        "Corrected KV steering at the index of the claims, in one layer only.",
        _layer_variants,
        _claimed_pairs,
        _claimed_index,
        CLAIMED_COEFFICIENTS,
        lambda is_ours: ("means", 500, "all"),
    ),
    "factorial": SweepPreset(
        "Method × space × passes",
        "The claims' pairs with everything that differs between the experiments of the posts varied in turn: where the vector is made and "
        "added, keys or values, and whether more passes follow.",
        _factorial_variants,
        _claimed_pairs,
        _claimed_index,
        CLAIMED_COEFFICIENTS,
        lambda is_ours: ("means", 500, "all"),
    ),
}


def sweep_preset(name: str) -> SweepPreset:
    """Raises InputError naming the presets."""
    if name not in SWEEPS:
        raise InputError(f"Unknown sweep preset '{name}': choose {', '.join(SWEEPS)}.")
    return SWEEPS[name]
