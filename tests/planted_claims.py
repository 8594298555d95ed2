"""A made-up sweep for every verdict of every kind of claim. A new kind of claim brings its four here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from codi_core.services.sweeps.claims import Claim, Evidence, Ruling
from codi_core.services.sweeps.claims.best import PairsAreBest
from codi_core.services.sweeps.claims.cells import CellBeats
from codi_core.services.sweeps.claims.falls import AccuracyFalls
from codi_core.services.sweeps.claims.like_random import LikeRandom
from codi_core.services.sweeps.claims.never import NeverBetter
from codi_core.services.sweeps.claims.one_sign import OneSignHelps
from codi_core.sweeps.spec import SweepSpec
from tests import sweep_tables
from tests.sweep_tables import Change, nothing

QUESTIONS = 300
OWN = {"randoms": 8, "shuffled": 2, "indices": (5,)}
"""Every cell has as many random directions of its own length as a percentile needs: each is pushed both ways."""
FEW = {"randoms": 6, "shuffled": 2, "indices": (5,)}
"""No cell has."""
NEARLY_ALL_RIGHT = 1.19
"""Base at which 2 or 3 of the questions are wrong after 5 of 6 passes."""
Plant = Callable[[Any], Evidence]
"""A claim → the sweep on which it must get a verdict."""

_spec = cache(sweep_tables.spec)


def evidence(
    preset: str, change: Change = nothing, base: float = 0.6, noise: float = 0.002, random: Change = nothing, **axes: Any
) -> Evidence:
    """A table whose accuracies differ by ``change``, and answers that are right in these shares."""
    spec: SweepSpec = _spec(preset, QUESTIONS, **axes)
    table = sweep_tables.table(spec, change, noise, base, random)
    luck = np.random.default_rng(0).permutation((np.arange(QUESTIONS) + 0.5) / QUESTIONS)  # the same are easy under every condition
    correct = luck[:, None] < table.cells["accuracy"].to_numpy()
    return Evidence(table, correct, (np.arange(QUESTIONS) // 3, np.arange(QUESTIONS)))


def kv(change: Change = nothing, base: float = 0.6, random: Change = nothing, **axes: Any) -> Evidence:
    return evidence("post-kv", change, base, random=random, **{**FEW, "coefficients": (-1.0, -0.5, 0.5, 1.0), **axes})


def hidden(change: Change = nothing, base: float = 0.6, random: Change = nothing, **axes: Any) -> Evidence:
    return evidence("post-hidden", change, base, random=random, **{**OWN, "coefficients": (-5.0, 5.0), **axes})


def on_cell(claim: CellBeats, size: float) -> Change:
    return lambda cell: size * ((cell.a, cell.b, cell.coefficient) == (claim.a, claim.b, claim.coefficient))


def on_pairs(claim: PairsAreBest, size: float) -> Change:
    return lambda cell: size * ((cell.a, cell.b) in claim.pairs and cell.coefficient == claim.coefficient)


def by_size(steps: Mapping[float, float]) -> Change:
    return lambda cell: steps[abs(cell.coefficient)]


def by_sign(plus: float, minus: float) -> Change:
    return lambda cell: (plus if cell.coefficient > 0 else minus) * ((cell.a, cell.b) == (2, 4))


def on_one(size: float) -> Change:
    return lambda cell: size * ((cell.a, cell.b) == (3, 4) and cell.coefficient > 0)


def everywhere(size: float) -> Change:
    return lambda cell: size


PLANTED: dict[type[Claim], dict[Ruling, Plant]] = {
    CellBeats: {
        "reproduced": lambda claim: kv(on_cell(claim, 0.12), **OWN),
        "not reproduced": lambda claim: kv(),
        "reversed": lambda claim: kv(on_cell(claim, -0.12)),
        "not testable": lambda claim: kv(base=NEARLY_ALL_RIGHT),
    },
    PairsAreBest: {
        "reproduced": lambda claim: kv(on_pairs(claim, 0.15)),
        "not reproduced": lambda claim: kv(),
        "reversed": lambda claim: kv(on_pairs(claim, -0.15)),
        "not testable": lambda claim: kv(indices=(3, 4)),
    },
    AccuracyFalls: {
        "reproduced": lambda claim: kv(by_size({0.5: -0.1, 1: -0.3})),
        "not reproduced": lambda claim: kv(),
        "reversed": lambda claim: kv(by_size({0.5: -0.3, 1: -0.1})),
        "not testable": lambda claim: kv(coefficients=(-1.0, 1.0)),
    },
    OneSignHelps: {
        "reproduced": lambda claim: kv(by_sign(0.1, -0.1)),
        "not reproduced": lambda claim: kv(by_sign(0.1, 0.004)),
        "reversed": lambda claim: kv(by_sign(0.1, 0.1)),
        "not testable": lambda claim: kv(),
    },
    NeverBetter: {
        "reproduced": lambda claim: hidden(everywhere(-0.1), **FEW),
        "not reproduced": lambda claim: hidden(on_one(0.2), random=everywhere(0.3)),
        "reversed": lambda claim: hidden(on_one(0.2)),
        "not testable": lambda claim: hidden(everywhere(-0.1), NEARLY_ALL_RIGHT),
    },
    LikeRandom: {
        "reproduced": lambda claim: hidden(everywhere(-0.02), random=everywhere(-0.02)),
        "not reproduced": lambda claim: hidden(on_one(0.45)),
        "reversed": lambda claim: hidden(everywhere(-0.25)),
        "not testable": lambda claim: hidden(**FEW),
    },
}
