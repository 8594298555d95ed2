"""Replacements: put something else in a latent's place, wholly (coefficient 1) or in part. Controls for steering, and ablations."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from codi_core.errors import InterventionError
from codi_core.steering.context import BatchContext, Directions, need, on_device
from codi_core.steering.contract import Variant
from codi_core.steering.edits import Edit
from codi_core.steering.kv import head_mask
from codi_core.steering.limits import Then, check_coefficient, check_depth, check_feeds_back, check_heads, check_indices, check_layers
from codi_core.steering.options import DEPTH, HEADS, INDICES, LAYERS, SEED, THEN, like, option
from codi_core.steering.vectors import STEP, STEP_VALUE, Content, Control, VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.reach import Reach, reach
from codi_core.values.vectors import Space

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.models.model import CodiModel

By = Literal["zero", "mean", "gaussian", "resample", "shuffled", "donor", "content"]
IN_CACHE, WANTED = {"space": ("kv",)}, {"by": ("content",)}
"""When some of the options are used."""


@dataclass(frozen=True)
class Replacement:
    """value ← (1 − coefficient) · value + coefficient · replacement. Keys change position by undoing and redoing their rotation."""

    kind: ClassVar[str] = "replacement"
    label: ClassVar[str] = "Replace"
    by: By = field(
        metadata=option(
            "By",
            "What is put in the latent's place.",
            names={
                "zero": "Zeros",
                "mean": "The mean latent",
                "gaussian": "A Gaussian draw",
                "resample": "A latent of the means' questions",
                "shuffled": "Shuffled steps",
                "donor": "Another prompt's latent",
                "content": "Content: a wanted step value",
            },
            first="mean",
        )
    )
    """zero · mean: over the questions of the means, at that index · gaussian: a draw with their mean and covariance, another for each
    question · resample: that of a question of the means at that index, another one for each question · shuffled: the question's own latent
    of another pass · donor: another prompt's at that index · content: mean over the questions whose step ``step`` has the value
    ``value``."""
    indices: tuple[int, ...] = field(metadata=INDICES)
    coefficient: float = field(
        default=1.0, metadata=option("Coefficient α", "1 replaces wholly, 0 leaves the latent as it is.", shown="dial")
    )
    space: Space = field(
        default="z",
        metadata=option("Space", "z: after the projection. h: before it. resid: the residual stream after a block. kv: the cache slot."),
    )
    layer: int | None = field(default=None, metadata=DEPTH)
    """Depth of resid, 1..L."""
    layers: tuple[int, ...] = field(default=(), metadata=like(LAYERS, when=IN_CACHE))
    """Of the KV cache; none named: all."""
    heads: tuple[int, ...] = field(default=(), metadata=like(HEADS, when=IN_CACHE))
    """Of the KV cache; none named: all."""
    then: Then = field(default="continue", metadata=THEN)
    seed: int = field(default=0, metadata=like(SEED, when={"by": ("gaussian", "resample", "shuffled", "donor")}))
    donor: str = field(
        default="",
        metadata=option(
            "Donor prompt",
            "Empty: for every question another one of the eval set, with another answer.",
            shown="more",
            when={"by": ("donor",)},
        ),
    )
    """The prompt that gives; empty: for every question another one of the eval set, with another answer."""
    step: int = field(default=1, metadata=like(STEP, when=WANTED))
    """Counts from 1; -1 is the answer."""
    value: float = field(default=0.0, metadata=like(STEP_VALUE, when=WANTED))

    @property
    def needs_means(self) -> bool:
        return self.by in ("mean", "gaussian", "resample", "content")

    @property
    def coefficients(self) -> dict[str, float]:
        return {"coefficient": self.coefficient}

    def with_coefficient(self, coefficient: float) -> Replacement:
        return replace(self, coefficient=coefficient)

    @property
    def where(self) -> VectorSpace:
        return VectorSpace(self.space, self.layer)

    def passes(self, passes: int) -> int:
        return passes if self.then == "continue" else max(self.indices) + (self.space in ("z", "h"))

    @property
    def first_pass(self) -> int:
        """The first pass the edits reach; beyond ``passes``: only the answer is reached."""
        return min(self.indices) + (self.space != "resid")

    @property
    def first_slot(self) -> int:
        """The first cache slot that is not as it was."""
        return min(self.indices) + (self.space in ("z", "h"))

    def check(self, model: CodiModel, passes: int) -> None:
        check_coefficient(self.coefficient)
        check_depth(self.layer, model, self.space)
        check_indices(self.indices, passes, self.space)
        check_feeds_back(self.space, model)
        check_layers(self.layers, model)
        check_heads(self.heads, model)
        if self.space != "kv" and (self.layers or self.heads):
            raise InterventionError(f"Layers and heads of the KV cache were given, but the space is {self.space}: choose space kv.")
        if self.space == "resid" and self.by in ("shuffled", "donor"):
            raise InterventionError("Residuals of other steps or prompts are not kept: use space z, h or kv, or a zero, mean or Gaussian.")

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]:
        target = _TARGETS[self.by]
        return tuple(edit for index in self.indices for edit in self._edits_at(rows, index, target(self, rows, directions, index)))

    def _edits_at(self, rows: BatchContext, index: int, target: Tensor) -> tuple[Edit, ...]:
        import torch

        if self.space != "kv":
            keep = torch.tensor(1 - self.coefficient, device=target.device)
            return (Edit(self.space, index, self.coefficient * target, keep, self.layer),)
        share = self.coefficient * head_mask(rows.model, self.layers, self.heads)[:, None]
        keys, values = rows.into_cache(target[0], index, raw=False), target[1]
        return Edit("k", index, share * keys, 1 - share), Edit("v", index, share * values, 1 - share)

    def reach(self, shape: tuple[int, int]) -> Reach:
        return reach(shape, self.space, self.indices, self.layer, self.layers)

    def control(self, seed: int, how: Control = "random") -> Replacement:
        """A draw from the Gaussian that has the latents' mean and covariance."""
        return replace(self, by="gaussian", seed=self.seed + seed + 1 if self.by == "gaussian" else seed)  # never the draw itself

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        """Nothing is added."""
        return {}

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        """None: it has no direction along a pair."""
        return {}


Target: TypeAlias = "Callable[[Replacement, BatchContext, Directions | None, int], Tensor]"
"""What is put there: ``[row d_model]``; for kv ``[2 layer row kv_head d_head]``, keys de-rotated. One row stands for all."""


def _zero(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    import torch

    model = rows.model
    shape = (2, model.n_layers, 1, model.n_kv_heads, model.d_head) if spec.space == "kv" else (1, model.d_model)
    return torch.zeros(shape, device=model.device)


def _mean(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    return _as_row(_mean_values(spec, directions, index), spec, rows, directions)


def _content(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    offset = need(directions).vector(Content(index, spec.value, spec.step), spec.where).values
    return _as_row(_mean_values(spec, directions, index) + offset, spec, rows, directions)


def _gaussian(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    """A random weighting of the centred samples has their covariance, whatever their dimension."""
    samples = spec.where.samples(need(directions).samples)[:, index]
    weights = np.stack([_rng(spec.seed, index, name).standard_normal(len(samples)) for name in rows.ids])
    weights = (weights - weights.mean(1, keepdims=True)) / np.sqrt(max(len(samples) - 1, 1))
    return _by_row(np.tensordot(weights, samples, 1) + _mean_values(spec, directions, index), spec, rows, directions)


def _resample(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    samples = spec.where.samples(need(directions).samples)[:, index]
    drawn = samples[[int(_rng(spec.seed, index, name).integers(len(samples))) for name in rows.ids]]
    return _by_row(drawn, spec, rows, directions)


def _shuffled(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    import torch

    last = rows.z.shape[1] - 1
    others = [np.delete(np.arange(1, last + 1), index - 1) if index else np.arange(1, last + 1)] * len(rows.ids)
    chosen = [int(_rng(spec.seed, index, name).choice(other)) for name, other in zip(rows.ids, others, strict=True)]
    axis = 2 if spec.space == "kv" else 0
    by_index = {other: rows.at(spec.where, other) for other in sorted(set(chosen))}
    return torch.stack([by_index[other].select(axis, row) for row, other in enumerate(chosen)], axis)


def _donor(spec: Replacement, rows: BatchContext, directions: Directions | None, index: int) -> Tensor:
    assert rows.donors is not None
    return rows.donors(spec.donor, spec.seed).at(spec.where, index)


_TARGETS: dict[By, Target] = {
    "zero": _zero,
    "mean": _mean,
    "gaussian": _gaussian,
    "resample": _resample,
    "shuffled": _shuffled,
    "donor": _donor,
    "content": _content,
}


def _mean_values(spec: Replacement, directions: Directions | None, index: int) -> Floats:
    part: Floats = need(directions).means.part(spec.space, spec.layer)[index]
    return part


def _as_row(values: Floats, spec: Replacement, rows: BatchContext, directions: Directions | None) -> Tensor:
    tensor = on_device(values, need(directions).samples.spec.model, rows.model)
    return tensor[:, :, None] if spec.space == "kv" else tensor[None]


def _by_row(values: npt.NDArray[np.floating], spec: Replacement, rows: BatchContext, directions: Directions | None) -> Tensor:
    """``[row …]`` as a `Target`."""
    if spec.space == "kv":
        values = np.moveaxis(values, 0, 2)
    return on_device(values.astype(np.float32), need(directions).samples.spec.model, rows.model)


def _rng(seed: int, index: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, index, zlib.crc32(name.encode())])
