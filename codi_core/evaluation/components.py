"""How many principal components of latents are more than noise, how sure their shares are, and how latents point. No torch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.stats import Array, estimate
from codi_core.steering.components import Rows, centred, principal_components, sums_of_squares
from codi_core.values.stats import Clusters, Estimates

PERMUTATIONS = 20
"""Exceeding all of them by chance has a probability below 5 %."""
SHOWN = 12
"""Components kept; a scree needs no more."""


def shuffled_shares(
    rows: Rows, most: int, seed: int = 0, permutations: int = PERMUTATIONS, check_cancelled: Callable[[], None] | None = None
) -> Array:
    """Parallel analysis (Horn 1965) in the form of Buja & Eyuboglu 1992: shares ``[permutation component]`` explained when every
    coordinate is shuffled over the rows on its own, which keeps how far each spreads and breaks what they have in common.
    """
    exact, rng = centred(rows), np.random.default_rng(seed)
    total, found = float(np.square(exact).sum()), []
    around = exact.astype(np.float32)  # a null needs no more digits, and this takes most of the time
    for _ in range(permutations):
        if check_cancelled:
            check_cancelled()
        found.append(sums_of_squares(rng.permuted(around, axis=0), most) / total)
    return np.array(found, float)


def retained(shares: Array, null: Array) -> int:
    """Components from the first on that explain more than the same one in any permutation."""
    beyond = shares > null.max(0)
    return int(len(beyond) if beyond.all() else beyond.argmin())


def variance_shares(part: Array, whole: Array, clusters: Clusters) -> Estimates:
    """Sums of squares of every question, ``[question …]`` → share of ``part`` in ``whole``, with a 95 % interval over clusters.

    The directions are held fixed: the interval says how sure the share of these directions is. It is that of the mean of what each question
    adds to the ratio of sums, by linearisation.
    """
    share, parts = question_shares(part, whole)
    _, low, high, _ = estimate(parts, clusters)
    mean, least, most = (np.asarray(each, np.float32) for each in (share, (share + low).clip(0), (share + high).clip(max=1)))
    return Estimates(mean, least, most, len(part))


def question_shares(part: Array, whole: Array) -> tuple[Array, Array]:
    """The share of ``part`` in ``whole`` ``[…]``, and what each question adds to it ``[question …]``, 0 on average."""
    total = np.broadcast_to(whole, part.shape).mean(0)
    share = np.divide(part.mean(0), total, out=np.zeros_like(total), where=total > 0)
    return share, np.divide(part - share * whole, total, out=np.zeros_like(part), where=total > 0)


def half_agreement(rows: Rows, first: npt.NDArray[np.bool_], directions: Array) -> Array:
    """``[component]``: how well either half of the rows has each direction as one of its own components, mean of the two halves.

    The best match among as many components, signs aside: neighbours of almost equal variance may change places.
    """
    halves = [principal_components(rows[half], len(directions))[1] for half in (first, ~first)]
    agreement: Array = np.mean([np.abs(directions @ half.T).max(1) for half in halves], axis=0)
    return agreement


def cosines(vectors: Rows) -> Array:
    """``[n n]`` between the rows; NaN where one is zero."""
    flat = vectors.reshape(len(vectors), -1).astype(np.float64)
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    units = np.divide(flat, lengths, out=np.full_like(flat, np.nan), where=lengths > 0)
    matrix: Array = units @ units.T
    return matrix
