"""“Accuracy falls as |coefficient| grows.”"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from codi_core.services.sweeps.claims.claim import Claim, Hurdle, Rule, Ruling, Tested, Untestable, View, contrast, judged
from codi_core.services.sweeps.claims.evidence import Evidence
from codi_core.values.verdict import ALPHA


class AccuracyFalls(Claim):
    title: ClassVar[str] = "Accuracy falls"
    rule: ClassVar[Rule] = Rule(
        statistic="Mean accuracy at the largest |coefficient| minus at the smallest, over all pairs, sites and both signs.",
        reproduced=f"Negative with adjusted p < {ALPHA}, and no step upwards on the way.",
        reversed=f"Positive with adjusted p < {ALPHA}.",
        untestable="The sweep has a single size of the coefficient.",
    )
    in_family: ClassVar[bool] = True

    def test(self, own: Evidence, view: View) -> Tested:
        rows = own.by_size(view[0])
        if len(rows) < 2:
            raise Untestable("The sweep has a single size of the coefficient.", {})
        groups = list(rows.values())
        means = [np.mean([float(row["accuracy"]) for row in group]) for group in groups]
        rises = any(later > earlier for earlier, later in pairwise(means))
        steps = " → ".join(f"{mean:.1%}" for mean in means)
        why = f"{steps} at |α| = {', '.join(f'{size:g}' for size in rows)}{', not falling all the way' if rises else ''}"
        hurdle = Hurdle(not rises, "It falls in the end, with a step upwards")
        return replace(contrast(own, groups[-1], groups[0]), why=why, hurdles=(hurdle,))

    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        return judged(tested, -1, "Accuracy falls", "Accuracy grows", "No difference between the largest and the smallest is seen")


FALLS = (AccuracyFalls("Accuracy falls as |coefficient| grows", "kv"),)
