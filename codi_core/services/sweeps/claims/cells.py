"""“A1−B2 at +0.5 beats the baseline”: one claim a cell that the posts name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from codi_core.evaluation.stats import mcnemar
from codi_core.services.sweeps.claims.claim import (
    Claim,
    Rule,
    Ruling,
    Tested,
    View,
    absent,
    band_hurdle,
    cell_test,
    judged,
)
from codi_core.services.sweeps.claims.evidence import Evidence, baseline_of
from codi_core.values.sweep import SweepTable, pair_name, signed
from codi_core.values.verdict import ALPHA, ENOUGH, OUTSIDE

COLUMN = 5
"""The posts' column: the index that is steered."""
HELPFUL: dict[float, tuple[tuple[int, int], ...]] = {
    0.5: ((1, 2), (1, 5), (2, 3), (2, 4), (3, 5), (4, 5)),
    1.0: ((1, 2), (1, 5), (2, 3), (2, 4), (3, 5), (4, 5)),
    -1.0: ((1, 4), (1, 6), (4, 6), (5, 6)),
}
"""Pairs, A first, that beat the baseline by the posts, by the coefficient as the posts say it."""


@dataclass(frozen=True, kw_only=True)
class CellBeats(Claim):
    a: int
    b: int
    coefficient: float

    title: ClassVar[str] = "A cell beats its baseline"
    rule: ClassVar[Rule] = Rule(
        statistic="The cell's difference to its baseline.",
        reproduced=f"Positive, adjusted p < {ALPHA}, and above random directions of the cell's own length (percentile ≥ {OUTSIDE}).",
        reversed=f"Negative with adjusted p < {ALPHA}.",
        untestable=(
            f"No such cell; so few questions wrong unsteered that fixing all and breaking none gives an adjusted p ≥ {ALPHA}; "
            f"or better than the baseline with fewer than {ENOUGH} random directions of the cell's own length."
        ),
    )
    in_family: ClassVar[bool] = True

    def test(self, own: Evidence, view: View) -> Tested:
        reading, against = view
        row = own.grids[reading].at(self.a, self.b, self.index, self.coefficient)
        if row is None:
            absent(own, f"{pair_name(self.a, self.b)} at index {self.index}")
        wrong = int((1 - baseline_of(own, row, against)).sum())
        words = f"{wrong} of {row['n']:,} questions are wrong unsteered"
        return replace(cell_test(own, row, against), floor=float(mcnemar(wrong, 0)), room=words, hurdles=(band_hurdle(own, row),))

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        better = "Clearly better than the baseline, and than random directions"
        return judged(tested, 1, better, "Clearly worse than the baseline", "No difference to the baseline is seen")


CELLS: tuple[CellBeats, ...] = tuple(
    CellBeats(f"{pair_name(a, b)} at {signed(coefficient)} beats the baseline", "kv", COLUMN, a=a, b=b, coefficient=coefficient)
    for coefficient, pairs in HELPFUL.items()
    for a, b in pairs
)


def claimed_cells(table: SweepTable) -> list[tuple[str, int, int, int, float]]:
    """Cells of a sweep that single claims are about, as (variant, A, B, index, coefficient)."""
    own = table.cells[(table.cells["role"] == "cell") & (table.cells["index"] == COLUMN)]
    named = {(pair, coefficient) for coefficient, pairs in HELPFUL.items() for pair in pairs}
    keys = zip(own["variant"], own["a"], own["b"], own["index"], own["coefficient"], strict=True)
    return [(str(v), int(a), int(b), int(i), float(c)) for v, a, b, i, c in keys if ((int(a), int(b)), float(c)) in named]
