"""“Hidden-state steering never beats the baseline.”"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from codi_core.evaluation.stats import mcnemar
from codi_core.services.sweeps.claims.claim import (
    Claim,
    Rule,
    Ruling,
    Tested,
    View,
    band_hurdle,
    cell_test,
    judged,
    name_of,
    suffix_of,
    unclear,
)
from codi_core.services.sweeps.claims.evidence import Evidence, baseline_of, place_of
from codi_core.values.verdict import ALPHA, ENOUGH, OUTSIDE


class NeverBetter(Claim):
    title: ClassVar[str] = "Never better"
    rule: ClassVar[Rule] = Rule(
        statistic="The best cell of the whole grid: its difference to its baseline.",
        reproduced=f"No cell is positive with max-statistic p < {ALPHA}.",
        reversed=f"A cell is, and lies above random directions of its own length (percentile ≥ {OUTSIDE}).",
        untestable=(
            f"No cell could be: fixing every question that is wrong unsteered and breaking none has a max-statistic p ≥ {ALPHA}, or as if "
            f"questions were independent. Or a cell is better with fewer than {ENOUGH} random directions of its own length."
        ),
    )

    def test(self, own: Evidence, view: View) -> Tested:
        (reading, against), suffix = view, suffix_of(view[1])
        rows = list(own.grids[reading].rows.values())
        better = [row for row in rows if float(row["delta" + suffix]) > 0 and float(row["p_max" + suffix]) < ALPHA]
        best = max(better or rows, key=lambda row: (bool(better) and place_of(own, row).above, float(row["delta" + suffix])))
        tested = replace(
            cell_test(own, best, against, float(best["p_max" + suffix])),
            why=f"Best of {len(rows):,} cells: {name_of(best)}",
            over=f"{len(rows):,} cells",
            hurdles=(band_hurdle(own, best),),
        )
        if better:
            return tested
        wrong = max(int((1 - baseline_of(own, row, against)).sum()) for row in {row["passes"]: row for row in rows}.values())
        floor = max(float(mcnemar(wrong, 0)), own.best_possible[against])
        return replace(tested, floor=floor, room=f"{wrong} of {len(own.correct):,} questions are wrong unsteered")

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        if not (tested.effect > 0 and tested.adjusted < ALPHA):
            return "reproduced", unclear(tested) or "Not better than the baseline as far as can be seen"
        ruling, why = judged(tested, 1, "Clearly better than the baseline, and than random directions", "", "")
        return ("reversed" if ruling == "reproduced" else ruling), why


NEVER = (NeverBetter("Hidden-state steering never beats the baseline", "hidden"),)
