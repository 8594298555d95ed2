"""The statistics of a grid: by simulation, and against those of a single condition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from codi_core.evaluation import stats

Array = npt.NDArray[Any]
TEMPLATES, TRIPLES, CELLS = 20, 50, 40
TEMPLATE, TRIPLE = np.repeat(np.arange(TEMPLATES), TRIPLES), np.tile(np.arange(TRIPLES), TEMPLATES)
CLUSTERS = (TRIPLE, TEMPLATE)
CHANGED = 0.2
"""Share of questions whose outcome changes."""


def null_grid(rng: np.random.Generator, labels: Array, shared: float, cells: int = CELLS) -> Array:
    """Differences ``[question cell]`` without an effect: a ``shared`` part of the changes of a cluster go the same way, and neighbouring
    cells are alike.
    """
    n = len(labels)
    own, by_cluster = rng.choice([-1, 1], (n, cells)), rng.choice([-1, 1], (labels.max() + 1, cells))[labels]
    signs = np.where(rng.uniform(size=(n, cells)) < shared, by_cluster, own)
    changes = signs * (rng.uniform(size=(n, cells)) < CHANGED)
    like_the_last = rng.uniform(size=(n, cells // 2)) < 0.7
    changes[:, 1::2] = np.where(like_the_last, changes[:, ::2], changes[:, 1::2])
    return changes


@pytest.mark.parametrize(
    ("labels", "shared"), [(TEMPLATE, 0.0), (TEMPLATE, 0.3), (TEMPLATE, 0.9), (TRIPLE, 0.5)], ids=["independent", "30", "90", "triples"]
)
def test_max_statistic_controls_the_family_wise_error(labels: Array, shared: float) -> None:
    rng = np.random.default_rng(1)
    found = [stats.max_statistic(null_grid(rng, labels, shared), CLUSTERS, 200, seed).min() for seed in range(50)]
    assert (np.array(found) < 0.05).mean() <= 0.1  # .07, and the error of 50 runs


def test_max_statistic_controls_it_with_two_kinds_and_unequal_clusters() -> None:
    rng, wrong = np.random.default_rng(4), 0
    triple, template = np.r_[np.zeros(150, int), 1 + np.arange(150) // 5], np.arange(300) % 20
    for seed in range(50):
        grid = np.where(rng.uniform(size=(300, CELLS)) < 0.5, null_grid(rng, triple, 0.6), null_grid(rng, template, 0.6))
        wrong += stats.max_statistic(grid, (triple, template), 200, seed).min() < 0.05
    assert wrong <= 4


def test_max_statistic_finds_eight_points() -> None:
    rng = np.random.default_rng(2)
    found = []
    for seed in range(20):
        grid = null_grid(rng, TEMPLATE, 0.1)
        grid[:, 7] = np.where(rng.uniform(size=len(grid)) < CHANGED, np.where(rng.uniform(size=len(grid)) < 0.7, 1, -1), 0)  # .14 − .06
        found.append(stats.max_statistic(grid, CLUSTERS, 500, seed)[7])
    assert np.mean(np.array(found) <= 0.05) > 0.9


def test_max_statistic_of_nothing() -> None:
    assert stats.max_statistic(np.zeros((10, 3)), (np.arange(10), np.arange(10))) == pytest.approx(1)


def test_max_statistic_lies_between_p_and_bonferroni() -> None:
    grid = null_grid(np.random.default_rng(3), TEMPLATE, 0.3)
    p, adjusted = stats.estimate(grid, CLUSTERS).p, stats.max_statistic(grid, CLUSTERS)
    assert (adjusted >= p).all() and (adjusted <= np.minimum(CELLS * p, 1) + 0.03).all()
    one = stats.max_statistic(grid[:, :1], CLUSTERS, 5_000)
    assert one == pytest.approx(p[:1], abs=0.03)  # a grid of one cell, and of one cell many times over, needs no adjustment
    assert stats.max_statistic(np.repeat(grid[:, :1], CELLS, 1), CLUSTERS, 5_000) == pytest.approx(np.repeat(one, CELLS), abs=0.02)


def test_max_statistic_of_some_columns_is_that_of_the_whole_grid() -> None:
    grid = null_grid(np.random.default_rng(1), CLUSTERS[0], 0.5)
    assert np.array_equal(stats.max_statistic(grid, CLUSTERS, only=[2, 0]), stats.max_statistic(grid, CLUSTERS)[[2, 0]])
    assert not np.array_equal(stats.max_statistic(grid, CLUSTERS, only=[0]), stats.max_statistic(grid[:, :1], CLUSTERS))
