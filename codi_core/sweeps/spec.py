"""A sweep: every condition of a grid, its baselines and its random directions, on one model and one eval set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

from codi_core.errors import InterventionError
from codi_core.keys import key_of
from codi_core.steering.conditions import NUMERICS, Condition
from codi_core.steering.hidden import Hidden
from codi_core.steering.limits import check_indices
from codi_core.steering.vectors import Difference, Random, Shuffled
from codi_core.sweeps.presets import VARIANTS, Pair
from codi_core.types import EvalSetSpec, MeansSpec, ModelSpec, RolloutConfig

Role = Literal["baseline", "cell", "random", "shuffled"]
Chosen = tuple[str, int, int, int, float]
"""Variant, A, B, index, coefficient."""


@dataclass(frozen=True)
class Axes:
    kind: ClassVar[str] = "sweep-axes"
    variants: tuple[str, ...]
    """Rows of VARIANTS."""
    pairs: tuple[Pair, ...]
    """Ordered (A, B). Those with A < B are enough: (B, A, α) is (A, B, −α)."""
    indices: tuple[int, ...]
    coefficients: tuple[float, ...]
    """Without 0, which is the baseline."""
    randoms: int = 20
    """Random directions for every variant, index and size of the coefficient, as long as the differences of the pairs in turn."""
    shuffled: int = 4
    """Differences of shuffled steps, likewise."""
    only: tuple[Chosen, ...] = ()
    """Exactly these instead of the product of the axes: what was selected elsewhere and is to be confirmed."""


@dataclass(frozen=True)
class Cell:
    """One condition of a sweep. Baselines have no variant, A, B and index: empty and -1."""

    place: int
    role: Role
    variant: str
    a: int
    b: int
    index: int
    coefficient: float
    condition: Condition


@dataclass(frozen=True)
class SweepSpec:
    kind: ClassVar[str] = "sweep"
    name: str
    """Of the preset."""
    model: ModelSpec
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    means: MeansSpec
    overlap: bool
    axes: Axes
    numerics: int = NUMERICS

    @property
    def key(self) -> str:
        return key_of(self)

    def cells(self) -> tuple[Cell, ...]:
        """Baselines first, one for each number of passes, the standard one last; then variant by variant and index by index the cells,
        random directions and shuffled steps. The same spec always gives the same order.
        """
        return _expand(self)[0]

    def refused(self) -> tuple[str, ...]:
        """What the axes ask for and cannot be done, with the reason; `cells` leaves it out."""
        return _expand(self)[1]

    @property
    def standard(self) -> Condition:
        """Unsteered, all passes."""
        return Condition(self.model.key, self.eval_set, self.rollout)


def spec_of(data: Mapping[str, Any]) -> SweepSpec:
    """The inverse of `keys.canonical`, for what is stored."""
    axes, means = data["axes"], data["means"]
    lists = {name: tuple(axes[name]) for name in ("variants", "indices", "coefficients")}
    nested = {name: tuple(map(tuple, axes[name])) for name in ("pairs", "only")}
    return SweepSpec(
        name=data["name"],
        model=ModelSpec(**_fields(data["model"])),
        eval_set=EvalSetSpec(**_fields(data["eval_set"])),
        rollout=RolloutConfig(**_fields(data["rollout"])),
        means=MeansSpec(**{**_fields(means), "eval_set": EvalSetSpec(**_fields(means["eval_set"]))}),
        overlap=data["overlap"],
        axes=Axes(**{**_fields(axes), **lists, **nested}),
        numerics=data["numerics"],
    )


def _fields(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name != "kind"}


@lru_cache(maxsize=8)
def _expand(spec: SweepSpec) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    standard = spec.standard
    steerable = replace(standard, means=spec.means, overlap=spec.overlap)
    steered: list[Cell] = []
    refused: list[str] = []
    for variant in spec.axes.variants:
        for index in sorted({one[3] for one in spec.axes.only} or spec.axes.indices):
            reason = _refusal(spec, variant, index)
            if reason:
                refused.append(f"{VARIANTS[variant].title}, index {index}: {reason}")
            else:
                steered += _block(spec.axes, steerable, variant, index)
    passes = sorted({cell.condition.passes for cell in steered} - {standard.passes})
    baselines = [replace(standard, rollout=replace(spec.rollout, passes=each)) for each in passes] + [standard]
    unsteered = [Cell(0, "baseline", "", -1, -1, -1, 0.0, condition) for condition in baselines]
    return tuple(replace(cell, place=place) for place, cell in enumerate(unsteered + steered)), tuple(refused)


def _refusal(spec: SweepSpec, variant: str, index: int) -> str:
    """Why nothing can be steered there; empty when it can."""
    a, b = spec.axes.pairs[0]
    method = VARIANTS[variant].make(a, b, index, 1.0)
    try:
        check_indices(method.indices, spec.rollout.passes, method.space if isinstance(method, Hidden) else "kv")
    except InterventionError as error:
        return str(error)
    return ""


def _block(axes: Axes, steerable: Condition, variant: str, index: int) -> Iterator[Cell]:
    """Everything of one variant at one index, in the order of the table; places are given later."""
    make = VARIANTS[variant].make
    chosen = [(a, b, c) for (a, b) in axes.pairs for c in axes.coefficients]
    if axes.only:
        chosen = [(a, b, c) for name, a, b, where, c in axes.only if (name, where) == (variant, index)]
    for a, b, coefficient in chosen:
        yield Cell(0, "cell", variant, a, b, index, coefficient, replace(steerable, interventions=(make(a, b, index, coefficient),)))
    sizes = sorted({abs(coefficient) for _, _, coefficient in chosen})
    counts: tuple[tuple[Role, int], ...] = (("random", axes.randoms), ("shuffled", axes.shuffled))
    for role, count in counts:
        for size in sizes:
            for number in range(count):
                a, b = axes.pairs[number % len(axes.pairs)]
                difference = Difference(a, b)
                source = Random(difference, number) if role == "random" else Shuffled(a, b, number)
                method = replace(make(a, b, index, size), source=source)
                yield Cell(0, role, variant, a, b, index, size, replace(steerable, interventions=(method,)))
