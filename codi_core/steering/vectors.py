"""Where a steering direction comes from. A new source is one dataclass that brings what `Source` asks for, and one row of SOURCES."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from codi_core.errors import InterventionError
from codi_core.steering.components import principal_components
from codi_core.steering.means import LatentSamples
from codi_core.steering.options import SEED, A, B, option
from codi_core.values.arrays import Floats
from codi_core.values.vectors import DifferenceVector, MeanLatents, Space

Array = npt.NDArray[np.float64]
Sign = Literal["B-A", "A-B"]
Control = Literal["random", "shuffled"]
"""What is put in a direction's place: a random one, or, for differences, one of shuffled steps."""
DIRECTION = option("Direction", "What is added, times the coefficient α.", first="difference")
STEP = option("Step", "Which reasoning step, from 1; −1 is the answer.", half=True)
STEP_VALUE = option("Step value", "Prompts whose step has this value.", half=True, first="8")


@dataclass(frozen=True)
class VectorSpace:
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


class Source(Protocol):
    """A frozen dataclass, hashed by its ``kind`` and fields, whose metadata (`options.option`) are its form."""

    kind: ClassVar[str]
    label: ClassVar[str]
    """For people."""

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        """Raises InterventionError for what does not exist."""

    def control(self, seed: int, how: Control) -> Source:
        """As long a direction that means nothing; ``shuffled`` where there are steps to shuffle."""


@dataclass(frozen=True)
class Difference:
    """Mean latent of B minus mean latent of A, as the posts' code has it (their text reads the other way round: sign ``A-B``)."""

    kind: ClassVar[str] = "difference"
    label: ClassVar[str] = "Difference of means B − A"
    a: int = field(metadata=A)
    b: int = field(metadata=B)
    sign: Sign = field(
        default="B-A",
        metadata=option(
            "Reading of “A−B”",
            "The posts' code adds mean B − mean A; their text reads the other way round.",
            names={"B-A": "B − A (code)", "A-B": "A − B (text)"},
        ),
    )

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        _check_pair(self.a, self.b, samples)
        values = self.values(means, where)
        halves = [where.vector(samples, "", self.values(half, where)) for half in means.halves]
        label = f"mean {self.b} − mean {self.a}" if self.sign == "B-A" else f"mean {self.a} − mean {self.b}"
        vector = where.vector(samples, label, values)
        return replace(vector, a=self.a, b=self.b, sign=self.sign, split_half=halves[0].cosine(halves[1]))

    def values(self, means: MeanLatents, where: VectorSpace) -> Floats:
        part = means.part(where.space, where.layer, where.raw)
        difference: Floats = part[self.b] - part[self.a]
        return difference if self.sign == "B-A" else -difference

    def control(self, seed: int, how: Control) -> Source:
        return Shuffled(self.a, self.b, seed) if how == "shuffled" else Random(self, seed)


@dataclass(frozen=True)
class Shuffled:
    """The difference B − A after every question's steps were shuffled, as long as the true one: a direction without the order of steps."""

    kind: ClassVar[str] = "shuffled"
    label: ClassVar[str] = "Shuffled steps"
    a: int = field(metadata=A)
    b: int = field(metadata=B)
    seed: int = field(default=0, metadata=SEED)

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        target = Difference(self.a, self.b).vector(samples, means, where).values
        part, rng = where.samples(samples), np.random.default_rng(self.seed)
        total = np.zeros(target.shape)
        for row in part:
            a, b = rng.choice(np.arange(1, len(row)), 2, replace=False)
            total += row[b] - row[a]
        return where.vector(
            samples, f"shuffled steps {self.seed} as long as mean {self.b} − mean {self.a}", _matched(total, target, where.whole)
        )

    def control(self, seed: int, how: Control) -> Source:
        return replace(self, seed=self.seed + seed + 1)  # never the vector itself


@dataclass(frozen=True)
class Component:
    """A principal component of the latents of all passes, one standard deviation long; K and V each have their own.

    A component has no sign of its own: it points to where its largest coordinate is positive.
    """

    kind: ClassVar[str] = "component"
    label: ClassVar[str] = "Principal component"
    rank: int = field(default=1, metadata=option("Component", "1 = the direction of largest variance.", half=True))

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        part = where.samples(samples)[:, 1:]
        rows = part.reshape(-1, *part.shape[2:])
        pieces = rows.swapaxes(0, 1) if where.space == "kv" else rows[None]
        values = np.stack([self._component(piece.reshape(len(piece), -1)).reshape(piece.shape[1:]) for piece in pieces])
        return where.vector(samples, f"principal component {self.rank}", values if where.space == "kv" else values[0])

    def control(self, seed: int, how: Control) -> Source:
        return Random(self, seed)

    def _component(self, rows: Floats) -> Array:
        count = min(rows.shape) - 1
        if not 1 <= self.rank <= count:
            raise InterventionError(f"Principal component {self.rank} does not exist: choose 1 to {count}.", field="rank")
        direction = principal_components(rows, self.rank)[1][-1]
        deviation = (rows.astype(np.float64) @ direction).std(ddof=1)
        scaled: Array = direction * deviation
        return scaled


@dataclass(frozen=True)
class Content:
    """Mean latent at ``index`` over the prompts whose step ``step`` has the value ``value``, minus the mean over all prompts.

    Steps count from 1; -1 is the answer.
    """

    kind: ClassVar[str] = "content"
    label: ClassVar[str] = "Content: a wanted step value"
    index: int = field(metadata=option("Mean at index", "Where the mean latent is taken.", half=True, counts="index", first="3"))
    value: float = field(metadata=STEP_VALUE)
    step: int = field(default=1, metadata=STEP)

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        _check_index(self.index, samples)
        rows, part = self.rows(samples), where.samples(samples)
        values = part[rows, self.index].mean(0, dtype=np.float64) - means.part(where.space, where.layer, where.raw)[self.index]
        vector = where.vector(samples, f"mean {self.index} where step {self.step} is {self.value:g}", values)
        return replace(vector, n=len(rows))

    def control(self, seed: int, how: Control) -> Source:
        return Random(self, seed)

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


@dataclass(frozen=True)
class Random:
    """A random direction as long as another vector: what any push of that size does.

    ``norm``: Gaussian, each head of each layer of K and V as long as there. ``covariance``: a draw with the covariance of the latents of
    all passes (a random weighting of the centred samples), so that it points where latents vary; K and V each as long as there.
    """

    kind: ClassVar[str] = "random"
    label: ClassVar[str] = "Random"
    like: Source = field(
        metadata=option(
            "As long as", "The random direction gets the length of this one.", first="difference", without=("random", "shuffled")
        )
    )
    seed: int = field(default=0, metadata=SEED)
    matched: Literal["norm", "covariance"] = field(
        default="norm",
        metadata=option("Matched", "norm: any direction of that length. covariance: one along which latents vary.", half=True),
    )

    def vector(self, samples: LatentSamples, means: MeanLatents, where: VectorSpace) -> DifferenceVector:
        target = self.like.vector(samples, means, where)
        rng = np.random.default_rng(self.seed)
        if self.matched == "norm":
            values = _matched(rng.standard_normal(target.values.shape), target.values, (-1,))
        else:
            part = where.samples(samples)[:, 1:]
            weights = rng.standard_normal(part.shape[:2])
            values = _matched(np.tensordot(weights - weights.mean(), part, 2), target.values, where.whole)
        return where.vector(samples, f"random {self.seed} ({self.matched}) as long as {target.label}", values)

    def control(self, seed: int, how: Control) -> Source:
        return replace(self, seed=self.seed + seed + 1)  # never the vector itself


SOURCES: dict[str, type[Source]] = {
    Difference.kind: Difference,
    Component.kind: Component,
    Content.kind: Content,
    Random.kind: Random,
    Shuffled.kind: Shuffled,
}


def norm_matrix(means: MeanLatents, where: VectorSpace) -> Floats:
    """``[A B]``: length of every difference; for kv ``[2 A B]``, keys first."""
    part = means.part(where.space, where.layer, where.raw)
    pieces = part.swapaxes(0, 1) if where.space == "kv" else part[None]
    flat = pieces.reshape(len(pieces), part.shape[0], -1)
    norms: Floats = np.linalg.norm(flat[:, :, None] - flat[:, None], axis=-1)
    return norms if where.space == "kv" else norms[0]


def site_norms(samples: LatentSamples, where: VectorSpace, index: int) -> tuple[float, ...]:
    """Mean length of what stands at ``index``: doses are relative to it. One number; for kv keys and values."""
    at = where.samples(samples)[:, index]
    pieces = at.swapaxes(0, 1) if where.space == "kv" else at[None]
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
        raise InterventionError(f"A and B are both {a}: their difference is zero. Choose two different indices.", field="b")


def _check_index(index: int, samples: LatentSamples) -> None:
    last = samples.h.shape[1] - 1
    if not 0 <= index <= last:
        raise InterventionError(f"Index {index} does not exist: the latents have indices 0 (bot) to {last}.")
