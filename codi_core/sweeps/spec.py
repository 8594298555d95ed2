"""A sweep: every condition of a grid, its baselines and its random directions, on one model and one eval set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import ClassVar, Literal

from codi_core.errors import InputError, InterventionError
from codi_core.keys import key_of
from codi_core.steering.conditions import NUMERICS, Condition
from codi_core.steering.contract import Method
from codi_core.steering.limits import check_indices
from codi_core.steering.vectors import Control
from codi_core.sweeps.presets import Pair, variant
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.questions import EvalSetSpec
from codi_core.values.vectors import MeansSpec

Role = Literal["baseline", "cell", "random", "shuffled"]
CellId = tuple[str, int, int, int, float]
"""Variant, A, B, index, coefficient."""


@dataclass(frozen=True)
class Axes:
    kind: ClassVar[str] = "sweep-axes"
    variants: tuple[str, ...]
    """Names in `presets.variants`."""
    pairs: tuple[Pair, ...]
    """Ordered (A, B). Those with A < B are enough: (B, A, α) is (A, B, −α)."""
    indices: tuple[int, ...]
    coefficients: tuple[float, ...]
    """Without 0, which is the baseline."""
    only: tuple[CellId, ...] = ()
    """Exactly these instead of the product of the axes: what was selected elsewhere and is to be confirmed."""
    bands: tuple[CellId, ...] = ()
    """Cells whose random band is measured: directions as long as the cell's own push, each pushed both ways."""
    randoms: int = 0
    """Random directions of a band."""
    shuffled: int = 0
    """Differences of shuffled steps in a band, besides."""


@dataclass(frozen=True)
class Cell:
    """One condition of a sweep. Baselines have no variant, A, B and index: empty and -1."""

    cell_id: int
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
        and after all of them the bands. The same spec always gives the same order.
        """
        return _expand(self)[0]

    def refused(self) -> tuple[str, ...]:
        """What the axes ask for and cannot be done, with the reason; `cells` leaves it out."""
        return _expand(self)[1]

    @property
    def only_bands(self) -> bool:
        """Whether it has no cell of its own."""
        return bool(self.axes.bands) and not self.axes.variants

    @property
    def standard(self) -> Condition:
        """Unsteered, all passes."""
        return Condition(self.model.key, self.eval_set, self.rollout)


@lru_cache(maxsize=8)
def _expand(spec: SweepSpec) -> tuple[tuple[Cell, ...], tuple[str, ...]]:
    standard = spec.standard
    steerable = replace(standard, means=spec.means, overlap=spec.overlap)
    steered: list[Cell] = []
    refused: list[str] = []
    for name in spec.axes.variants:
        for index in sorted({one[3] for one in spec.axes.only} or spec.axes.indices):
            reason = _refusal(variant(name).make(*spec.axes.pairs[0], index, 1.0), spec.rollout.passes)
            if reason:
                refused.append(f"{variant(name).title}, index {index}: {reason}")
            else:
                steered += _block(spec.axes, steerable, name, index)
    steered += _bands(spec.axes, steerable)
    passes = sorted({cell.condition.passes for cell in steered} - {standard.passes})
    baselines = [replace(standard, rollout=replace(spec.rollout, passes=each)) for each in passes] + [standard]
    unsteered = [Cell(0, "baseline", "", -1, -1, -1, 0.0, condition) for condition in baselines]
    return tuple(replace(cell, cell_id=cell_id) for cell_id, cell in enumerate(unsteered + steered)), tuple(refused)


def _refusal(method: Method, passes: int) -> str:
    """Why nothing can be steered there; empty when it can."""
    try:
        check_indices(method.indices, passes, method.space)
    except InterventionError as error:
        return str(error)
    return ""


def _block(axes: Axes, steerable: Condition, name: str, index: int) -> Iterator[Cell]:
    """The cells of one variant at one index, in the order of the table; ids are given later."""
    make = variant(name).make
    chosen = [(a, b, c) for (a, b) in axes.pairs for c in axes.coefficients]
    if axes.only:
        chosen = [(a, b, c) for own, a, b, where, c in axes.only if (own, where) == (name, index)]
    for a, b, coefficient in chosen:
        yield Cell(0, "cell", name, a, b, index, coefficient, replace(steerable, interventions=(make(a, b, index, coefficient),)))


def _bands(axes: Axes, steerable: Condition) -> Iterator[Cell]:
    """Both signs of a cell share a band, as every direction in it is pushed both ways."""
    wanted = dict.fromkeys((name, index, a, b, abs(coefficient)) for name, a, b, index, coefficient in axes.bands)
    makes = {name: variant(name).make for name in {name for name, *_ in wanted}}
    counts: tuple[tuple[Control, int], ...] = (("random", axes.randoms), ("shuffled", axes.shuffled))
    for name, index, a, b, size in sorted(wanted):
        if _refusal(makes[name](a, b, index, 1.0), steerable.rollout.passes):
            continue
        for role, count in counts:
            for number, signed in product(range(count), (size, -size)):
                pushed = makes[name](a, b, index, signed)
                method = pushed.control(number, role)
                if role == "shuffled" and method == pushed.control(number):
                    continue  # no steps to shuffle: the same random direction once more
                yield Cell(0, role, name, a, b, index, signed, replace(steerable, interventions=(method,)))


def cell_id_of(text: str) -> CellId:
    """A cell as on the command line: ``kv-corrected:2:4:5:0.5``. Raises InputError for what cannot be read."""
    try:
        name, a, b, index, coefficient = text.split(":")
        chosen = name, int(a), int(b), int(index), float(coefficient)
    except ValueError:
        raise InputError(f"'{text:.80}' is not a cell: write VARIANT:A:B:INDEX:COEFFICIENT, as in kv-corrected:2:4:5:0.5.") from None
    variant(name)
    return chosen
