"""“Hidden-state steering ends like random patching.”

The claim is about cells: every pair at every site, at the largest |coefficient| that was run, both signs. The change of each, question by
question, is compared with the mean change under directions of its own length (at least ENOUGH of them), which is taken as known.

*Alike*: the 95 % interval of the difference lies within ±5 points. The claim holds when that is so of every cell: an intersection of tests,
which needs no correction, since one cell that is not alike is enough to refuse it.
*Apart*: the difference is beyond ±5 points with p < .05 after Holm over the cells, tested as its distance from the nearer edge.
One cell that is apart makes the claim "not reproduced", as one does that is only not shown to be alike; more than half of them, "reversed".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from codi_core.evaluation.stats import estimate as estimates
from codi_core.evaluation.stats import holm
from codi_core.services.sweeps.claims.claim import Claim, Rule, Ruling, Tested, Untestable, View, name_of
from codi_core.services.sweeps.claims.evidence import Evidence, PerQuestion, band_of, baseline_of, mean_right, place_of
from codi_core.values.sweep import Row
from codi_core.values.verdict import ALPHA, ENOUGH, points

EQUAL = 0.05
"""Differences of accuracy smaller than this are no difference."""
EDGE = f"±{100 * EQUAL:.0f} points"


@dataclass(frozen=True)
class CellsTested(Tested):
    cells: int = 0
    """At the largest |coefficient|."""
    measured: int = 0
    """With a band of their own."""
    size: float = 0.0
    """Of their coefficient."""
    apart: int = 0


class LikeRandom(Claim):
    title: ClassVar[str] = "Like random"
    rule: ClassVar[Rule] = Rule(
        statistic=(
            "For every pair and site at the largest |coefficient|: change of accuracy minus the mean change by directions of its length. "
            "Shown: the cell whose interval reaches furthest from 0."
        ),
        reproduced=f"The 95 % interval of every single cell lies within {EDGE}.",
        reversed=f"More than half of the cells are beyond {EDGE}, each with p < {ALPHA} after Holm over the cells.",
        untestable=(
            f"Fewer than {ENOUGH} random directions of their own length were run for some cells, and none of the others is beyond {EDGE}."
        ),
    )

    def test(self, own: Evidence, view: View) -> CellsTested:
        size, rows = list(own.by_size(view[0]).items())[-1]
        found = [(row, _beyond_band(own, row, band)) for row in rows if (band := band_of(own, row)) is not None]
        if not found:
            raise _unmeasured(0, len(rows), size)
        values = np.stack([difference for _, difference in found], 1)
        effect, low, high, p = estimates(values, own.clusters)
        reach = np.maximum(-low, high)
        apart, widest = int((holm(_beyond(own, values)) < ALPHA).sum()), int(reach.argmax())
        shown = found[widest][0]
        alike = int((reach < EQUAL).sum())
        found_words = f"{alike:,} of {len(found):,} cells at |α| = {size:g} lie within {EDGE} of random directions, {apart:,} beyond"
        own_effect, own_low, own_high, own_p, adjusted = (float(column[widest]) for column in (effect, low, high, p, holm(p)))
        return CellsTested(
            own_effect,
            own_low,
            own_high,
            own_p,
            adjusted,
            percentile=place_of(own, shown).percentile,
            why=f"{found_words}; furthest: {name_of(shown)}, {points(own_effect)} points",
            cell_id=int(shown["place"]),
            over=f"{len(found):,} cells",
            cells=len(rows),
            measured=len(found),
            size=size,
            apart=apart,
        )

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        assert isinstance(tested, CellsTested)
        if 2 * tested.apart > tested.cells:
            return "reversed", "Most cells do not end like random directions"
        if tested.apart:
            return "not reproduced", f"{tested.apart:,} cell{'s do' if tested.apart > 1 else ' does'} not end like random directions"
        if tested.measured < tested.cells:
            raise _unmeasured(tested.measured, tested.cells, tested.size)
        if max(-tested.low, tested.high) < EQUAL:
            return "reproduced", "Every cell is the same within 5 points"
        return "not reproduced", "Intervals leave both open"


def _unmeasured(measured: int, cells: int, size: float) -> Untestable:
    tried = f"random directions as long as their push were tried for {measured:,} of them"
    return Untestable(f"The claim is about all {cells:,} cells at |α| = {size:g}, and {tried}", {"bands_at": (size,)})


def _beyond_band(own: Evidence, row: Row, band: PerQuestion) -> PerQuestion:
    """Change of the cell, question by question, minus the mean change of its band."""
    change: PerQuestion = mean_right(own, [row]) - baseline_of(own, row, "same") - band.mean()
    return change


def _beyond(own: Evidence, values: PerQuestion) -> PerQuestion:
    """p of every column ``[question cell]``: that it is no further than EQUAL to the side where it lies."""
    over = values * np.sign(values.mean(0)) - EQUAL
    mean, _, _, p = estimates(over, own.clusters)
    return np.where(mean > 0, p, 1.0)


LIKE_RANDOM = (LikeRandom("Hidden-state steering ends like random patching", "hidden"),)
