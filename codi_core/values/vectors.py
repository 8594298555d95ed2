"""Mean latents and the directions between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from codi_core.errors import InterventionError
from codi_core.keys import key_of
from codi_core.values.arrays import Floats
from codi_core.values.questions import EvalSetSpec

Space = Literal["z", "h", "resid", "kv"]


@dataclass(frozen=True)
class MeansSpec:
    """Which latents were averaged: the same spec always means the same numbers."""

    kind: ClassVar[str] = "means"
    model: str
    """Key of the ModelSpec."""
    eval_set: EvalSetSpec
    only: Literal["all", "addition"] = "all"
    """``addition`` keeps the addition-first stories of the templates, as the posts did for KV means."""
    passes: int = 6

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class MeanLatents:
    """Latents averaged over the questions of one split, per index."""

    spec: MeansSpec
    n: int
    """Questions averaged."""
    h: Floats
    """``[index d_model]``"""
    z: Floats
    """``[index d_model]``"""
    resid: Floats
    """``[index depth d_model]``"""
    keys: Floats
    """``[index layer kv_head d_head]``, each row's rotation undone before averaging (as if at position 0)."""
    raw_keys: Floats
    """``[index layer kv_head d_head]``, averaged as they lie in the cache, every row at its own position (as in the posts)."""
    values: Floats
    """``[index layer kv_head d_head]``"""
    halves: tuple[MeanLatents, ...] = ()
    """Means of two halves of the questions, no triple in both; none in a half itself."""

    def part(self, space: Space, layer: int | None = None, raw: bool = False) -> Floats:
        """``[index d_model]``; for kv ``[index 2 layer kv_head d_head]``, keys first."""
        if space == "kv":
            return np.stack([self.raw_keys if raw else self.keys, self.values], 1)
        if space == "resid":
            chosen: Floats = self.resid[:, layer]
            return chosen
        return self.h if space == "h" else self.z


@dataclass(frozen=True, eq=False)
class DifferenceVector:
    """A direction to steer along or to read through a lens. ``+ - *`` keep to one model, space and layer."""

    model_key: str
    label: str
    """How it was made, for people."""
    space: Space
    layer: int | None
    """Depth of a resid vector; None otherwise."""
    raw: bool
    """Keys as in the cache instead of de-rotated; False where there are none."""
    values: Floats
    """``[d_model]``; for kv ``[2 layer kv_head d_head]``, keys first."""
    a: int | None = None
    b: int | None = None
    sign: Literal["B-A", "A-B"] | None = None
    n: int = 0
    """Questions behind it; 0 when it was computed from other vectors."""
    split_half: float | None = None
    """Cosine between the vectors of two halves of the questions: near 1 = a stable direction."""

    @property
    def norms(self) -> tuple[float, ...]:
        """One norm; for kv those of keys and of values."""
        parts = self.values if self.space == "kv" else self.values[None]
        return tuple(float(np.linalg.norm(part)) for part in parts)

    def __add__(self, other: DifferenceVector) -> DifferenceVector:
        self._check(other)
        return self._computed(f"({self.label}) + ({other.label})", self.values + other.values)

    def __sub__(self, other: DifferenceVector) -> DifferenceVector:
        self._check(other)
        return self._computed(f"({self.label}) − ({other.label})", self.values - other.values)

    def __mul__(self, factor: float) -> DifferenceVector:
        return self._computed(f"{factor:g} · ({self.label})", np.float32(factor) * self.values)

    __rmul__ = __mul__

    def __neg__(self) -> DifferenceVector:
        return self._computed(f"−({self.label})", -self.values)

    def cosine(self, other: DifferenceVector) -> float:
        """Of all components together. 0 when either vector is zero."""
        self._check(other)
        scale = float(np.linalg.norm(self.values) * np.linalg.norm(other.values))
        return float((self.values * other.values).sum()) / scale if scale else 0.0

    def _computed(self, label: str, values: Floats) -> DifferenceVector:
        return DifferenceVector(self.model_key, label, self.space, self.layer, self.raw, values.astype(np.float32))

    def _check(self, other: DifferenceVector) -> None:
        if self.model_key != other.model_key:
            raise InterventionError(f"A vector of model {self.model_key} cannot be combined with one of model {other.model_key}.")
        mine, theirs = (self.space, self.layer, self.raw), (other.space, other.layer, other.raw)
        if mine != theirs:
            raise InterventionError(
                f"Vectors of different sites cannot be combined: (space, layer, raw) is {mine} here and {theirs} there."
            )
