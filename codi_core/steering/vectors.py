"""Where a steering direction comes from. A new source is one dataclass and one row of SOURCES."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from codi_core.errors import InterventionError
from codi_core.steering.means import LatentSamples
from codi_core.types import DifferenceVector, Floats, MeanLatents, Space

Array = npt.NDArray[np.float64]
Sign = Literal["B-A", "A-B"]


@dataclass(frozen=True)
class Place:
    """Where a vector is to be added: what decides its shape."""

    space: Space
    layer: int | None = None
    """Depth of resid; None otherwise."""
    raw: bool = False
    """Keys as in the cache instead of de-rotated."""

    def vector(self, samples: LatentSamples, label: str, values: npt.NDArray[Any]) -> DifferenceVector:
        return DifferenceVector(
            samples.spec.model, label, self.space, self.layer, self.raw, values.astype(np.float32), n=len(samples.questions)
        )

    def samples(self, samples: LatentSamples) -> Floats:
        """``[row index …]``"""
        return samples.part(self.space, self.layer, self.raw)

    @property
    def whole(self) -> tuple[int, ...]:
        """Axes of a vector that make up one length: K and V have one each."""
        return (-3, -2, -1) if self.space == "kv" else (-1,)


@dataclass(frozen=True)
class Difference:
    """Mean latent of B minus mean latent of A, as the posts' code has it (their text reads the other way round: sign ``A-B``)."""

    kind: ClassVar[str] = "difference"
    a: int
    b: int
    sign: Sign = "B-A"

    def vector(self, samples: LatentSamples, means: MeanLatents, place: Place) -> DifferenceVector:
        _check_pair(self.a, self.b, samples)
        values = self.values(means, place)
        halves = [place.vector(samples, "", self.values(half, place)) for half in means.halves]
        label = f"mean {self.b} − mean {self.a}" if self.sign == "B-A" else f"mean {self.a} − mean {self.b}"
        vector = place.vector(samples, label, values)
        return replace(vector, a=self.a, b=self.b, sign=self.sign, split_half=halves[0].cosine(halves[1]))

    def values(self, means: MeanLatents, place: Place) -> Floats:
        part = means.part(place.space, place.layer, place.raw)
        difference: Floats = part[self.b] - part[self.a]
        return difference if self.sign == "B-A" else -difference


@dataclass(frozen=True)
class Shuffled:
    """The difference B − A after every question's steps were shuffled, as long as the true one: a direction without the order of steps."""

    kind: ClassVar[str] = "shuffled"
    a: int
    b: int
    seed: int = 0

    def vector(self, samples: LatentSamples, means: MeanLatents, place: Place) -> DifferenceVector:
        target = Difference(self.a, self.b).vector(samples, means, place).values
        part, rng = place.samples(samples), np.random.default_rng(self.seed)
        total = np.zeros(target.shape)
        for row in part:
            a, b = rng.choice(np.arange(1, len(row)), 2, replace=False)
            total += row[b] - row[a]
        return place.vector(
            samples, f"shuffled steps {self.seed} as long as mean {self.b} − mean {self.a}", _matched(total, target, place.whole)
        )


@dataclass(frozen=True)
class Component:
    """A principal component of the latents of all passes, one standard deviation long; K and V each have their own.

    A component has no sign of its own: it points to where its largest coordinate is positive.
    """

    kind: ClassVar[str] = "component"
    rank: int = 1

    def vector(self, samples: LatentSamples, means: MeanLatents, place: Place) -> DifferenceVector:
        part = place.samples(samples)[:, 1:]
        rows = part.reshape(-1, *part.shape[2:])
        pieces = rows.swapaxes(0, 1) if place.space == "kv" else rows[None]
        values = np.stack([self._component(piece.reshape(len(piece), -1)).reshape(piece.shape[1:]) for piece in pieces])
        return place.vector(samples, f"principal component {self.rank}", values if place.space == "kv" else values[0])

    def _component(self, rows: Floats) -> Array:
        centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
        n, d = centred.shape
        if not 1 <= self.rank < min(n, d):
            raise InterventionError(f"Principal component {self.rank} does not exist: choose 1 to {min(n, d) - 1}.")
        variance, vectors = np.linalg.eigh(centred.T @ centred if d <= n else centred @ centred.T)  # the smaller of the two Gram matrices
        direction = vectors[:, -self.rank] if d <= n else centred.T @ vectors[:, -self.rank]
        direction = direction / np.linalg.norm(direction) * np.sqrt(max(variance[-self.rank], 0) / (n - 1))
        scaled: npt.NDArray[np.float64] = direction * np.sign(direction[np.abs(direction).argmax()])
        return scaled


@dataclass(frozen=True)
class Content:
    """Mean latent at ``index`` over the prompts whose step ``step`` has the value ``value``, minus the mean over all prompts.

    Steps count from 1; -1 is the answer.
    """

    kind: ClassVar[str] = "content"
    index: int
    value: float
    step: int = 1

    def vector(self, samples: LatentSamples, means: MeanLatents, place: Place) -> DifferenceVector:
        _check_index(self.index, samples)
        rows, part = self.rows(samples), place.samples(samples)
        values = part[rows, self.index].mean(0, dtype=np.float64) - means.part(place.space, place.layer, place.raw)[self.index]
        vector = place.vector(samples, f"mean {self.index} where step {self.step} is {self.value:g}", values)
        return replace(vector, n=len(rows))

    def rows(self, samples: LatentSamples) -> list[int]:
        """Questions with the wanted value. Raises InterventionError naming values there are when there is none."""
        place = self.step - 1 if self.step > 0 else self.step
        values = [question.steps[place] if -len(question.steps) <= place < len(question.steps) else None for question in samples.questions]
        rows = [row for row, value in enumerate(values) if value == self.value]
        if not rows:
            common = sorted({value for value in values if value is not None}, key=values.count, reverse=True)[:8]
            raise InterventionError(
                f"No prompt behind the means has {self.value:g} as the value of step {self.step}; "
                f"frequent values are {', '.join(f'{value:g}' for value in common) or 'none'}."
            )
        return rows


Base = Difference | Component | Content


@dataclass(frozen=True)
class Random:
    """A random direction as long as another vector: what any push of that size does.

    ``norm``: Gaussian, each head of each layer of K and V as long as there. ``covariance``: a draw with the covariance of the latents of
    all passes (a random weighting of the centred samples), so that it points where latents vary; K and V each as long as there.
    """

    kind: ClassVar[str] = "random"
    like: Base
    seed: int = 0
    matched: Literal["norm", "covariance"] = "norm"

    def vector(self, samples: LatentSamples, means: MeanLatents, place: Place) -> DifferenceVector:
        target = self.like.vector(samples, means, place)
        rng = np.random.default_rng(self.seed)
        if self.matched == "norm":
            values = _matched(rng.standard_normal(target.values.shape), target.values, (-1,))
        else:
            part = place.samples(samples)[:, 1:]
            weights = rng.standard_normal(part.shape[:2])
            values = _matched(np.tensordot(weights - weights.mean(), part, 2), target.values, place.whole)
        return place.vector(samples, f"random {self.seed} ({self.matched}) as long as {target.label}", values)


Source = Base | Random | Shuffled
SOURCES: dict[str, type[Source]] = {source.kind: source for source in (Difference, Random, Shuffled, Component, Content)}


def norm_matrix(means: MeanLatents, place: Place) -> Floats:
    """``[A B]``: length of every difference; for kv ``[2 A B]``, keys first."""
    part = means.part(place.space, place.layer, place.raw)
    pieces = part.swapaxes(0, 1) if place.space == "kv" else part[None]
    flat = pieces.reshape(len(pieces), part.shape[0], -1)
    norms: Floats = np.linalg.norm(flat[:, :, None] - flat[:, None], axis=-1)
    return norms if place.space == "kv" else norms[0]


def site_norms(samples: LatentSamples, place: Place, index: int) -> tuple[float, ...]:
    """Mean length of what stands at ``index``: doses are relative to it. One number; for kv keys and values."""
    at = place.samples(samples)[:, index]
    pieces = at.swapaxes(0, 1) if place.space == "kv" else at[None]
    return tuple(float(np.linalg.norm(piece.reshape(len(piece), -1), axis=1).mean()) for piece in pieces)


def _matched(noise: Array, target: Floats, axes: tuple[int, ...]) -> Array:
    """``noise`` as long as ``target`` along ``axes``."""
    scaled: Array = noise * (_length(target, axes) / np.maximum(_length(noise, axes), 1e-30))
    return scaled


def _length(values: npt.NDArray[Any], axes: tuple[int, ...]) -> Array:
    length: Array = np.sqrt(np.square(values, dtype=np.float64).sum(axis=axes, keepdims=True))
    return length


def _check_pair(a: int, b: int, samples: LatentSamples) -> None:
    for index in (a, b):
        _check_index(index, samples)
    if a == b:
        raise InterventionError(f"A and B are both {a}: their difference is zero. Choose two different indices.")


def _check_index(index: int, samples: LatentSamples) -> None:
    last = samples.h.shape[1] - 1
    if not 0 <= index <= last:
        raise InterventionError(f"Index {index} does not exist: the latents have indices 0 (bot) to {last}.")
