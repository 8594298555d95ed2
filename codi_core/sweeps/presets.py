"""What can be swept by name: variants of an intervention, and grids over them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Literal

from codi_core.errors import InputError
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.limits import Then
from codi_core.steering.presets import PRESETS as STEERING
from codi_core.steering.vectors import Difference

Pair = tuple[int, int]
Maker = Callable[[int, int, int, float], Hidden | KV]
"""A, B, index, coefficient → method along the difference B − A."""


@dataclass(frozen=True)
class Variant:
    title: str
    make: Maker


@dataclass(frozen=True)
class SweepPreset:
    title: str
    text: str
    """What it does, for the screen."""
    variants: Callable[[int], tuple[str, ...]]
    """Layers of the model → names in VARIANTS."""
    pairs: Callable[[int], tuple[Pair, ...]]
    """Passes → ordered pairs (A, B); (B, A, α) is (A, B, −α)."""
    indices: Callable[[int], tuple[int, ...]]
    """Passes → indices, one steered at a time."""
    coefficients: tuple[float, ...]
    """0 is the baseline, which is always there."""
    means: tuple[str, int, Literal["all", "addition"]]
    """Eval set, number of questions (0 = all) and which of them the means are taken from."""
    overlap: bool = False
    """Whether the means may come from evaluated questions. True only where the posts did so, and always marked on screen."""


def _hidden(then: Then, a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "z", then=then)


def _h_on_z(then: Then, a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "z", then=then, vector_space="h")


def _h(then: Then, a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "h", then=then)


def _resid(depth: int, then: Then, a: int, b: int, index: int, coefficient: float) -> Hidden:
    return Hidden(Difference(a, b), coefficient, (index,), "resid", depth, then)


def _kv(then: Then, keys: float, values: float, a: int, b: int, index: int, coefficient: float) -> KV:
    return KV(Difference(a, b), coefficient, (index,), then=then, key_weight=keys, value_weight=values)


def _layer(layer: int, a: int, b: int, index: int, coefficient: float) -> KV:
    return KV(Difference(a, b), coefficient, (index,), layers=(layer,))


def _as_made_by(name: str, a: int, b: int, index: int, coefficient: float) -> Hidden | KV:
    method = STEERING[name].make(a, b, index, coefficient)
    assert isinstance(method, Hidden | KV)
    return method


MAX_LAYERS = 64
"""Of a model whose layers get a row each; as many as any that is known here has."""
THEN: dict[Then, str] = {"stop": "no pass more than it needs", "continue": "all passes"}

# A row's name is part of the keys of stored sweeps: whoever changes what a row does gives it a new name.
VARIANTS: dict[str, Variant] = {name: Variant(preset.title, partial(_as_made_by, name)) for name, preset in STEERING.items()}
for _then, _passes in THEN.items():
    VARIANTS |= {
        f"z-{_then}": Variant(f"Hidden state z, {_passes}", partial(_hidden, _then)),
        f"h-on-z-{_then}": Variant(f"Hidden state z, along means of h, {_passes}", partial(_h_on_z, _then)),
        f"h-{_then}": Variant(f"Hidden state h, {_passes}", partial(_h, _then)),
        f"kv-{_then}": Variant(f"Keys and values, {_passes}", partial(_kv, _then, 1.0, 1.0)),
        f"k-{_then}": Variant(f"Keys only, {_passes}", partial(_kv, _then, 1.0, 0.0)),
        f"v-{_then}": Variant(f"Values only, {_passes}", partial(_kv, _then, 0.0, 1.0)),
    }
    VARIANTS |= {
        f"resid-{_depth}-{_then}": Variant(f"Residual stream at depth {_depth}, {_passes}", partial(_resid, _depth, _then))
        for _depth in range(1, MAX_LAYERS + 1)
    }
VARIANTS |= {f"layer-{_number}": Variant(f"Keys and values of layer {_number}", partial(_layer, _number)) for _number in range(MAX_LAYERS)}

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
        preset.title, preset.text, lambda layers: (variant,), _all_pairs, _all_indices, POST_COEFFICIENTS, preset.means, preset.overlap
    )


def _layer_variants(layers: int) -> tuple[str, ...]:
    return tuple(f"layer-{layer}" for layer in range(layers))


def _factorial_variants(layers: int) -> tuple[str, ...]:
    spaces = ("z", "h-on-z", "h", f"resid-{max(1, layers // 2)}", "kv", "k", "v")
    return tuple(f"{space}-{then}" for space in spaces for then in THEN)


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
        ("means", 500, "all"),
    ),
    "factorial": SweepPreset(
        "Method × space × passes",
        "The claims' pairs with everything that differs between the experiments of the posts varied in turn: where the vector is made and "
        "added, keys or values, and whether more passes follow.",
        _factorial_variants,
        _claimed_pairs,
        _claimed_index,
        CLAIMED_COEFFICIENTS,
        ("means", 500, "all"),
    ),
}


def sweep_preset(name: str) -> SweepPreset:
    """Raises InputError naming the presets."""
    if name not in SWEEPS:
        raise InputError(f"Unknown sweep preset '{name}': choose {', '.join(SWEEPS)}.")
    return SWEEPS[name]
