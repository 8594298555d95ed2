"""``python -m benchmarks.null [--quick] [--dry]``: how often the statistics are wrong, to docs/statistics.md.

Evaluations without an effect are simulated (a column is one of them) and judged as everything in the project is: by `stats.estimate`,
`stats.max_statistic` and `stats.shares`. Then evaluations with a planted effect, for the power.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from benchmarks.sections import rewrite
from codi_core.evaluation import stats
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.settings import ROOT

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Pair = tuple[float, float]
"""By triple and by template."""
Null = Callable[[np.random.Generator, stats.Clusters, float, Pair, int], Array]
"""Random numbers, clusters, flip rate, shared part of the flips, columns → differences ``[question column]`` whose expectation is 0."""

DOCUMENT, HEADING = ROOT / "docs" / "statistics.md", "## Rates\n"
RATES = (0.02, 0.05, 0.2)
SHARED: dict[str, Pair] = {
    "none": (0.0, 0.0),
    "30 % triple": (0.3, 0.0),
    "60 % triple": (0.6, 0.0),
    "30 % template": (0.0, 0.3),
    "60 % template": (0.0, 0.6),
    "30 % + 30 %": (0.3, 0.3),
}
FEWER = ("none", "60 % triple", "60 % template", "30 % + 30 %")
"""Of SHARED, where a number takes long."""
CELLS, DRAWS = 40, 500
MOST = 0.07
"""No rate may be above, up to the error of the simulation."""
GAIN, WRONG, POWER = 0.08, 0.2, 0.8
"""Planted effect, the share of wrong answers before it, and how often it has to be found in the first of the structures."""
FAILS = "FAILS"


# Clusters


def structures() -> dict[str, stats.Clusters]:
    """By triple and by template, ``[question]`` each."""
    rng = np.random.default_rng(1)
    drawn, few = rng.permutation(150 * 20)[:300], np.arange(8 * 6 * 5)
    half = np.r_[np.zeros(200, int), 1 + np.arange(200) // 5]
    own = np.arange(300)
    return {
        "50 × 20, n = 1,000": templates(1_000),  # all of `templates`
        "150 × 20, n = 300": (drawn % 150, drawn // 150),
        "few: 8 × 6, n = 240": (few % 8, few // 8 % 6),
        "one triple is half, n = 400": (half, rng.integers(0, 20, 400)),
        "Pareto sizes, n = 600": (pareto(rng, 600, 60), pareto(rng, 600, 30)),
        "independent, n = 300": (own, own),
    }


def further() -> dict[str, stats.Clusters]:
    """What the method was not made for."""
    own = np.arange(400)
    return {
        "three triples of a quarter, n = 400": (np.r_[np.repeat([0, 1, 2], 100), 3 + np.arange(100) // 2], own),
        "two triples of 40 % × 20, n = 400": (np.r_[np.repeat([0, 1], 160), 3 + np.arange(80) // 2], own % 20),
        "5 × 4, n = 200": (own[:200] % 5, own[:200] // 5 % 4),
        "4 triples, n = 400": (own % 4, own),
    }


def templates(n: int) -> stats.Clusters:
    return clusters_of(load_eval_set("templates", n, 0)[1])


def pareto(rng: np.random.Generator, n: int, groups: int) -> Labels:
    """Sizes at the middle of ``groups`` equal parts of Pareto's law with α = 1: the largest cluster is about a third."""
    sizes = 1 / (np.arange(groups) + 0.5)
    return rng.choice(groups, n, p=sizes / sizes.sum())


# Nulls


def signs(rng: np.random.Generator, labels: npt.NDArray[np.generic], columns: int) -> Array:
    """``[question column]``: one sign a cluster."""
    codes = np.unique(labels, return_inverse=True)[1]
    return rng.choice([-1.0, 1.0], (codes.max() + 1, columns))[codes]


def flips(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Every question changes with probability ``rate``; a ``shared`` part of the changes go the way of their cluster."""
    shape, (triple, template) = (len(clusters[0]), columns), shared
    which = rng.random(shape)
    own = np.where(which < triple + template, signs(rng, clusters[1], columns), signs(rng, np.arange(shape[0]), columns))
    return np.where(which < triple, signs(rng, clusters[0], columns), own) * (rng.random(shape) < rate)


def whole_clusters(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """The shared part comes as few clusters of which half the questions change, all one way."""
    found = flips(rng, clusters, rate * (1 - sum(shared)), (0.0, 0.0), columns)
    for labels, part in zip(clusters, shared, strict=True):
        codes = np.unique(labels, return_inverse=True)[1]
        hit = (rng.random((codes.max() + 1, columns)) < 2 * rate * part)[codes] & (rng.random(found.shape) < 0.5)
        found = np.where(hit, signs(rng, labels, columns), found)
    return found


def heavy_tails(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """How many questions of a cluster change is log-normal; which way, as in `flips`."""
    weight = np.ones((len(clusters[0]), columns))
    for labels, part in zip(clusters, shared, strict=True):
        codes = np.unique(labels, return_inverse=True)[1]
        if part:
            weight *= np.exp(rng.normal(-1.125, 1.5, (codes.max() + 1, columns)))[codes]
    return flips(rng, clusters, 1.0, shared, columns) * (rng.random(weight.shape) < np.minimum(rate * weight, 1))


def opposite_signs(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Clusters of one kind come in pairs that go opposite ways (a template and its reverse)."""
    codes = [np.unique(labels, return_inverse=True)[1] for labels in clusters]
    found = flips(rng, clusters, rate, (0.0, 0.0), columns)
    for own, part in zip(codes, shared, strict=True):
        way = signs(rng, own // 2, columns) * np.where(own % 2, 1, -1)[:, None]
        found = np.where(rng.random(found.shape) < part, way * np.abs(found), found)
    return found


def margins(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Real values with Student's t₃ tails, of questions and of clusters; ``rate`` of them are not 0."""
    found = np.sqrt(1 - sum(shared)) * rng.standard_t(3, (len(clusters[0]), columns))
    for labels, part in zip(clusters, shared, strict=True):
        codes = np.unique(labels, return_inverse=True)[1]
        found += np.sqrt(part) * rng.standard_t(3, (codes.max() + 1, columns))[codes]
    return found * (rng.random(found.shape) < rate)


def averages(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Means of five conditions, as in the claims."""
    found = flips(rng, clusters, rate, shared, 5 * columns)
    return found.reshape(len(found), columns, 5).mean(2)


def one_sided(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Single questions are fixed, and one triple in twenty loses half of what it has: 0 on average, but nothing like symmetric."""
    codes = np.unique(clusters[0], return_inverse=True)[1]
    broken = (rng.random((codes.max() + 1, columns)) < 0.05)[codes]
    changed = rng.random(broken.shape)
    return np.where(broken, -1.0 * (changed < 0.5), 1.0 * (changed < 0.05 * 0.5 / 0.95))


def latent(rng: np.random.Generator, clusters: stats.Clusters, rate: float, shared: Pair, columns: int) -> Array:
    """Right (1) or wrong, right with probability ``rate``; parts of the variance of a latent difficulty are shared."""
    found = np.sqrt(1 - sum(shared)) * rng.normal(size=(len(clusters[0]), columns))
    for labels, part in zip(clusters, shared, strict=True):
        codes = np.unique(labels, return_inverse=True)[1]
        found += np.sqrt(part) * rng.normal(size=(codes.max() + 1, columns))[codes]
    return (found < norm.ppf(rate)).astype(float)


def planted(rng: np.random.Generator, clusters: stats.Clusters, shared: Pair, columns: int) -> Array:
    """GAIN more right answers on average, while 5 % of the questions flip for no reason."""
    wrong = rng.random((len(clusters[0]), columns)) < WRONG
    noise = flips(rng, clusters, 0.05, shared, columns)
    noise = np.where(noise == np.where(wrong, 1, -1), noise, 0)  # only what is wrong can be fixed, only what is right can break
    lost = 0.025 * (1 - 2 * WRONG)  # what the noise costs on average: more is right than wrong
    fixed = wrong & (noise == 0) & (rng.random(wrong.shape) < (GAIN + lost) / (WRONG * (1 - 0.025)))
    return np.where(fixed, 1.0, noise)


# Rates


class Rates:
    """Finds rates and remembers the largest ones, and whether interval and p ever said different things."""

    def __init__(self, runs: int, grids: int) -> None:
        self.rng, self.runs, self.grids = np.random.default_rng(2), runs, grids
        self.judged = self.contradictions = 0

    def verdicts(self, differences: Array, clusters: stats.Clusters) -> float:
        found = stats.estimate(differences, clusters)
        outside = (found.low > 0) | (found.high < 0)
        self.judged += found.p.size
        self.contradictions += int((outside != (found.p < 0.05)).sum())
        return float((found.p < 0.05).mean())

    def verdict(self, null: Null, clusters: stats.Clusters, rate: float, shared: Pair) -> float:
        return self.verdicts(null(self.rng, clusters, rate, shared, self.runs), clusters)

    def any_of_grid(self, null: Null, clusters: stats.Clusters, rate: float, shared: Pair) -> float:
        wrong = 0
        for run in range(self.grids):
            cells = null(self.rng, clusters, rate, shared, CELLS)
            if run % 2:  # neighbouring cells are alike, as those of a sweep
                cells[:, 1::2] = np.where(self.rng.random(cells[:, ::2].shape) < 0.7, cells[:, ::2], cells[:, 1::2])
            wrong += bool((stats.max_statistic(cells, clusters, DRAWS, seed=run) < 0.05).any())
        return wrong / self.grids

    def coverage(self, clusters: stats.Clusters, rate: float, shared: Pair) -> float:
        _, low, high, _ = stats.shares(latent(self.rng, clusters, rate, shared, self.runs), clusters)
        return float(((low <= rate) & (rate <= high)).mean())


def table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def percent(rate: float) -> str:
    return f"{100 * rate:.1f}"


def verdict_rows(rates: Rates, worst: list[float]) -> Iterator[Sequence[str]]:
    for name, clusters in structures().items():
        for rate in RATES:
            found = [rates.verdict(flips, clusters, rate, shared) for shared in SHARED.values()]
            worst += found
            yield name, f"{rate:.0%}", *map(percent, found)


def grid_rows(rates: Rates, worst: list[float]) -> Iterator[Sequence[str]]:
    for name, clusters in structures().items():
        for rate in RATES:
            found = [rates.any_of_grid(flips, clusters, rate, SHARED[part]) for part in FEWER]
            worst += found
            yield name, f"{rate:.0%}", *map(percent, found)


NULLS: dict[str, Null] = {
    "whole clusters hit": whole_clusters,
    "heavy tails": heavy_tails,
    "opposite signs": opposite_signs,
    "margins, t₃": margins,
    "means of five": averages,
}


def other_rows(rates: Rates) -> Iterator[Sequence[str]]:
    """The largest rate over two flip rates and four ways of sharing; `one_sided` has neither."""
    for name, clusters in (structures() | further()).items():
        found = [
            max(rates.verdict(null, clusters, rate, SHARED[part]) for rate in RATES[1:] for part in FEWER)
            for null in (flips, *NULLS.values())
        ]
        yield name, *map(percent, [*found, rates.verdict(one_sided, clusters, 0.0, (0.0, 0.0))])


def coverage_rows(rates: Rates) -> Iterator[Sequence[str]]:
    parts: tuple[Pair, ...] = ((0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.2, 0.2), (0.5, 0.0), (0.3, 0.3))
    for name, clusters in structures().items():
        for rate in (0.5, 0.8, 0.95, 0.99):
            yield name, f"{rate:.0%}", *(percent(rates.coverage(clusters, rate, part)) for part in parts)


def power_rows(rates: Rates, powers: dict[str, float]) -> Iterator[Sequence[str]]:
    for name, clusters in (structures() | {"50 × 20, n = 300": templates(300)} | further()).items():
        powers[name] = rates.verdicts(planted(rates.rng, clusters, (0.3, 0.3), rates.runs), clusters)
        found = 0
        for run in range(rates.grids):
            cells = flips(rates.rng, clusters, 0.05, (0.3, 0.3), CELLS)
            cells[:, :1] = planted(rates.rng, clusters, (0.3, 0.3), 1)
            found += bool(stats.max_statistic(cells, clusters, DRAWS, seed=run)[0] < 0.05)
        yield name, percent(powers[name]), percent(found / rates.grids)


def document(runs: int, grids: int) -> Iterator[str]:
    """Part by part, as they are found."""
    rates, verdicts, grid, powers = Rates(runs, grids), list[float](), list[float](), dict[str, float]()
    yield HEADING
    yield f"Made by `python -m benchmarks.null`: {runs:,} evaluations or {grids:,} grids a number, all in percent."
    yield "\n### An effect is seen where there is none\n"
    yield table(("clusters", "flips", *SHARED), verdict_rows(rates, verdicts))
    yield f"\nAny of {CELLS} cells has p_max < .05 where none has an effect:\n"
    yield table(("clusters", "flips", *FEWER), grid_rows(rates, grid))
    yield "\n### Other ways of having no effect\n\nThe largest rate over flips of 5 and 20 %, shared as in the last table.\n"
    yield table(("clusters", "flips", *NULLS, "one-sided"), other_rows(rates))
    yield "\n### The interval of an accuracy holds the truth\n\nBy shared variance of the difficulty, triple / template.\n"
    yield table(("clusters", "accuracy", "none", "20 / 0", "0 / 20", "20 / 20", "50 / 0", "30 / 30"), coverage_rows(rates))
    yield f"\n### A planted +{100 * GAIN:.0f} points is found\n\n5 % of the questions flip besides, 30 % + 30 % of these shared.\n"
    yield table(("clusters", "by the verdict", f"as one of {CELLS} cells"), power_rows(rates, powers))
    for what, found, n in (("verdict", verdicts, runs), ("grid", grid, grids)):
        error = 2 * np.sqrt(MOST * (1 - MOST) / n)
        word = "holds" if max(found) <= MOST + error else FAILS
        yield f"\n{word}: the largest rate of the {what} table is {percent(max(found))}, at most {percent(MOST)} ± {percent(error)}."
    name, power = next(iter(powers.items()))
    yield f"\n{'holds' if power >= POWER else FAILS}: the planted effect is found in {percent(power)} ({name}), at least {percent(POWER)}."
    word = FAILS if rates.contradictions else "holds"
    yield f"\n{word}: interval and p said different things in {rates.contradictions:,} of {rates.judged:,} evaluations."


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks.null", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs (two minutes of a processor), and print only")
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    parts = []
    for part in document(200, 30) if args.quick else document(1_000, 150):
        print(part, flush=True)
        parts.append(part)
    text = "\n".join(parts) + "\n"
    if not (args.quick or args.dry):
        rewrite(DOCUMENT, text)
    return int(FAILS in text)


if __name__ == "__main__":
    sys.exit(main())
