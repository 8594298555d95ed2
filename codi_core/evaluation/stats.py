"""Statistics of right and wrong answers. Questions of one template, or of one triple, stand or fall together: nothing here forgets that.

Values have the shape ``[question …]``; further axes (the cells of a grid) are treated one by one. *Clusters* are one array of labels
``[question]`` for each way of grouping (*kind*), at most two, in practice by triple and by template; questions that belong to no group have
their own label. A kind that puts all questions together, or none, says nothing and is left out.

A mean has one estimate (`estimate`), a share of questions one interval (`shares`), a grid one adjustment for all its cells
(`max_statistic`). What they hold under, by simulation: docs/statistics.md; what was not taken: docs/adr/0003-one-estimate.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv, ndtri, stdtr, stdtrit

from codi_core.values.stats import Clusters, PairedComparison, Share

Array = npt.NDArray[np.float64]

LEVEL = 0.95
REPLICATES = 2_000
ENUMERATED = 12
"""Clusters up to which all ways of dealing them into two halves are tried, 2,048 at most."""
FEWEST_DEALT = 6
"""With fewer clusters even the rarest way of dealing them is no rarer than 1 − LEVEL: 2 / 2⁵."""
COLUMNS = 128
"""Columns whose halves are in memory together."""


class Estimated(NamedTuple):
    """A mean over questions, ``[…]`` each; the 95 % interval leaves out 0 exactly when p < .05."""

    mean: Array
    low: Array
    high: Array
    p: Array
    """Two-sided, of a mean of 0."""

    @property
    def z(self) -> Array:
        """p on the scale of a standard normal variable, with the sign of the mean."""
        z: Array = np.sign(self.mean) * _normal_above(self.p / 2)
        return z


class Bounds(NamedTuple):
    """What one test says: it would not reject means from low to high, and has this p of a mean of 0. ``[column]``"""

    low: Array
    high: Array
    p: Array


# Means and differences


def estimate(values: npt.ArrayLike, clusters: Clusters) -> Estimated:
    """Mean of ``values`` (differences of outcomes, −1, 0 or 1; means of several such; or real values) with its interval and p.

    Three tests, each with the interval it would not reject; the interval is the widest of them on either side and p the largest, so that
    they cannot contradict each other:

    * Student's t on `clustered_variance`, with as many degrees of freedom as `freedom` says.
    * Halves: clusters of a kind, at least FEWEST_DEALT, are dealt into two halves at random (`_halves`), for each kind.
    * Questions on their own: McNemar's exact test for differences of outcomes, halves of the questions for everything else.

    A single question has no spread: its interval is infinite, or all there is for outcomes. Nothing changed at all: 0 to 0, p = 1.
    """
    values = np.asarray(values, float)
    flat = values.reshape(len(values), -1)
    clusters = [np.unique(labels, return_inverse=True)[1] for labels in clusters]  # numbers are told apart faster than words
    outcomes, kinds = np.isin(flat, (-1.0, 0.0, 1.0)).all(0), _informative(clusters)
    found = np.empty((3, flat.shape[1]))
    for exact in np.unique(outcomes):
        labels = kinds if exact else [*kinds, np.arange(len(flat))]
        deals = [(own, _dealt(own.shape[0])) for own in map(_members, labels) if own.shape[0] >= FEWEST_DEALT]
        columns = np.flatnonzero(outcomes == exact)
        for some in np.array_split(columns, math.ceil(len(columns) / COLUMNS)):
            found[:, some] = _widest(flat[:, some], kinds, deals, exact)
    low, high, p = found.reshape(3, *values.shape[1:])
    return Estimated(values.mean(0), low, high, p)


def compare(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], clusters: Clusters) -> PairedComparison:
    """Outcomes of the same questions (``[question]``, true = right) under two conditions; positive delta = b is better.

    Interval and clustered p are those of `estimate`, hence never surer than McNemar's exact ones.
    """
    assert a.shape == b.shape == (len(clusters[0]),)
    difference = b.astype(float) - a.astype(float)
    fixed, broken = int((difference > 0).sum()), int((difference < 0).sum())
    mean, low, high, p = (float(value) for value in estimate(difference, clusters))
    return PairedComparison(
        n=len(a),
        effective_n=float(effective_n(difference, clusters)),
        accuracy_a=float(a.mean()),
        accuracy_b=float(b.mean()),
        delta=mean,
        low=low,
        high=high,
        fixed=fixed,
        broken=broken,
        p_mcnemar=float(mcnemar(fixed, broken)),
        p_clustered=p,
    )


def mcnemar(fixed: npt.ArrayLike, broken: npt.ArrayLike) -> Array:
    """Exact two-sided p of McNemar's test; 1 when no question changed. Elementwise."""
    from scipy.stats import binom  # here: scipy.stats takes half a second to import, and most commands test nothing

    fixed, broken = np.asarray(fixed), np.asarray(broken)
    p: Array = np.minimum(2 * binom.cdf(np.minimum(fixed, broken), fixed + broken, 0.5), 1.0)
    return p


def mcnemar_interval(fixed: npt.ArrayLike, broken: npt.ArrayLike, n: int, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of (fixed − broken) / n given how many of ``n`` questions changed: Clopper & Pearson's of the share that was fixed.

    Elementwise; leaves out 0 exactly when `mcnemar` is below 1 − level.
    """
    fixed, broken, tail = np.asarray(fixed, float), np.asarray(broken, float), (1 - level) / 2
    low = np.where(fixed > 0, betaincinv(np.maximum(fixed, 1), broken + 1, tail), 0.0)
    high = np.where(broken > 0, betaincinv(fixed + 1, np.maximum(broken, 1), 1 - tail), 1.0)
    return (2 * low - 1) * (fixed + broken) / n, (2 * high - 1) * (fixed + broken) / n


# Shares


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL, freedom: float = np.inf) -> tuple[Array, Array]:
    """Wilson's score interval (Wilson 1927) for successes out of n; n may be an effective n. Elementwise.

    With ``freedom`` the quantile is Student's: n was estimated from as few clusters.
    """
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    z2 = _student_below((1 + level) / 2, freedom) ** 2
    center = (successes + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (successes * (n - successes) / n + z2 / 4)) / (n + z2)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)


def shares(hits: npt.ArrayLike, clusters: Clusters) -> tuple[Array, Array, Array, Array]:
    """Share of true values, its 95 % interval (Wilson's, on the effective n) and the effective n: value, low, high, effective n."""
    hits = np.asarray(hits, float)
    n, value = effective_n(hits, clusters), hits.mean(0)
    low, high = wilson(value * n, n, freedom=freedom(clusters))
    return value, low, high, n


def share(hits: npt.ArrayLike, clusters: Clusters) -> Share:
    """`shares` of one column."""
    hits = np.asarray(hits, float)
    value, low, high, n = shares(hits, clusters)
    return Share(float(value), float(low), float(high), len(hits), float(n))


def effective_n(values: npt.ArrayLike, clusters: Clusters) -> Array:
    """Independent questions that would give the mean of ``values`` the same variance: n over the design effect (Kish 1965).

    When all values are equal the design effect cannot be seen and n itself is returned.
    """
    values = np.asarray(values, float)
    variance = clustered_variance(values, clusters)
    independent = _jackknife(values, np.arange(len(values)))
    return len(values) * np.divide(independent, variance, out=np.ones_like(variance), where=variance > 0)


# Clusters


def clustered_variance(values: npt.ArrayLike, clusters: Clusters) -> Array:
    """Variance of the mean of ``values`` when questions of one cluster go together, for clusters of one or two kinds at once.

    Each kind by the cluster jackknife (CV3: how the mean changes when a cluster is left out), which a cluster of half the questions does
    not fool; two kinds: V(first) + V(second) − V(both), Cameron, Gelbach & Miller 2011. The largest of these and of the variance of
    independent questions, as MacKinnon, Nielsen & Webb 2024 advise: noise in the sum of three undercuts them otherwise.
    """
    values = np.asarray(values, float)
    kinds = _informative(clusters)
    variances = [_jackknife(values, labels) for labels in (np.arange(len(values)), *kinds)]
    if len(kinds) == 2:
        variances.append(variances[1] + variances[2] - _jackknife(values, _crossed(*kinds)))
    largest: Array = np.max(variances, axis=0)
    return largest


def freedom(clusters: Clusters) -> float:
    """Degrees of freedom of `clustered_variance`: effective clusters − 1 of the kind with fewest, at least 1; infinite without clusters.

    Effective clusters: as many of equal size would tell as much, n² / Σ n_g²; Carter, Schnepel & Steigerwald 2017 come to it where the
    questions of a cluster agree.
    """
    sizes = [np.unique(labels, return_counts=True)[1].astype(float) for labels in _informative(clusters)]
    return max(min((float(own.sum() ** 2 / (own**2).sum()) for own in sizes), default=np.inf) - 1, 1.0)


# Many cells


def max_statistic(
    differences: npt.ArrayLike, clusters: Clusters, draws: int = REPLICATES, seed: int = 0, only: Sequence[int] | None = None
) -> Array:
    """Adjusted p of every column of ``differences`` ``[question cell]`` that bounds the chance of any false positive in the grid.

    The chance that the smallest p of the whole grid would be as small as this cell's (single-step min-p, Westfall & Young 1993), where p is
    `estimate`'s. That the cells are alike enters as the correlation of normal variables with the correlations of the cells: every
    question, and every cluster of either kind, gets a random weight, alike in all cells. Never below the cell's own p; where cells have
    nothing in common about as large as Šidák's. ``only``: of these columns, among all the same; it saves the estimates of the others.
    """
    values = np.asarray(differences, float)
    p = estimate(values if only is None else values[:, only], clusters).p
    centred = values - values.mean(0)
    sums = np.concatenate([centred, *(_members(labels) @ centred for labels in _informative(clusters))])
    length = np.sqrt((sums**2).sum(0))
    scaled = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
    weights = np.random.default_rng(seed).normal(size=(draws, len(sums)))
    largest = np.sort(np.abs(weights @ scaled).max(1, initial=0.0))
    reached = draws - np.searchsorted(largest, _normal_above(p / 2))
    adjusted: Array = np.maximum(p, (reached + 1) / (draws + 1))
    return adjusted


def holm(p: npt.ArrayLike) -> Array:
    """Adjusted p-values that bound the chance of any false positive (Holm 1979).

    statsmodels' `multipletests` gives the same, but collects all garbage of the process on every call: 0.3 s with a model loaded.
    """
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted[np.argsort(order)]


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Adjusted p-values that bound the share of false positives among the rejected (Benjamini & Hochberg 1995)."""
    from scipy.stats import false_discovery_control

    found: Array = false_discovery_control(np.asarray(p, float))
    return found


# Distributions, of `scipy.special`: the same numbers as those of scipy.stats


def _normal_above(p: Any) -> Array:
    """Where a standard normal variable lies above with probability p."""
    z: Array = 0.0 - ndtri(p)
    return z


def _student_below(p: float, degrees: npt.ArrayLike) -> Array:
    """Where Student's t lies below with probability p; with infinite degrees it is normal."""
    t: Array = np.where(np.isinf(degrees), ndtri(p), stdtrit(degrees, p))
    return t


# Parts of the estimate: columns ``[question column]``


Deal = tuple[Any, npt.NDArray[np.int8]]
"""Members of the clusters ``[cluster question]`` (sparse) and who is dealt into the first half ``[deal cluster]``."""


def _widest(values: Array, clusters: Clusters, deals: Sequence[Deal], exact: bool) -> Bounds:
    tests = [_student(values, clusters), *(_halves(values, *deal) for deal in deals)]
    if exact:
        tests.append(_exact(values))
    low, high, p = (np.stack(part) for part in zip(*tests, strict=True))
    return Bounds(low.min(0).clip(-1 if exact else None), high.max(0).clip(max=1 if exact else None), p.max(0))


def _student(values: Array, clusters: Clusters) -> Bounds:
    mean, degrees = values.mean(0), min(freedom(clusters), max(len(values) - 1.0, 1.0))
    error = np.sqrt(clustered_variance(values, clusters)) if len(values) > 1 else np.where(mean == 0, 0.0, np.inf)
    t = np.divide(mean, error, out=np.where(mean == 0, 0.0, np.inf), where=error > 0)
    half = _student_below((1 + LEVEL) / 2, degrees) * error
    return Bounds(mean - half, mean + half, 2 * stdtr(degrees, -np.abs(t)))


def _exact(differences: Array) -> Bounds:
    fixed, broken = (differences > 0).sum(0), (differences < 0).sum(0)
    return Bounds(*mcnemar_interval(fixed, broken, len(differences)), mcnemar(fixed, broken))


def _halves(values: Array, members: Any, deals: npt.NDArray[np.int8]) -> Bounds:
    """Clusters dealt into two halves at random: p is the share of deals in which the means of the two have not the same sign.

    A mean is not rejected while it lies between the two in at least 1 − LEVEL of the deals. Those are Hartigan's typical values (1969)
    and the inversion of the test that flips the signs of whole clusters: exact for clusters of any size, however few of them change, if a
    cluster's sum could as well have the other sign.
    """
    sums, sizes, mean = members @ values, members.sum(1), values.mean(0)
    first, inside = deals @ sums, (deals @ sizes)[:, None]
    outside = len(values) - inside
    one = np.divide(first, inside, out=np.full_like(first, -np.inf), where=inside > 0)
    other = np.divide(sums.sum(0) - first, outside, out=np.full_like(first, np.inf), where=outside > 0)
    one[outside[:, 0] == 0], other[inside[:, 0] == 0] = -np.inf, np.inf  # an empty half may have any mean
    lower, upper = np.minimum(np.minimum(one, other), mean), np.maximum(np.maximum(one, other), mean)
    p = ((lower <= 0) & (upper >= 0)).mean(0)
    rare = math.ceil((1 - LEVEL) * len(deals) - 1e-6)  # the fewest deals that are not rarer than 1 − LEVEL
    low = np.partition(lower, rare - 1, axis=0)[rare - 1]
    high = np.partition(upper, len(deals) - rare, axis=0)[len(deals) - rare]
    return Bounds(low, high, p)


@lru_cache(maxsize=8)  # of so many questions, their triples and their templates: the same for every condition
def _dealt(groups: int) -> npt.NDArray[np.int8]:
    """All ways of dealing up to ENUMERATED clusters (the last one stays in the second half), REPLICATES at random of more."""
    if groups <= ENUMERATED:
        return np.array([(*deal, 0) for deal in product((0, 1), repeat=groups - 1)], np.int8)
    return np.random.default_rng(0).integers(0, 2, (REPLICATES, groups)).astype(np.int8)


def _jackknife(values: Array, labels: npt.NDArray[Any]) -> Array:
    """``[…]``: variance of the mean from how it changes when one cluster is left out."""
    members = _members(labels)
    groups, sizes = members.shape[0], members.sum(1)[:, None]
    if groups < 2:
        return np.zeros(values.shape[1:])
    flat = values.reshape(len(values), -1)
    change = (members @ flat - sizes * flat.mean(0)) / (len(flat) - sizes)
    variance: Array = (1 - 1 / groups) * (change**2).sum(0)
    return variance.reshape(values.shape[1:])


def _members(labels: npt.NDArray[Any]) -> Any:
    """``[cluster question]``, sparse: 1 where the question belongs to the cluster."""
    from scipy.sparse import csr_array

    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    ends = np.concatenate([[0], np.cumsum(sizes)])
    return csr_array((np.ones(len(codes)), np.argsort(codes, kind="stable"), ends), shape=(len(sizes), len(codes)))


def _informative(clusters: Clusters) -> Clusters:
    return [labels for labels in clusters if 1 < len(np.unique(labels)) < len(labels)]


def _crossed(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    codes, others = (np.unique(labels, return_inverse=True)[1] for labels in (first, second))
    crossed: npt.NDArray[np.int64] = codes * (others.max() + 1) + others
    return crossed
