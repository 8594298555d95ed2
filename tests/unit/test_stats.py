"""Statistics against other implementations, against identities, and by simulation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import norm
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from codi_core.evaluation import stats

Array = npt.NDArray[np.float64]
TEMPLATES, TRIPLES = 12, 30
TEMPLATE = np.repeat(np.arange(TEMPLATES), TRIPLES)
TRIPLE = np.tile(np.arange(TRIPLES), TEMPLATES)
CLUSTERS = (TRIPLE, TEMPLATE)
OWN = np.arange(len(TEMPLATE))


def outcomes(rng: np.random.Generator, rate: float, by_template: float = 0.0, by_triple: float = 0.0) -> Array:
    """Right or wrong, with parts of the variance of a latent difficulty shared within templates and triples."""
    shared = np.sqrt(by_template) * rng.normal(size=TEMPLATES)[TEMPLATE] + np.sqrt(by_triple) * rng.normal(size=TRIPLES)[TRIPLE]
    own = np.sqrt(1 - by_template - by_triple) * rng.normal(size=len(TEMPLATE))
    return (shared + own < norm.ppf(rate)).astype(float)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10), (7, 10), (950, 1000), (1, 1), (3, 17)])
def test_wilson_agrees_with_statsmodels(successes: int, n: int) -> None:
    assert np.array(stats.wilson(successes, n)) == pytest.approx(proportion_confint(successes, n, method="wilson"), abs=1e-12)


def test_wilson_is_elementwise() -> None:
    low, high = stats.wilson([[0, 5], [9, 10]], 10)
    assert low.shape == high.shape == (2, 2)
    assert (low[1, 1], high[1, 1]) == pytest.approx(proportion_confint(10, 10, method="wilson"))


@pytest.mark.parametrize(("fixed", "broken"), [(0, 0), (0, 5), (5, 0), (12, 3), (40, 41), (100, 60)])
def test_mcnemar_agrees_with_statsmodels(fixed: int, broken: int) -> None:
    expected = reference_mcnemar([[50, broken], [fixed, 50]], exact=True).pvalue if fixed + broken else 1.0
    assert stats.mcnemar(fixed, broken) == pytest.approx(expected)


@pytest.mark.parametrize(("ours", "theirs"), [(stats.holm, "holm"), (stats.benjamini_hochberg, "fdr_bh")])
def test_corrections_agree_with_statsmodels(ours: object, theirs: str) -> None:
    p = np.random.default_rng(0).uniform(size=40) ** 3
    assert callable(ours)
    assert ours(p) == pytest.approx(multipletests(p, method=theirs)[1])
    assert ours([0.5, 0.5, 1.0]) == pytest.approx(multipletests([0.5, 0.5, 1.0], method=theirs)[1])


def test_questions_of_their_own_are_independent() -> None:
    hits = outcomes(np.random.default_rng(0), 0.7)
    expected = hits.var(ddof=1) / len(hits)
    assert stats.clustered_variance(hits, (OWN, OWN)) == pytest.approx(expected)
    assert stats.effective_n(hits, (OWN, OWN)) == pytest.approx(len(hits))
    found = stats.share(hits, (OWN, OWN))
    assert (found.low, found.high) == pytest.approx(proportion_confint(hits.sum(), len(hits), method="wilson"))


def test_copies_of_a_question_count_once() -> None:
    hits = outcomes(np.random.default_rng(1), 0.6)
    copies, labels = np.repeat(hits, 10), np.repeat(OWN, 10)
    expected = len(hits) * (1 - 1 / len(hits)) / (1 - 1 / len(copies))  # up to the G/(G-1) of both variances
    assert stats.effective_n(copies, [labels]) == pytest.approx(expected)
    assert stats.effective_n(copies, (labels, labels)) == pytest.approx(expected)
    assert stats.effective_n(copies, (labels, np.arange(len(copies)))) == pytest.approx(expected, rel=0.01)


def test_order_and_names_of_clusters_do_not_matter() -> None:
    hits = outcomes(np.random.default_rng(2), 0.7, 0.2, 0.2)
    n = stats.effective_n(hits, CLUSTERS)
    assert stats.effective_n(hits, CLUSTERS[::-1]) == pytest.approx(n)
    assert stats.effective_n(hits, (np.array([f"t{label}" for label in TRIPLE]), TEMPLATE)) == pytest.approx(n)
    shuffled = np.random.default_rng(3).permutation(len(hits))
    assert stats.effective_n(hits[shuffled], (TRIPLE[shuffled], TEMPLATE[shuffled])) == pytest.approx(n)


def test_a_single_cluster_is_no_cluster() -> None:
    hits = outcomes(np.random.default_rng(4), 0.7)
    one = np.zeros(len(hits), int)
    assert stats.effective_n(hits, (OWN, one)) == pytest.approx(len(hits))
    assert stats.share(hits[:1], (OWN[:1], OWN[:1])).effective_n == 1
    assert np.isfinite(stats.bootstrap_interval(hits, (one, one))).all()


def test_all_right_has_no_visible_design_effect() -> None:
    found = stats.share(np.ones(100), (OWN[:100], TEMPLATE[:100]))
    assert (found.value, found.high, found.effective_n) == (1.0, 1.0, 100)
    assert found.low == pytest.approx(proportion_confint(100, 100, method="wilson")[0])


def test_grids_are_treated_cell_by_cell() -> None:
    rng = np.random.default_rng(5)
    grid = np.stack([outcomes(rng, rate, 0.3) for rate in (0.2, 0.5, 0.9)], 1)[:, None]
    value, low, high, n = stats.shares(grid, CLUSTERS)
    starts, ends = stats.bootstrap_interval(grid, CLUSTERS, seed=1)
    for cell in range(3):
        alone = stats.share(grid[:, 0, cell], CLUSTERS)
        assert (value[0, cell], low[0, cell], high[0, cell], n[0, cell]) == pytest.approx(
            (alone.value, alone.low, alone.high, alone.effective_n)
        )
        assert (starts[0, cell], ends[0, cell]) == pytest.approx(stats.bootstrap_interval(grid[:, 0, cell], CLUSTERS, seed=1))


def test_the_same_condition_twice_is_no_difference() -> None:
    right = outcomes(np.random.default_rng(6), 0.7) > 0
    same = stats.compare(right, right, CLUSTERS)
    assert (same.delta, same.low, same.high, same.fixed, same.broken, same.p_mcnemar, same.p_clustered) == (0, 0, 0, 0, 0, 1, 1)


def test_swapping_conditions_swaps_signs() -> None:
    rng = np.random.default_rng(7)
    a, b = (outcomes(rng, rate) > 0 for rate in (0.6, 0.75))
    there, back = stats.compare(a, b, CLUSTERS), stats.compare(b, a, CLUSTERS)
    assert there.delta == pytest.approx(there.accuracy_b - there.accuracy_a) == -back.delta
    assert (there.fixed, there.broken) == (back.broken, back.fixed)
    assert there.delta == (there.fixed - there.broken) / there.n
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-12)
    assert there.p_mcnemar == back.p_mcnemar and there.p_clustered == pytest.approx(back.p_clustered)
    assert there.low > 0 and there.p_clustered < 0.05
    assert stats.compare(a, b, CLUSTERS) == there


@pytest.mark.parametrize("rate", [0.7, 0.95])
@pytest.mark.parametrize(("by_template", "by_triple"), [(0.0, 0.0), (0.2, 0.0), (0.0, 0.2), (0.2, 0.2)])
def test_intervals_cover_the_truth(by_template: float, by_triple: float, rate: float) -> None:
    """95 % of 300 simulated evaluations, give or take; intervals that forget the clusters cover as little as 40 to 60 %."""
    rng, covered, runs = np.random.default_rng(8), 0, 300
    for _ in range(runs):
        found = stats.share(outcomes(rng, rate, by_template, by_triple), CLUSTERS)
        covered += found.low <= rate <= found.high
    assert covered / runs > 0.89


def test_a_clustered_null_is_rarely_called_an_effect() -> None:
    """A fifth of the answers flip for no reason, flips shared within clusters: the exact McNemar test is fooled, ours is not."""
    rng, runs, fooled = np.random.default_rng(9), 75, []
    for by_template, by_triple in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)):
        naive = ours = 0
        for _ in range(runs):
            flips, direction = outcomes(rng, 0.2, by_template, by_triple) > 0, outcomes(rng, 0.5, by_template, by_triple) > 0
            found = stats.compare(~direction & flips, direction & flips, CLUSTERS, seed=1)
            assert (found.p_clustered < 0.05) == (found.low > 0 or found.high < 0) or abs(found.p_clustered - 0.05) < 0.005
            ours += found.p_clustered < 0.05
            naive += found.p_mcnemar < 0.05
        assert by_template + by_triple == 0 or naive > 2 * ours
        fooled.append(ours / runs)
    assert np.mean(fooled) <= 0.07


@pytest.mark.parametrize(("fixed", "broken"), [(0, 1), (0, 5), (0, 6), (6, 0), (3, 12), (40, 41), (100, 60)])
def test_the_exact_interval_of_a_difference_says_what_mcnemar_says(fixed: int, broken: int) -> None:
    low, high = stats.mcnemar_interval(fixed, broken, 500)
    share = np.array(proportion_confint(fixed, fixed + broken, method="beta"))
    assert (low, high) == pytest.approx((2 * share - 1) * (fixed + broken) / 500)
    assert (low > 0 or high < 0) == (stats.mcnemar(fixed, broken) < 0.05)


@pytest.mark.parametrize("flips", [1, 2, 5])
def test_a_handful_of_flips_is_no_effect_however_they_fall(flips: int) -> None:
    before = np.ones(len(TEMPLATE), bool)
    after = before.copy()
    after[:flips] = False
    found = stats.compare(before, after, CLUSTERS)
    assert found.low < 0 < found.high and found.p_clustered >= found.p_mcnemar > 0.05
