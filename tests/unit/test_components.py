"""Principal components against a null, shares with intervals, agreement of halves."""

from __future__ import annotations

import numpy as np
import pytest

from codi_core.errors import InputError
from codi_core.evaluation.components import (
    cosines,
    half_agreement,
    retained,
    shuffled_shares,
    variance_shares,
)
from codi_core.steering.components import principal_components
from codi_core.steering.vectors import Component

RNG = np.random.default_rng(0)


def planted(n: int, d: int, directions: int) -> np.ndarray:
    """Rows with a few strong directions in noise."""
    axes = np.linalg.qr(RNG.standard_normal((d, directions)))[0].T
    return (RNG.standard_normal((n, directions)) * np.arange(directions + 5, 5, -1)) @ axes + RNG.standard_normal((n, d))


@pytest.mark.parametrize("shape", [(60, 9), (9, 60)])
def test_components_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    rows = RNG.standard_normal(shape)
    shares, directions = principal_components(rows, 5)
    _, singular, vectors = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    np.testing.assert_allclose(shares, (singular**2 / (singular**2).sum())[:5])
    np.testing.assert_allclose(np.abs((directions * vectors[:5]).sum(1)), 1)
    assert (np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1) > 0).all()


def test_a_component_points_where_steering_would_push() -> None:
    rows = planted(80, 12, 3).astype(np.float32)
    _, directions = principal_components(rows, 12)
    for rank in (1, 2, 3):
        pushed = Component(rank)._component(rows)
        np.testing.assert_allclose(pushed / np.linalg.norm(pushed), directions[rank - 1], atol=1e-5)


@pytest.mark.parametrize("planted_directions", [0, 3])
@pytest.mark.parametrize("shape", [(300, 20), (40, 90)])
def test_parallel_analysis_keeps_what_was_planted(planted_directions: int, shape: tuple[int, int]) -> None:
    rows = planted(*shape, planted_directions) if planted_directions else RNG.standard_normal(shape)
    shares, _ = principal_components(rows, 12)
    null = shuffled_shares(rows, len(shares))
    assert null.shape == (20, len(shares))
    assert retained(shares, null) == planted_directions


def test_columns_of_unequal_spread_are_no_components() -> None:
    """Shuffling keeps the spread of each coordinate: an uneven one alone is not taken for structure."""
    rows = RNG.standard_normal((400, 15)) * np.linspace(1, 6, 15)
    shares, _ = principal_components(rows, 12)
    assert retained(shares, shuffled_shares(rows, len(shares))) == 0


def test_shares_have_intervals_that_know_clusters() -> None:
    part, whole = RNG.random((120, 2)), 2 + RNG.random((120, 1))
    alone = variance_shares(part, whole, [np.arange(120)])
    assert alone.value.shape == (2,) and alone.n == 120
    np.testing.assert_allclose(alone.value, part.sum(0) / whole.sum(), rtol=1e-5)
    assert (alone.low < alone.value).all() and (alone.value < alone.high).all()
    doubled = variance_shares(np.repeat(part, 4, 0), np.repeat(whole, 4, 0), [np.repeat(np.arange(120), 4)])
    np.testing.assert_allclose(doubled.high - doubled.low, alone.high - alone.low, rtol=0.25)


def test_halves_agree_on_what_is_there_and_not_on_noise() -> None:
    rows, first = planted(400, 30, 2), np.arange(400) % 2 == 0
    _, directions = principal_components(rows, 4)
    agreement = half_agreement(rows, first, directions)
    assert (agreement[:2] > 0.95).all() and (agreement[2:] < 0.9).all()


def test_cosines_of_nothing_are_unknown() -> None:
    matrix = cosines(np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_allclose(matrix[:2, :2], [[1, 0.5**0.5], [0.5**0.5, 1]])
    assert np.isnan(matrix[2]).all()


def test_latents_that_do_not_vary_are_refused() -> None:
    with pytest.raises(InputError, match="all equal"):
        principal_components(np.ones((8, 3)), 2)
