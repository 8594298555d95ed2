"""A model beside its control: any map of question-wise values, the difference of the two with its paired interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.stats import estimate, max_statistic
from codi_core.values.stats import Clusters, Contrast, Estimates


def contrast(own: npt.NDArray[Any], control: npt.NDArray[Any], clusters: Clusters) -> Contrast:
    """Mean of own − control, both ``[question …]`` of the same questions, with the interval of `stats.estimate` and p for the whole map.

    Shares and probabilities are in [0, 1], so that outcomes differ by −1, 0 or 1; anything else is a real value.
    """
    assert own.shape == control.shape
    difference = own.astype(float) - control.astype(float)
    if not len(difference):
        nothing = np.full(difference.shape[1:], np.nan, np.float32)
        return Contrast(Estimates(nothing, nothing, nothing, 0), nothing)
    mean, low, high, _ = (np.asarray(part, np.float32) for part in estimate(difference, clusters))
    flat = difference.reshape(len(difference), -1)
    adjusted = max_statistic(flat, clusters).reshape(mean.shape).astype(np.float32)
    return Contrast(Estimates(mean, low, high, len(difference)), adjusted)
