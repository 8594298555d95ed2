"""The claims of the posts put to the test on stored sweeps. Every verdict is computed, by the rules in RULES, and never typed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pyarrow import compute, parquet

from codi_core.evaluation.run import clusters_of
from codi_core.evaluation.stats import Clusters, bootstrap_interval, clustered_t, holm
from codi_core.figures.sweeps import ALPHA, Against, Grid, Reading, Row, pair_name, signed
from codi_core.services.steer import questions_of
from codi_core.services.sweeps import SweepRequest, sweep_command
from codi_core.store import Store
from codi_core.sweeps.units import ROWS, SWEEPS
from codi_core.types import SweepTable

Verdict = Literal["reproduced", "not reproduced", "reversed", "not testable"]
Family = Literal["kv", "hidden"]
Kind = Literal["beats", "best", "falls", "one sign", "never", "like random"]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

OUTSIDE = 97.5
"""Percentile in the random band from which on random directions do not do as much."""
EQUAL = 0.05
"""Differences of accuracy smaller than this are no difference, where a claim says that there is none."""
FEWEST_WRONG = 6
"""Questions that must be wrong unsteered: fixing five and breaking none still has p = .06."""
COMBINATIONS: tuple[tuple[Reading, Against], ...] = (("B-A", "same"), ("B-A", "all"), ("A-B", "same"), ("A-B", "all"))
"""Reading of "A−B" and baseline. The first one is the posts' code, and decides."""
SETTINGS: dict[str, dict[Family, str]] = {
    "post": {"kv": "post-kv", "hidden": "post-hidden"},
    "corrected": {"kv": "corrected-kv", "hidden": "corrected-hidden"},
}
"""Sweep presets by how the experiments are done: as in the posts, or with their flaws corrected."""


@dataclass(frozen=True)
class Claim:
    kind: Kind
    family: Family
    text: str
    pairs: tuple[tuple[int, int], ...] = ()
    """Pairs it is about, A first; none named: all."""
    coefficient: float = 0.0
    """As the posts say it; 0: all."""
    index: int = 0
    """0: all."""


COLUMN = 5
"""The posts' column: the index that is steered."""
HELPFUL: dict[float, tuple[tuple[int, int], ...]] = {
    0.5: ((1, 2), (1, 5), (2, 3), (2, 4), (3, 5), (4, 5)),
    1.0: ((1, 2), (1, 5), (2, 3), (2, 4), (3, 5), (4, 5)),
    -1.0: ((1, 4), (1, 6), (4, 6), (5, 6)),
}


def _beats(a: int, b: int, coefficient: float) -> Claim:
    text = f"{pair_name(a, b)} at {signed(coefficient)} beats the baseline"
    return Claim("beats", "kv", text, ((a, b),), coefficient, COLUMN)


CLAIMS: tuple[Claim, ...] = (
    *(_beats(*pair, coefficient) for coefficient, pairs in HELPFUL.items() for pair in pairs),
    Claim("best", "kv", "Pairs with A = 2 are the best sources (+0.5)", tuple((2, b) for b in (3, 4, 5, 6)), 0.5, COLUMN),
    Claim("best", "kv", "“6 minus an earlier latent” is best on the negative side (−1)", tuple((a, 6) for a in range(1, 6)), -1.0, COLUMN),
    Claim("falls", "kv", "Accuracy falls as |coefficient| grows"),
    Claim("one sign", "kv", "No pair helps with both signs", index=COLUMN),
    Claim("never", "hidden", "Hidden-state steering never beats the baseline"),
    Claim("like random", "hidden", "Hidden-state steering ends like random patching"),
)

RULES: dict[Kind, dict[str, str]] = {
    "beats": {
        "tested": "The cell's difference to its baseline.",
        "reproduced": f"Positive, adjusted p < {ALPHA}, and above the random band (percentile ≥ {OUTSIDE}).",
        "reversed": f"Negative with adjusted p < {ALPHA}.",
    },
    "best": {
        "tested": "Mean accuracy of the named pairs minus that of all other pairs, same site and coefficient.",
        "reproduced": f"Positive with adjusted p < {ALPHA}.",
        "reversed": f"Negative with adjusted p < {ALPHA}.",
    },
    "falls": {
        "tested": "Mean accuracy at the largest |coefficient| minus at the smallest, over all pairs, sites and both signs.",
        "reproduced": f"Negative with adjusted p < {ALPHA}, and no step upwards on the way.",
        "reversed": f"Positive with adjusted p < {ALPHA}.",
    },
    "one sign": {
        "tested": "For every pair and |coefficient| the smaller of its two effects; the largest of these is shown.",
        "reproduced": "Some pair helps with one sign (max-statistic p < .05) and the other sign of none of these is positive.",
        "reversed": "A pair helps with both signs, both with max-statistic p < .05.",
    },
    "never": {
        "tested": "The best cell of the whole grid.",
        "reproduced": "No cell is positive with max-statistic p < .05.",
        "reversed": f"A cell is, and lies above the random band (percentile ≥ {OUTSIDE}).",
    },
    "like random": {
        "tested": "Mean accuracy at the largest |coefficient| minus that of the random directions of the same size, over all sites.",
        "reproduced": f"The interval lies within ±{100 * EQUAL:.0f} points.",
        "reversed": f"The interval lies wholly beyond ±{100 * EQUAL:.0f} points.",
    },
}
"""By kind of claim: what is tested and what makes which verdict. Everything between is "not reproduced"."""
ADJUSTED = (
    "Adjusted p: Holm over all claims of one reading and one baseline. The claims name their cells in advance, so they are the family, "
    "not the grid; where a claim is about any cell of the grid, the max-statistic over the grid takes its place."
)
UNTESTABLE = (
    "Not testable: no such sweep is stored, the model does not have the site or the pair, there are no random directions to compare with, "
    f"fewer than {FEWEST_WRONG} questions are wrong unsteered, or no pair helps at all where the claim is about how they help."
)


@dataclass(frozen=True)
class Tested:
    """One claim in one reading against one baseline."""

    effect: float
    low: float
    high: float
    p: float
    adjusted: float
    percentile: float
    """In the random band; NaN where the claim is not about one cell."""
    verdict: Verdict
    why: str
    place: int | None = None
    """Cell of the sweep that it is about, or that it is shown by."""


@dataclass(frozen=True)
class Finding:
    claim: Claim
    tests: Mapping[tuple[Reading, Against], Tested]
    """Those that could be computed."""
    verdict: Verdict
    """In the reading of the posts' code, against their baseline (as many passes)."""
    why: str
    needed: str
    """The command that would make it testable; empty when it is."""
    sweep: str
    """Key of the sweep it was tested on; empty when there is none."""

    def test(self, reading: Reading = "B-A", against: Against = "same") -> Tested | None:
        return self.tests.get((reading, against))


@dataclass(frozen=True, eq=False)
class Evidence:
    """A stored sweep with who was right under which condition."""

    table: SweepTable
    correct: Bools
    """``[question place]``"""
    clusters: Clusters

    @cached_property
    def grids(self) -> dict[Reading, Grid]:
        """Of the first variant, in both readings."""
        cells = self.table.cells
        variant = str(cells.loc[cells["role"] == "cell", "variant"].iloc[0])
        return {reading: Grid(cells, variant, reading) for reading in ("B-A", "A-B")}


def evidence(store: Store, table: SweepTable) -> Evidence:
    """Raises ArtifactError, and DataError when the questions are not to be had."""
    questions = questions_of(table.eval_set.name, table.eval_set.n, table.eval_set.seed)[1]
    rows = parquet.read_table(store.read(SWEEPS, table.key).file(ROWS), columns=["place", "number", "outcome"])
    correct = np.zeros((len(questions), len(table.cells)), bool)
    correct[rows["number"].to_numpy(), rows["place"].to_numpy()] = compute.equal(rows["outcome"], "correct").to_numpy()
    return Evidence(table, correct, clusters_of(questions))


@dataclass(frozen=True)
class _Untestable(Exception):
    why: str
    needed: dict[str, Any]
    """What the request of a sweep would have to say."""


def findings_of(found: Mapping[Family, Evidence | None], model: str, eval_set: str, setting: str = "post") -> list[Finding]:
    """Every claim, in order. ``found``: the sweeps of one model on one eval set, None where none is stored."""
    raw = [_raw(claim, found.get(claim.family)) for claim in CLAIMS]
    adjusted = _adjust(raw)
    findings = []
    for claim, tests in zip(CLAIMS, adjusted, strict=True):
        own = found.get(claim.family)
        if isinstance(tests, _Untestable):
            request = SweepRequest(model, SETTINGS[setting][claim.family], eval_set)
            needed = sweep_command(replace(request, **tests.needed))
            findings.append(Finding(claim, {}, "not testable", tests.why, needed, own.table.key if own else ""))
        else:
            judged = {key: _judged(claim, test) for key, test in tests.items()}
            main = judged[COMBINATIONS[0]]
            findings.append(Finding(claim, judged, main.verdict, main.why, "", own.table.key if own else ""))
    return findings


Tests = dict[tuple[Reading, Against], Tested]


def _raw(claim: Claim, own: Evidence | None) -> Tests | _Untestable:
    if own is None:
        return _Untestable("No such sweep is stored for this model and eval set.", {})
    tests: Tests = {}
    for reading, against in COMBINATIONS:
        try:
            tests[reading, against] = METHODS[claim.kind](claim, own, reading, against)
        except _Untestable as reason:
            if (reading, against) == COMBINATIONS[0]:
                return reason
    return tests


def _adjust(raw: Sequence[Tests | _Untestable]) -> list[Tests | _Untestable]:
    """Holm over the claims that have a p of their own, each reading and baseline for itself."""
    done = [tests if isinstance(tests, _Untestable) else dict(tests) for tests in raw]
    for key in COMBINATIONS:
        family = [tests for tests in done if not isinstance(tests, _Untestable) and key in tests and np.isnan(tests[key].adjusted)]
        with_p = [tests for tests in family if np.isfinite(tests[key].p)]
        for tests, p in zip(with_p, holm([tests[key].p for tests in with_p]) if with_p else [], strict=True):
            tests[key] = replace(tests[key], adjusted=float(p))
    return done


# What is tested


def _cell(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    ((a, b),) = claim.pairs
    row = own.grids[reading].at(a, b, claim.index, claim.coefficient)
    if row is None:
        raise _Untestable(_absent(own, f"{pair_name(a, b)} at index {claim.index}"), {"passes": max(6, own.table.rollout.passes)})
    suffix = "_all" if against == "all" else ""
    wrong = round(float(row["n"]) * (1 - float(row["accuracy"]) + float(row["delta" + suffix])))
    if wrong < FEWEST_WRONG:
        raise _Untestable(f"Only {wrong} of {row['n']:,} questions are wrong unsteered: too few to be fixed.", {"eval_set": "wordings"})
    if np.isnan(row["percentile"]):
        raise _Untestable("No random directions were run to compare with.", {"randoms": 20})
    return _test_of(row, suffix)


def _test_of(row: Row, suffix: str, adjusted: float = np.nan) -> Tested:
    effect, low, high, p = (float(row[f"{name}{suffix}"]) for name in ("delta", "delta_low", "delta_high", "p"))
    return Tested(effect, low, high, p, adjusted, float(row["percentile"]), "not testable", "", int(row["place"]))


def _absent(own: Evidence, what: str) -> str:
    refused = f" ({own.table.refused[0]})" if own.table.refused else ""
    return f"The sweep has no {what}: it runs {own.table.rollout.passes} passes{refused}."


def _best(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    grid = own.grids[reading]
    rows = {pair: grid.at(*pair, claim.index, claim.coefficient) for pair in grid.pairs}
    named = [row for pair, row in rows.items() if row is not None and pair in claim.pairs]
    others = [row for pair, row in rows.items() if row is not None and pair not in claim.pairs]
    if not named or not others:
        raise _Untestable(_absent(own, f"index {claim.index} with these pairs"), {"passes": max(6, own.table.rollout.passes)})
    return _contrast(own, named, others, max(named, key=lambda row: float(row["delta"])))


def _falls(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    rows, sizes = _sizes(own, reading)
    if len(sizes) < 2:
        raise _Untestable("The sweep has a single size of the coefficient.", {})
    test = _contrast(own, rows[sizes[-1]], rows[sizes[0]])
    means = [np.mean([float(row["accuracy"]) for row in rows[size]]) for size in sizes]
    steps = " → ".join(f"{mean:.1%}" for mean in means)
    rises = any(later > earlier for earlier, later in pairwise(means))
    return replace(test, why=f"{steps} at |α| = {', '.join(f'{size:g}' for size in sizes)}{RISES if rises else ''}")


RISES = ", not falling all the way"


def _sizes(own: Evidence, reading: Reading) -> tuple[dict[float, list[Row]], list[float]]:
    rows: dict[float, list[Row]] = {}
    for row in own.grids[reading].rows.values():
        rows.setdefault(abs(float(row["coefficient"])), []).append(row)
    return rows, sorted(rows)


def _one_sign(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    grid, suffix = own.grids[reading], "_all" if against == "all" else ""
    delta, p = f"delta{suffix}", f"p_max{suffix}"
    both = [
        (plus, minus)
        for a, b in grid.pairs
        for size in sorted({abs(c) for c in grid.coefficients})
        if (plus := grid.at(a, b, claim.index, size)) and (minus := grid.at(a, b, claim.index, -size))
    ]
    if not both:
        raise _Untestable(_absent(own, f"index {claim.index} with both signs"), {"passes": max(6, own.table.rollout.passes)})
    helped = [pair for pair in both if any(float(row[delta]) > 0 and float(row[p]) < ALPHA for row in pair)]
    if not helped:
        raise _Untestable(
            "No pair helps with either sign, so there is nothing to tell the signs apart by.", {"eval_set": "bundled", "n": 5000}
        )
    plus, minus = max(helped, key=lambda pair: min(float(row[delta]) for row in pair))
    weaker = min((plus, minus), key=lambda row: float(row[delta]))
    percentile = min(float(plus["percentile"]), float(minus["percentile"]))
    name = f"{pair_name(int(plus['a']), int(plus['b']))} at ±{abs(float(plus['coefficient'])):g}"
    adjusted = max(float(plus[p]), float(minus[p]))
    return replace(_test_of(weaker, suffix, adjusted), percentile=percentile, why=f"The weaker sign of {name}; {len(helped)} helped")


def _never(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    suffix = "_all" if against == "all" else ""
    rows = list(own.grids[reading].rows.values())
    better = [row for row in rows if float(row["delta" + suffix]) > 0 and float(row["p_max" + suffix]) < ALPHA]
    if rows and np.isnan(rows[0]["percentile"]):
        raise _Untestable("No random directions were run to compare with.", {"randoms": 20})
    best = max(better or rows, key=lambda row: (bool(better) and float(row["percentile"]) >= OUTSIDE, float(row["delta" + suffix])))
    test = _test_of(best, suffix, float(best["p_max" + suffix]))
    name = f"{pair_name(int(best['a']), int(best['b']))} at index {best['index']}, {signed(float(best['coefficient']))}"
    return replace(test, why=f"Best of {len(rows):,} cells: {name}")


def _like_random(claim: Claim, own: Evidence, reading: Reading, against: Against) -> Tested:
    rows, sizes = _sizes(own, reading)
    controls = own.table.cells[own.table.cells["role"].isin(["random", "shuffled"]) & (own.table.cells["coefficient"].abs() == sizes[-1])]
    if controls.empty:
        raise _Untestable("No random directions were run to compare with.", {"randoms": 20})
    test = _contrast(own, rows[sizes[-1]], controls.to_dict("records"))  # type: ignore[arg-type]
    mean = np.mean([float(row["accuracy"]) for row in rows[sizes[-1]]])
    band = controls["accuracy"].to_numpy(float)
    percentile = float(100 * ((band < mean).mean() + 0.5 * (band == mean).mean()))
    why = f"{mean:.1%} at |α| = {sizes[-1]:g}, random directions {band.mean():.1%}"
    return replace(test, adjusted=test.p, percentile=percentile, why=why)


def _contrast(own: Evidence, first: Sequence[Row], second: Sequence[Row], shown: Row | None = None) -> Tested:
    """Mean accuracy of some conditions minus that of others, question by question: both baselines give the same."""
    values = mean_right(own, first) - mean_right(own, second)
    effect, low, high, p = estimate(values, own.clusters)
    return Tested(effect, low, high, p, np.nan, np.nan, "not testable", "", int(shown["place"]) if shown else None)


def mean_right(own: Evidence, rows: Sequence[Row]) -> Floats:
    """``[question]``"""
    share: Floats = own.correct[:, [int(row["place"]) for row in rows]].mean(1)
    return share


def estimate(values: Floats, clusters: Clusters) -> tuple[float, float, float, float]:
    """Mean, interval and p."""
    low, high = bootstrap_interval(values, clusters)
    return float(values.mean()), float(low), float(high), float(clustered_t(values, clusters)[1])


METHODS: dict[Kind, Callable[[Claim, Evidence, Reading, Against], Tested]] = {
    "beats": _cell,
    "best": _best,
    "falls": _falls,
    "one sign": _one_sign,
    "never": _never,
    "like random": _like_random,
}


# The verdict: the code of RULES


def _judged(claim: Claim, test: Tested) -> Tested:
    verdict, why = JUDGES[claim.kind](test)
    return replace(test, verdict=verdict, why=f"{test.why}. {why}" if test.why else why)


def _judge_cell(test: Tested) -> tuple[Verdict, str]:
    clear = test.adjusted < ALPHA
    if clear and test.effect > 0:
        if test.percentile >= OUTSIDE:
            return "reproduced", "Clearly better than the baseline, and than random directions"
        return "not reproduced", f"Better than the baseline, but random directions do as much (percentile {test.percentile:.0f})"
    if clear:
        return "reversed", "Clearly worse than the baseline"
    return "not reproduced", "No difference to the baseline is seen"


def _judge_best(test: Tested) -> tuple[Verdict, str]:
    if test.adjusted >= ALPHA:
        return "not reproduced", "No difference to the other pairs is seen"
    return ("reproduced", "Clearly better than the other pairs") if test.effect > 0 else ("reversed", "Clearly worse than the other pairs")


def _judge_falls(test: Tested) -> tuple[Verdict, str]:
    if test.adjusted >= ALPHA:
        return "not reproduced", "No difference between the largest and the smallest is seen"
    if test.effect > 0:
        return "reversed", "Accuracy grows"
    return ("not reproduced", "It falls in the end, with a step upwards") if test.why.endswith(RISES) else ("reproduced", "Accuracy falls")


def _judge_one_sign(test: Tested) -> tuple[Verdict, str]:
    if test.effect > 0 and test.adjusted < ALPHA:
        return "reversed", "Both signs help"
    return ("not reproduced", "It may help too") if test.effect > 0 else ("reproduced", "It does not help")


def _judge_never(test: Tested) -> tuple[Verdict, str]:
    if not (test.effect > 0 and test.adjusted < ALPHA):
        return "reproduced", "Not clearly better than the baseline"
    if test.percentile >= OUTSIDE:
        return "reversed", "Clearly better than the baseline, and than random directions"
    return "not reproduced", "Better than the baseline, but random directions do as much"


def _judge_like_random(test: Tested) -> tuple[Verdict, str]:
    if max(-test.low, test.high) < EQUAL:
        return "reproduced", "The same within 5 points"
    if test.low >= EQUAL or test.high <= -EQUAL:
        return "reversed", "More than 5 points apart"
    return "not reproduced", "The interval leaves both open"


JUDGES: dict[Kind, Callable[[Tested], tuple[Verdict, str]]] = {
    "beats": _judge_cell,
    "best": _judge_best,
    "falls": _judge_falls,
    "one sign": _judge_one_sign,
    "never": _judge_never,
    "like random": _judge_like_random,
}
