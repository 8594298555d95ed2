"""Principal components: the directions along which rows vary most. Plain linear algebra, no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from codi_core.errors import InputError

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[Any]


def principal_components(rows: Rows, most: int) -> tuple[Array, Array]:
    """Of rows ``[row d]`` around their mean: shares of all variance ``[component]`` and unit directions ``[component d]``.

    A direction has no sign of its own: it points to where its largest coordinate is positive. Raises InputError when the rows do not vary.
    """
    around = centred(rows)
    total = float(np.square(around).sum())
    if total <= 0:
        raise InputError("The latents are all equal: there is no direction along which they vary. Take more questions.")
    from scipy.linalg import eigh  # here: a command's help names components, and needs none

    gram, wide = _gram(around)
    squares, vectors = eigh(gram, subset_by_index=_largest(around, most))
    squares, vectors = squares[::-1].clip(0), vectors[:, ::-1]
    directions = (around.T @ vectors if wide else vectors).T
    directions = directions / np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1)
    return squares / total, directions * np.sign(largest)


def sums_of_squares(around: Rows, most: int) -> Array:
    """``[component]``: what `principal_components` divides by the whole, of rows that are centred already and in their precision."""
    from scipy.linalg import eigh

    squares: Array = eigh(_gram(around)[0], eigvals_only=True, subset_by_index=_largest(around, most))[::-1]
    return squares


def centred(rows: Rows) -> Array:
    wide = rows.astype(np.float64)
    around: Array = wide - wide.mean(0)
    return around


def _gram(around: Rows) -> tuple[Rows, bool]:
    """The smaller of the two Gram matrices, and whether it is that of the rows: both have the same eigenvalues."""
    wide = around.shape[1] > around.shape[0]
    return (around @ around.T if wide else around.T @ around), wide


def _largest(around: Rows, most: int) -> tuple[int, int]:
    """Places of the ``most`` largest eigenvalues; centred rows have one fewer than there are."""
    size = min(around.shape)
    return max(size - most, 1 if around.shape[0] == size and size > 1 else 0), size - 1
