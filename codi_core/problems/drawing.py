"""Questions drawn from a longer list, the same ones every time."""

from __future__ import annotations

import random
from collections.abc import Sequence

from codi_core.errors import DataError
from codi_core.values.questions import Question


def sample(questions: Sequence[Question], n: int, seed: int, name: str) -> list[Question]:
    """``n`` of them at random, in their own order; all when ``n`` is 0. Raises DataError when there are fewer."""
    if n > len(questions):
        raise DataError(f"{name} has {len(questions):,} questions and {n:,} were asked for: use a smaller n, or 0 for all.")
    chosen = random.Random(seed).sample(range(len(questions)), n) if n else range(len(questions))
    return [questions[place] for place in sorted(chosen)]
