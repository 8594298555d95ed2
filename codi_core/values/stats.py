"""Statistics as values: shares, estimates and comparisons with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from codi_core.values.arrays import Floats

Clusters = Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class Share:
    """A share of questions with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    effective_n: float
    """Independent questions that would tell as much: questions of one template or one triple stand or fall together."""


@dataclass(frozen=True)
class PairedComparison:
    """The same questions under two conditions; ``delta`` = accuracy of b − accuracy of a."""

    n: int
    effective_n: float
    accuracy_a: float
    accuracy_b: float
    delta: float
    low: float
    high: float
    """95 % interval of delta, clustered."""
    fixed: int
    """Wrong under a, right under b."""
    broken: int
    """Right under a, wrong under b."""
    p_mcnemar: float
    """Exact, as if all questions were independent."""
    p_clustered: float
    """From the same tests as the interval, which leaves out 0 exactly when this is below .05."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """Means over questions with their 95 % intervals, which know that questions of one story or with equal numbers go together."""

    value: Floats
    """``[… index depth]``"""
    low: Floats
    high: Floats
    n: int
    """Questions averaged; 0 leaves NaN."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """A model minus its control over the same questions, question by question."""

    difference: Estimates
    adjusted: Floats
    """p of every cell, adjusted for all cells of the map, in the shape of the difference; NaN without questions."""

    @property
    def stands_out(self) -> npt.NDArray[np.bool_]:
        """Cells where the adjusted p is below .05."""
        found: npt.NDArray[np.bool_] = self.adjusted < 0.05
        return found


@dataclass(frozen=True)
class Estimate:
    """A mean over questions with its 95 % interval, clustered."""

    value: float
    low: float
    high: float
