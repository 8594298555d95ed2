"""“Pairs with A = 2 are the best sources”: the pairs that a claim names, against all others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from codi_core.services.sweeps.claims.cells import COLUMN
from codi_core.services.sweeps.claims.claim import Claim, Hurdle, Rule, Ruling, Tested, View, absent, contrast, judged
from codi_core.services.sweeps.claims.evidence import Evidence, baseline_of, estimate, mean_right
from codi_core.values.sweep import Reading, Row
from codi_core.values.verdict import ALPHA, points


@dataclass(frozen=True, kw_only=True)
class PairsAreBest(Claim):
    pairs: tuple[tuple[int, int], ...]
    """A first."""
    coefficient: float

    title: ClassVar[str] = "Pairs are best"
    rule: ClassVar[Rule] = Rule(
        statistic="Mean accuracy of the named pairs minus that of all other pairs, same site and coefficient.",
        reproduced=(
            f"Positive with adjusted p < {ALPHA}; the named pairs are better than their baseline, too (interval of their mean above 0); "
            f"and with the opposite sign they are not better than the other pairs (p ≥ {ALPHA})."
        ),
        reversed=f"Negative with adjusted p < {ALPHA}.",
        untestable="No such cells.",
    )
    in_family: ClassVar[bool] = True

    def test(self, own: Evidence, view: View) -> Tested:
        named, others = self._cells(own, view[0], self.coefficient)
        if not named or not others:
            absent(own, f"index {self.index} with these pairs")
        gain, low, high, _ = estimate(mean_right(own, named) - baseline_of(own, named[0], view[1]), own.clusters)
        size = f"{points(gain)} points ({points(low)} to {points(high)})"
        hurdles = [Hurdle(low > 0, "Better than the other pairs, but not than the baseline")]
        opposite = self._cells(own, view[0], -self.coefficient)
        if all(opposite):
            other = contrast(own, *opposite)
            words = f"Better than the other pairs with the opposite sign, too ({points(other.effect)} points)"
            hurdles.append(Hurdle(not (other.effect > 0 and other.p < ALPHA), words))
        tested = contrast(own, named, others, max(named, key=lambda row: float(row["delta"])))
        return replace(tested, why=f"The named pairs against the baseline: {size}", hurdles=tuple(hurdles))

    def _cells(self, own: Evidence, reading: Reading, coefficient: float) -> tuple[list[Row], list[Row]]:
        """Of the named pairs, and of all others."""
        grid = own.grids[reading]
        rows = {pair: row for pair in grid.pairs if (row := grid.at(*pair, self.index, coefficient)) is not None}
        return [row for pair, row in rows.items() if pair in self.pairs], [row for pair, row in rows.items() if pair not in self.pairs]

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        better = "Clearly better than the other pairs, and than the baseline"
        return judged(tested, 1, better, "Clearly worse than the other pairs", "No difference to the other pairs is seen")


BEST: tuple[PairsAreBest, ...] = (
    PairsAreBest("Pairs with A = 2 are the best sources (+0.5)", "kv", COLUMN, pairs=tuple((2, b) for b in (3, 4, 5, 6)), coefficient=0.5),
    PairsAreBest(
        "“6 minus an earlier latent” is best on the negative side (−1)",
        "kv",
        COLUMN,
        pairs=tuple((a, 6) for a in range(1, 6)),
        coefficient=-1.0,
    ),
)
