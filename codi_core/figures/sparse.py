"""A sum of token directions in words."""

from __future__ import annotations

from codi_core.figures.text import percent, position
from codi_core.values.sparse import SparseReading


def sparse_words(found: SparseReading) -> str:
    """What the sum is worth, beside random vectors."""
    low, high, mean = min(found.random), max(found.random), sum(found.random) / len(found.random)
    return (
        f"{position(found.index)} · layer {found.depth}: {len(found.tokens)} of {found.size:,} token directions ({found.lens} lens) "
        f"explain {percent(found.share)} of its squared length, {percent(found.projection)} with weights of any sign. Of random "
        f"vectors: {percent(mean)} ({percent(low)} to {percent(high)}, n = {len(found.random)})."
    )
