"""What the numbers of one comparison allow to say: a value, and the one place where it is put into words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

ALPHA = 0.05
OUTSIDE = 97.5
"""Percentile among random directions from which on, and below 100 − which, an effect is not theirs."""
ENOUGH = 20
"""Fewer random directions give no percentile worth a word."""

Direction = Literal["identical", "none seen", "rises", "falls"]
"""Of the accuracy."""
Place = Literal["not run", "still to come", "too few", "inside", "outside"]


@dataclass(frozen=True)
class Band:
    """Where an effect lies among random directions of its length. Nothing but their number is known of fewer than ENOUGH."""

    place: Place = "not run"
    count: int = 0
    """Directions that were run."""
    percentile: float | None = None
    """Share of them that do less, ties half: 0..100."""
    as_far: int = 0
    """Directions that go at least as far, to the side of the effect."""
    median: float = 0.0
    """Of their changes of accuracy."""

    @staticmethod
    def of(effect: float, changes: npt.ArrayLike) -> Band:
        """``effect`` and ``changes``: of accuracy, as shares."""
        found = np.asarray(changes, float)
        if len(found) < ENOUGH:
            return Band("too few" if len(found) else "not run", len(found))
        percentile = float(percentiles(effect, found))
        as_far = int((found >= effect if effect >= 0 else found <= effect).sum())
        place: Place = "inside" if 100 - OUTSIDE <= percentile <= OUTSIDE else "outside"
        return Band(place, len(found), percentile, as_far, float(np.median(found)))

    @property
    def above(self) -> bool:
        return self.percentile is not None and self.percentile >= OUTSIDE

    def words(self, direction: Direction) -> str:
        """How random directions do, to a reader who knows that the accuracy rises, falls, or does nothing that is seen."""
        if self.place == "still to come":
            return "random directions are still to come"
        if self.percentile is None:
            return f"too few random directions to compare with ({self.count})" if self.count else "random directions were not tried"
        if direction not in ("rises", "falls"):
            return f"the median of {self.count} random directions is {points(self.median)} points"
        verb = direction if self.as_far < 2 else direction[:-1]
        return f"{self.as_far or 'none'} of {self.count} random directions {verb} as far"

    def place_words(self) -> str:
        """Where the effect lies among them, in numbers."""
        if self.percentile is None:
            tried = f"{self.count:,} tried, too few" if self.count else self.place
            return f"{tried}: a percentile takes {ENOUGH}"
        return f"percentile {self.percentile:.0f} among {self.count:,}, whose median is {points(self.median)} points"


def percentiles(effects: npt.ArrayLike, band: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Of each effect: the share of the band that does less, ties half, 0..100; NaN for a band of fewer than ENOUGH. Elementwise."""
    own, band = np.asarray(effects, float)[..., None], np.asarray(band, float)
    if band.size < ENOUGH:
        return np.full(own.shape[:-1], np.nan)
    found: npt.NDArray[np.float64] = np.asarray(100 * ((band < own).mean(-1) + 0.5 * (band == own).mean(-1)))
    return found


@dataclass(frozen=True)
class Correction:
    """The max-statistic over all cells of a grid that one cell was looked up in."""

    p: float
    cells: int


@dataclass(frozen=True)
class Verdict:
    """One condition against its baseline."""

    direction: Direction
    """By ``p``, before any correction."""
    delta: float
    """Difference of accuracy, as a share."""
    low: float
    high: float
    """Its 95 % interval."""
    n: int
    p: float
    band: Band
    correction: Correction | None = None
    """None: the condition was not one of many."""
    margin_moved: bool = False
    """The interval of the change of the gold margin leaves 0 out."""
    effective_n: float | None = None
    grouping: str = ""
    """How questions were grouped, in words; empty where that is not known."""

    def waiting(self) -> Verdict:
        """The same while random directions are still to come."""
        return replace(self, band=Band("still to come")) if self.band.place == "not run" else self

    def sentence(self, band: bool = True) -> str:
        """What a reader has to know, and no more; how sure it is says `sure`. ``band``: with how random directions do."""
        if self.direction == "identical":
            return f"Identical to the baseline on all {self.n} questions, bit for bit."
        said = f"{self._effect()}{self._corrected()}"
        return f"{said}; {self.band.words(self.direction)}." if band else f"{said}."

    def sure(self) -> dict[str, str]:
        """How sure the sentence is, by the glossary's words. Empty where nothing changed at all."""
        if self.direction == "identical":
            return {}
        facts = {"95 % interval": f"{points(self.low)} to {points(self.high)} points", "p": p_text(self.p)}
        if self.correction is not None:
            facts["adjusted p"] = f"{p_text(self.correction.p)} over {self.correction.cells:,} cells (max-statistic)"
        if self.effective_n is not None:
            facts["effective n"] = f"{self.effective_n:,.0f} of {self.n:,}"
        if self.grouping:
            facts["clusters"] = self.grouping
        return facts | {"random directions": self.band.place_words()}

    def _effect(self) -> str:
        if self.direction in ("rises", "falls"):
            near, far = sorted((self.low, self.high), key=abs)
            return f"Accuracy {self.direction} {amount(self.delta)} points ({amount(near)} to {amount(far)}, n = {self.n:,})"
        margin = "though the gold margin moves" if self.margin_moved else "and none on the gold margin"
        size = f"{points(self.delta)} points ({points(self.low)} to {points(self.high)}, n = {self.n:,})"
        return f"No effect on accuracy is seen, {size}, {margin}"

    def _corrected(self) -> str:
        """Whether an effect is no more than the luckiest of many cells."""
        if self.correction is None or self.direction == "none seen" or self.correction.p < ALPHA:
            return ""
        return f", but not after correction for {self.correction.cells:,} cells (adjusted p {p_text(self.correction.p)})"


def direction_of(delta: float, p: float) -> Direction:
    """A p that is undefined shows nothing."""
    return ("rises" if delta > 0 else "falls") if p < ALPHA else "none seen"


def p_text(p: float) -> str:
    return "–" if p != p else "<.001" if p < 0.001 else f"{p:.3f}".lstrip("0") if p < 0.9995 else "1"


def amount(share: float) -> str:
    """The size of a difference of shares in points; what is not nothing is not rounded to it."""
    size = abs(100 * share)
    return f"{size:.1g}" if 5e-4 <= size < 0.05 else f"{size:.1f}"


def points(share: float) -> str:
    """A difference of shares in points, with a real minus; nothing is +0.0, and little never nothing."""
    return ("+" if share >= 0 or amount(share) == "0.0" else "−") + amount(share)
