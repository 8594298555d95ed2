"""A latent as a sum of few token directions."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenWeight:
    id: int
    token: str
    weight: float
    """Of the unit direction, over the length of the residual."""


@dataclass(frozen=True)
class SparseReading:
    """One cell's residual, written as a sum of at most k token directions with positive weights."""

    key: str
    answer: str
    lens: str
    index: int
    depth: int
    tokens: tuple[TokenWeight, ...]
    """Those with a weight, heaviest first."""
    share: float
    """Of the residual's squared length that the sum explains."""
    projection: float
    """The same of its orthogonal projection on all directions that were chosen, whatever the signs of their weights."""
    random: tuple[float, ...]
    """``share`` of random vectors instead of the residual."""
    size: int
    """Directions in the dictionary."""
