"""The conditions that decide a claim. Each is one estimate against an edge, so that its interval and its p never contradict each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.stats import estimate
from codi_core.values.signs import decimal
from codi_core.values.stats import Clusters
from codi_core.values.verdict import ALPHA, p_text, points

State = Literal["holds", "opposite", "open"]
Unit = Literal["points", "nats", ""]
EQUAL = 0.05
"""Shares nearer to each other are the same."""
SEEDS = 3
"""Trainings that a claim about a way of training takes."""


@dataclass(frozen=True)
class Part:
    """One condition. Of several columns, all of which must hold, the one that decides."""

    name: str
    rule: str
    """What must be so: above 0, within ±5 points."""
    state: State
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    """That it is beyond the edge on the side where it lies; NaN for a fact, which has none. "Opposite" is any column: times their
    number."""
    n: int = 0
    unit: Unit = "points"
    said: str = ""
    """Of a fact."""
    veto: bool = False
    """While it is open nothing can be said, whatever the others show."""

    @property
    def words(self) -> str:
        if self.said:
            return f"{self.name}: {self.said}"
        low, high = (_size(end, self.unit) for end in (self.low, self.high))
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.name}: {_size(self.value, self.unit)}{unit} ({low} to {high}), n = {self.n:,}, p {p_text(self.p)}"


Values = npt.NDArray[Any]
"""``[question]`` or ``[question column]``; NaN where a question says nothing."""
Numbers = tuple[float, float, float, float]
"""Mean, low, high and p."""


def above(name: str, values: Values, clusters: Clusters, edge: float = 0.0, unit: Unit = "points", labels: tuple[str, ...] = ()) -> Part:
    """The mean of every column lies above ``edge``: its 95 % interval does. Opposite: one lies below. ``labels``: of the columns."""
    columns = [_beyond(*found, edge, 1) for found in _estimated(values, clusters, -edge)]
    rule = f"above {_size(edge, unit).removeprefix('+') if edge else '0'}{f' {unit}' if edge and unit else ''}"
    return _decided(name, rule, columns, unit, labels)


def below(name: str, values: Values, clusters: Clusters, edge: float, unit: Unit = "points", labels: tuple[str, ...] = ()) -> Part:
    """As `above`, the other way round."""
    columns = [_beyond(*found, edge, -1) for found in _estimated(values, clusters, -edge)]
    rule = f"below {_size(edge, unit).removeprefix('+') if edge else '0'}{f' {unit}' if edge and unit else ''}"
    return _decided(name, rule, columns, unit, labels)


def within(name: str, values: Values, clusters: Clusters, labels: tuple[str, ...] = ()) -> Part:
    """The mean of every column is 0 within 5 points: its interval lies there. Opposite: one lies wholly outside."""
    columns = [_near(*found) for found in _estimated(values, clusters, EQUAL, -EQUAL)]
    return _decided(name, f"within ±{100 * EQUAL:.0f} points", columns, "points", labels)


def fact(name: str, holds: bool | None, said: str, rule: str = "", veto: bool = False) -> Part:
    """Something that is so or not, without an interval; None: open."""
    return Part(name, rule, "open" if holds is None else "holds" if holds else "opposite", said=said, veto=veto)


def seeds(trained: int) -> Part:
    """What is said of a way of training takes several models trained so."""
    holds = True if trained >= SEEDS else None
    return fact("seeds of training", holds, f"{trained} of {SEEDS}", f"{SEEDS} or more: one pair of models says nothing of others", True)


@dataclass(frozen=True)
class _Column:
    state: State
    value: float
    low: float
    high: float
    p: float
    n: int
    room: float
    """How far the nearer end lies on the right side of the edge; the column with least decides."""


def _estimated(values: Values, clusters: Clusters, *shifts: float) -> list[tuple[int, list[Numbers]]]:
    """Of every column: the questions that say something, and mean, low, high and p of it plus each shift.

    Columns of the same questions are estimated together. Of fewer than two questions nothing is known.
    """
    flat = np.asarray(values, float).reshape(len(values), -1)
    known = ~np.isnan(flat)
    found: dict[int, tuple[int, list[Numbers]]] = {}
    for rows in np.unique(known, axis=1).T:
        alike, n = np.flatnonzero((known == rows[:, None]).all(0)), int(rows.sum())
        shifted = flat[rows][:, alike, None] + np.array(shifts)
        numbers = estimate(shifted, [labels[rows] for labels in clusters]) if n > 1 else (np.full(shifted.shape[1:], np.nan),) * 4
        for column, own in zip(alike.tolist(), np.stack(numbers, -1).tolist(), strict=True):
            found[column] = n, [tuple(one) for one in own]
    return [found[column] for column in range(flat.shape[1])]


def _beyond(n: int, shifted: list[Numbers], edge: float, side: int) -> _Column:
    if n < 2:
        return _Column("open", np.nan, np.nan, np.nan, 1.0, n, -np.inf)
    ((mean, low, high, p),) = shifted
    near = low if side > 0 else -high
    state: State = "holds" if near > 0 else "opposite" if side * mean < 0 and p < ALPHA else "open"
    return _Column(state, mean + edge, low + edge, high + edge, p, n, near)


def _near(n: int, shifted: list[Numbers]) -> _Column:
    """Tested at the edge it lies next to, if outside, or at both: the interval is what these tests would not reject."""
    if n < 2:
        return _Column("open", np.nan, np.nan, np.nan, 1.0, n, -np.inf)
    lower, upper = shifted
    mean = (lower[0] + upper[0]) / 2
    if abs(mean) > EQUAL:
        _, low, high, p = upper if mean > 0 else lower
        shift = EQUAL if mean > 0 else -EQUAL
        return _Column("opposite" if p < ALPHA else "open", mean, low + shift, high + shift, p, n, EQUAL - abs(mean))
    low, high, p = lower[1] - EQUAL, upper[2] + EQUAL, max(lower[3], upper[3])
    room = EQUAL - max(-low, high)
    return _Column("holds" if room > 0 else "open", mean, low, high, p, n, room)


def _decided(name: str, rule: str, columns: list[_Column], unit: Unit, labels: tuple[str, ...]) -> Part:
    """All must hold, which needs no correction; one that is the opposite is enough, so its p counts as often as there are columns."""
    against = [column for column in columns if column.state == "opposite" and column.p * len(columns) < ALPHA]
    shown = min(against, key=lambda column: column.p) if against else min(columns, key=lambda column: column.room)
    state: State = "opposite" if against else "holds" if all(column.state == "holds" for column in columns) else "open"
    if labels:
        name = f"{name}, {labels[columns.index(shown)]}"
    p = min(1.0, shown.p * len(columns)) if against else max(column.p for column in columns) if state == "holds" else shown.p
    return Part(name, rule, state, shown.value, shown.low, shown.high, p, shown.n, unit)


def _size(value: float, unit: Unit) -> str:
    return points(value) if unit == "points" else decimal(value, "+.2f" if unit else ".2f")
