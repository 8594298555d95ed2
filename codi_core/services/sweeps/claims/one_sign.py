"""“No pair helps with both signs.”"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from codi_core.services.sweeps.claims.cells import COLUMN
from codi_core.services.sweeps.claims.claim import Claim, Rule, Ruling, Tested, Untestable, View, absent, cell_test, suffix_of, unclear
from codi_core.services.sweeps.claims.evidence import Evidence
from codi_core.values.sweep import pair_name
from codi_core.values.verdict import ALPHA


class OneSignHelps(Claim):
    title: ClassVar[str] = "One sign only"
    rule: ClassVar[Rule] = Rule(
        statistic="For every pair and |coefficient| the smaller of its two effects; the largest of these is shown.",
        reproduced="Some pair helps with one sign (max-statistic p < .05) and the other sign of none of these is positive.",
        reversed="A pair helps with both signs, both with max-statistic p < .05.",
        untestable="No pair helps with either sign.",
    )

    def test(self, own: Evidence, view: View) -> Tested:
        (reading, against), suffix = view, suffix_of(view[1])
        grid, delta, p = own.grids[reading], f"delta{suffix}", f"p_max{suffix}"
        both = [
            (plus, minus)
            for a, b in grid.pairs
            for size in sorted({abs(c) for c in grid.coefficients})
            if (plus := grid.at(a, b, self.index, size)) and (minus := grid.at(a, b, self.index, -size))
        ]
        if not both:
            absent(own, f"index {self.index} with both signs")
        helped = [pair for pair in both if any(float(row[delta]) > 0 and float(row[p]) < ALPHA for row in pair)]
        if not helped:
            why = "No pair helps with either sign, so there is nothing to tell the signs apart by."
            raise Untestable(why, {"eval_set": "bundled", "n": 5000})
        plus, minus = max(helped, key=lambda pair: min(float(row[delta]) for row in pair))
        weaker = min((plus, minus), key=lambda row: float(row[delta]))
        name = f"{pair_name(int(plus['a']), int(plus['b']))} at ±{abs(float(plus['coefficient'])):g}"
        why = f"The weaker sign of {name}; {len(helped)} helped"
        adjusted = max(float(plus[p]), float(minus[p]))
        return replace(cell_test(own, weaker, against, adjusted), why=why, over=f"{len(grid.rows):,} cells")

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        if tested.effect > 0 and tested.adjusted < ALPHA:
            return "reversed", "Both signs help"
        if tested.effect > 0:
            return "not reproduced", unclear(tested) or "It may help too"
        return "reproduced", "It does not help"


ONE_SIGN = (OneSignHelps("No pair helps with both signs", "kv", COLUMN),)
