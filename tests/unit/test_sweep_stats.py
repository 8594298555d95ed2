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
    found = [stats.max_statistic(null_grid(rng, labels, shared), CLUSTERS, 500, seed).min() for seed in range(1_000)]
    assert (np.array(found) <= 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_max_statistic_finds_eight_points() -> None:
    rng = np.random.default_rng(2)
    found = []
    for seed in range(40):
        grid = null_grid(rng, TEMPLATE, 0.1)
        grid[:, 7] = np.where(rng.uniform(size=len(grid)) < CHANGED, np.where(rng.uniform(size=len(grid)) < 0.7, 1, -1), 0)  # .14 − .06
        found.append(stats.max_statistic(grid, CLUSTERS, 1_000, seed)[7])
    assert np.mean(np.array(found) <= 0.05) > 0.9


def test_max_statistic_of_nothing() -> None:
    assert stats.max_statistic(np.zeros((10, 3)), (np.arange(10), np.arange(10))) == pytest.approx(1)


def test_t_agrees_with_the_bootstrap_where_that_has_a_p() -> None:
    rng = np.random.default_rng(3)
    grid = null_grid(rng, TEMPLATE, 0.3)
    _, p = stats.clustered_t(grid, CLUSTERS)
    replicates = stats.bootstrap_means(grid, CLUSTERS)
    bootstrap = np.minimum(1, 2 * np.minimum((replicates <= 0).mean(0), (replicates >= 0).mean(0)))
    assert np.abs(p - bootstrap).max() < 0.06
