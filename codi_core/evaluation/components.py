"""Principal components of latents, how many of them are more than noise, and how latents point. Plain linear algebra, no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from codi_core.errors import InputError
from codi_core.evaluation.stats import LEVEL, Array, Clusters, bootstrap_means
from codi_core.types import CellMeans

PERMUTATIONS = 20
"""Exceeding all of them by chance has a probability below 5 %."""
SHOWN = 12
"""Components kept; a scree needs no more."""

Latents = npt.NDArray[Any]


def principal_components(rows: Latents, most: int = SHOWN) -> tuple[Array, Array]:
    """Of rows ``[row d]`` around their mean: shares of all variance ``[component]`` and unit directions ``[component d]``.

    Each direction points to where its largest coordinate is positive, as the steering source ``component`` does. Raises InputError when
    the rows do not vary.
    """
    centred = _centred(rows)
    total = float(np.square(centred).sum())
    if total <= 0:
        raise InputError("The latents are all equal: there is no direction along which they vary. Take more questions.")
    gram, wide = _gram(centred)
    values, vectors = eigh(gram, subset_by_index=_largest(gram, most, centred))
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    directions = (centred.T @ vectors if wide else vectors).T
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1)
    return values / total, directions * np.sign(largest)


def shuffled_shares(
    rows: Latents, most: int, seed: int = 0, permutations: int = PERMUTATIONS, on_step: Callable[[], None] | None = None
) -> Array:
    """Parallel analysis (Horn 1965) in the form of Buja & Eyuboglu 1992: shares ``[permutation component]`` explained when every
    coordinate is shuffled over the rows on its own, which keeps how far each spreads and breaks what they have in common.
    """
    exact, rng = _centred(rows), np.random.default_rng(seed)
    total, found = float(np.square(exact).sum()), []
    centred = exact.astype(np.float32)  # a null needs no more digits, and this takes most of the time
    for _ in range(permutations):
        if on_step:
            on_step()
        gram, _ = _gram(rng.permuted(centred, axis=0))
        found.append(eigh(gram, eigvals_only=True, subset_by_index=_largest(gram, most, centred))[::-1] / total)
    return np.array(found, float)


def retained(shares: Array, null: Array) -> int:
    """Components from the first on that explain more than the same one in any permutation."""
    beyond = shares > null.max(0)
    return int(len(beyond) if beyond.all() else beyond.argmin())


def variance_shares(part: Array, whole: Array, clusters: Clusters) -> CellMeans:
    """Sums of squares of every question, ``[question …]`` → share of ``part`` in ``whole``, with a 95 % interval over clusters.

    The directions are held fixed: the interval says how sure the share of these directions is.
    """
    stacked = np.stack([part, np.broadcast_to(whole, part.shape)], -1)
    drawn = bootstrap_means(stacked, clusters)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(_ratio(drawn), [tail, 1 - tail], axis=0)
    mean, least, most = (np.asarray(each, np.float32) for each in (_ratio(stacked.mean(0)), low.clip(0), high.clip(max=1)))
    return CellMeans(mean, least, most, len(part))


def half_agreement(rows: Latents, first: npt.NDArray[np.bool_], directions: Array) -> Array:
    """``[component]``: how well either half of the rows has each direction as one of its own components, mean of the two halves.

    The best match among as many components, signs aside: neighbours of almost equal variance may change places.
    """
    halves = [principal_components(rows[half], len(directions))[1] for half in (first, ~first)]
    agreement: Array = np.mean([np.abs(directions @ half.T).max(1) for half in halves], axis=0)
    return agreement


def cosines(vectors: Latents) -> Array:
    """``[n n]`` between the rows; NaN where one is zero."""
    flat = vectors.reshape(len(vectors), -1).astype(np.float64)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    units = np.divide(flat, lengths, out=np.full_like(flat, np.nan), where=lengths > 0)
    matrix: Array = units @ units.T
    return matrix


def _centred(rows: Latents) -> Array:
    wide = rows.astype(np.float64)
    centred: Array = wide - wide.mean(0)
    return centred


def _gram(centred: Latents) -> tuple[Latents, bool]:
    """The smaller of the two Gram matrices, and whether it is that of the rows: both have the same eigenvalues."""
    wide = centred.shape[1] > centred.shape[0]
    return (centred @ centred.T if wide else centred.T @ centred), wide


def _largest(gram: Latents, most: int, centred: Latents) -> tuple[int, int]:
    """Places of the ``most`` largest eigenvalues; centred rows have one fewer than there are."""
    size = len(gram)
    return max(size - most, 1 if centred.shape[0] == size and size > 1 else 0), size - 1


def _ratio(pair: Array) -> Array:
    whole = pair[..., 1]
    ratio: Array = np.divide(pair[..., 0], whole, out=np.zeros_like(whole), where=whole > 0)
    return ratio
