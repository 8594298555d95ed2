"""Statistics of right and wrong answers. Questions of one template, or of one triple, stand or fall together: nothing here forgets that.

Values have the shape ``[question …]``; further axes (the cells of a grid) are treated one by one. *Clusters* are one array of labels
``[question]`` for each way of grouping, in practice by triple and by template; questions that belong to no group have their own label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, binomtest, norm
from scipy.stats import t as student_t

from codi_core.types import PairedComparison, Share

Array = npt.NDArray[np.float64]
Clusters = Sequence[npt.NDArray[Any]]

LEVEL = 0.95
REPLICATES = 2_000


def wilson(successes: npt.ArrayLike, n: npt.ArrayLike, level: float = LEVEL) -> tuple[Array, Array]:
    """Wilson's score interval (Wilson 1927) for successes out of n; n may be an effective n. Elementwise."""
    successes, n = np.asarray(successes, float), np.asarray(n, float)
    z2 = norm.ppf((1 + level) / 2) ** 2
    center = (successes + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (successes * (n - successes) / n + z2 / 4)) / (n + z2)
    return np.maximum(center - half, 0.0), np.minimum(center + half, 1.0)


def clustered_variance(values: npt.ArrayLike, clusters: Clusters) -> Array:
    """Variance of the mean of ``values`` when questions of one cluster go together, for clusters of one or two kinds at once.

    Two kinds: V(first) + V(second) − V(both), Cameron, Gelbach & Miller 2011, each with their G/(G−1); never less than the variance of
    independent questions, which noise in the sum of three could otherwise undercut. A kind with a single cluster is left out: the mean
    absorbs it.
    """
    values = np.asarray(values, float)
    total = independent = _one_way_variance(values, np.arange(len(values)))
    informative = _informative(clusters)
    if len(informative) == 1:
        total = _one_way_variance(values, informative[0])
    elif informative:
        first, second = informative
        total = _one_way_variance(values, first) + _one_way_variance(values, second) - _one_way_variance(values, _crossed(first, second))
    return np.maximum(total, independent)


def effective_n(values: npt.ArrayLike, clusters: Clusters) -> Array:
    """Independent questions that would give the mean of ``values`` the same variance: n over the design effect (Kish 1965).

    When all values are equal the design effect cannot be seen and n itself is returned.
    """
    values = np.asarray(values, float)
    variance = clustered_variance(values, clusters)
    independent = _one_way_variance(values, np.arange(len(values)))
    return len(values) * np.divide(independent, variance, out=np.ones_like(variance), where=variance > 0)


def shares(hits: npt.ArrayLike, clusters: Clusters) -> tuple[Array, Array, Array, Array]:
    """Share of true values, its 95 % interval (Wilson's, on the effective n) and the effective n: value, low, high, effective n."""
    hits = np.asarray(hits, float)
    n, value = effective_n(hits, clusters), hits.mean(0)
    low, high = wilson(value * n, n)
    return value, low, high, n


def share(hits: npt.ArrayLike, clusters: Clusters) -> Share:
    """`shares` of one column."""
    hits = np.asarray(hits, float)
    value, low, high, n = shares(hits, clusters)
    return Share(float(value), float(low), float(high), len(hits), float(n))


def bootstrap_means(values: npt.ArrayLike, clusters: Clusters, seed: int = 0, replicates: int = REPLICATES) -> Array:
    """Cluster-bootstrap replicates of the mean of ``values``: ``[replicate …]``.

    Clusters are drawn with replacement, of two kinds independently of each other, and a question counts as often as all its clusters came
    (the pigeonhole bootstrap, Owen 2007). That keeps the shape of the distribution but counts independent noise up to three times, so
    the spread is set to `clustered_variance`, with Student's t of the fewer clusters in place of the normal.
    """
    values = np.asarray(values, float)
    rng = np.random.default_rng(seed)
    weights = np.ones((replicates, len(values)))
    for labels in _informative(clusters):
        codes, groups = _coded(labels)
        weights *= _draw_counts(rng, groups, replicates)[:, codes]
    total = weights.sum(1)
    drawn, total = weights[total > 0], total[total > 0]
    mean = values.mean(0)
    spread = np.tensordot(drawn, values - mean, 1) / total.reshape(-1, *[1] * (values.ndim - 1))
    sd = spread.std(0)
    scale = np.divide(
        np.sqrt(clustered_variance(values, clusters)) * _small_sample_factor(clusters), sd, out=np.zeros_like(sd), where=sd > 0
    )
    centred: Array = mean + scale * (spread - spread.mean(0))
    return centred


def bootstrap_interval(values: npt.ArrayLike, clusters: Clusters, seed: int = 0, level: float = LEVEL) -> tuple[Array, Array]:
    """Percentile interval of the mean of ``values`` from `bootstrap_means`."""
    tail = (1 - level) / 2
    low, high = np.quantile(bootstrap_means(values, clusters, seed), [tail, 1 - tail], axis=0)
    return low, high


def mcnemar(fixed: int, broken: int) -> float:
    """Exact two-sided p of McNemar's test; 1 when no question changed."""
    return float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0


def mcnemar_interval(fixed: npt.ArrayLike, broken: npt.ArrayLike, n: int, level: float = LEVEL) -> tuple[Array, Array]:
    """Exact interval of (fixed − broken) / n given how many of ``n`` questions changed: Clopper & Pearson's of the share that was fixed.

    Elementwise; leaves out 0 exactly when `mcnemar` is below 1 − level.
    """
    fixed, broken, tail = np.asarray(fixed, float), np.asarray(broken, float), (1 - level) / 2
    low = np.where(fixed > 0, beta.ppf(tail, np.maximum(fixed, 1), broken + 1), 0.0)
    high = np.where(broken > 0, beta.ppf(1 - tail, fixed + 1, np.maximum(broken, 1)), 1.0)
    return (2 * low - 1) * (fixed + broken) / n, (2 * high - 1) * (fixed + broken) / n


def compare(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], clusters: Clusters, seed: int = 0) -> PairedComparison:
    """Outcomes of the same questions (``[question]``, true = right) under two conditions; positive delta = b is better.

    Interval and clustered p are the cluster bootstrap's, yet never surer than the exact ones of independent questions: a bootstrap of
    the few questions that changed cannot know what others would have done.
    """
    assert a.shape == b.shape == (len(clusters[0]),)
    difference = b.astype(float) - a.astype(float)
    fixed, broken = int((difference > 0).sum()), int((difference < 0).sum())
    if fixed + broken:
        replicates = bootstrap_means(difference, clusters, seed)
        exact = mcnemar_interval(fixed, broken, len(a))
        low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        low, high = min(low, exact[0]), max(high, exact[1])
        p = max(min(1.0, 2 * min(_tail(replicates <= 0), _tail(replicates >= 0))), mcnemar(fixed, broken))
    else:
        low, high, p = 0.0, 0.0, 1.0
    return PairedComparison(
        n=len(a),
        effective_n=float(effective_n(difference, clusters)),
        accuracy_a=float(a.mean()),
        accuracy_b=float(b.mean()),
        delta=float(difference.mean()),
        low=float(low),
        high=float(high),
        fixed=fixed,
        broken=broken,
        p_mcnemar=mcnemar(fixed, broken),
        p_clustered=p,
    )


def clustered_t(values: npt.ArrayLike, clusters: Clusters) -> tuple[Array, Array]:
    """z of the mean of ``values`` by its clustered variance, and the two-sided p by Student's t of the fewer clusters.

    The bootstrap has no p below 2 / REPLICATES; this one is fine enough to be adjusted over hundreds of cells. The standard error is
    at least that of one question in n.
    """
    values = np.asarray(values, float)
    error = np.maximum(np.sqrt(clustered_variance(values, clusters)), 1 / len(values))
    z = values.mean(0) / error
    fewest = min((_coded(labels)[1] for labels in _informative(clusters)), default=len(values))
    p: Array = 2 * student_t.sf(np.abs(z), max(fewest - 1, 1))
    return z, p


def max_statistic(differences: npt.ArrayLike, clusters: Clusters, permutations: int = REPLICATES, seed: int = 0) -> Array:
    """Adjusted p of every column of ``differences`` ``[question cell]`` that bounds the chance of any false positive in the grid.

    Where nothing has an effect, condition and baseline could as well be exchanged: the signs of whole clusters are flipped, alike in all
    cells, which keeps what cells have in common, and each cell's |sum| over its root sum of squares is compared with the largest one of
    any cell (Westfall & Young 1993). Triples and templates cross, so that no flip keeps both together: those are flipped whose questions
    change together more, by the variance they give the sums of all cells.
    """
    values = np.asarray(differences, float)
    kinds = [_sums(values, labels) for labels in _informative(clusters) or [np.arange(len(values))]]
    sums = max(kinds, key=lambda own: float((own**2).sum()) * len(own) / max(len(own) - 1, 1))
    length = np.sqrt((sums**2).sum(0))  # flips leave it as it is
    scaled = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (permutations, len(sums)))
    largest = np.sort(np.abs(signs @ scaled).max(1, initial=0.0))
    reached = permutations - np.searchsorted(largest, np.abs(scaled.sum(0)) - 1e-9)
    adjusted: Array = (reached + 1) / (permutations + 1)
    return adjusted


def holm(p: npt.ArrayLike) -> Array:
    """Adjusted p-values that bound the chance of any false positive (Holm 1979)."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return adjusted[np.argsort(order)]


def benjamini_hochberg(p: npt.ArrayLike) -> Array:
    """Adjusted p-values that bound the share of false positives among the rejected (Benjamini & Hochberg 1995)."""
    p = np.asarray(p, float)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1].clip(max=1.0)
    return adjusted[np.argsort(order)]


def _one_way_variance(values: Array, labels: npt.NDArray[Any]) -> Array:
    sums = _sums(values - values.mean(0), labels)
    variance: Array = len(sums) / max(len(sums) - 1, 1) * (sums**2).sum(0) / len(values) ** 2
    return variance


def _sums(values: Array, labels: npt.NDArray[Any]) -> Array:
    """``[cluster …]``"""
    codes, groups = _coded(labels)
    sums = np.zeros((groups, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def _coded(labels: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], int]:
    known, codes = np.unique(labels, return_inverse=True)
    return codes, len(known)


def _draw_counts(rng: np.random.Generator, groups: int, replicates: int) -> npt.NDArray[np.int64]:
    """``[replicate group]``: how often each of ``groups`` comes in as many draws; counting draws is ten times faster than `multinomial`."""
    drawn = rng.integers(groups, size=(replicates, groups)) + groups * np.arange(replicates)[:, None]
    return np.bincount(drawn.ravel(), minlength=replicates * groups).reshape(replicates, groups)


def _informative(clusters: Clusters) -> Clusters:
    return [labels for labels in clusters if (labels != labels[0]).any()]


def _crossed(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    (codes, _), (others, groups) = _coded(first), _coded(second)
    return codes * groups + others


def _small_sample_factor(clusters: Clusters) -> float:
    fewest = min((_coded(labels)[1] for labels in _informative(clusters)), default=np.inf)
    tail = (1 + LEVEL) / 2
    return float(student_t.ppf(tail, fewest - 1) / norm.ppf(tail))


def _tail(hits: npt.NDArray[np.bool_]) -> float:
    """Share of replicates, counting the observed one (Davison & Hinkley 1997): never 0."""
    return float((hits.sum() + 1) / (len(hits) + 1))
