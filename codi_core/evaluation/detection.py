"""Questions asked of what a lens read over an eval set: where is a value found, against chance, and with what certainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.run import clusters_of
from codi_core.evaluation.stats import Array, Clusters, bootstrap_interval, shares
from codi_core.types import CellMeans, DetectionMap, Floats, Ints, LensReadings

PERMUTATIONS = 8
"""Values of other questions tried for each question."""
REDRAWS = 50

Subset = Literal["all", "correct", "wrong"]
Rows = npt.NDArray[np.intp]


def detection_map(readings: LensReadings, target: str, seed: int = 0) -> DetectionMap:
    """Share of questions where ``target`` is among the k likeliest tokens of each cell, for every k."""
    column = readings.targets.index(target)
    known, ids = ~np.isnan(readings.values[:, column]), readings.token_ids[:, column]
    rows = np.flatnonzero(known & (ids >= 0).any(-1))
    others = _other_questions(readings, column, rows, np.random.default_rng(seed))
    top = readings.top_ids[rows]
    permuted = np.mean([_within_k(top, ids[draw]) for draw in others], axis=0) if len(rows) else _within_k(top, ids[rows])
    return DetectionMap(
        target=target,
        found=_means(_within_k(top, ids[rows]), _clusters(readings, rows), shares),
        permuted=_means(permuted, _clusters(readings, rows), shares),
        multi_token=int(known.sum()) - len(rows),
        without=int((~known).sum()),
    )


def aligned_detection(readings: LensReadings, step: int, depth: int = -1, seed: int = 0) -> tuple[CellMeans, CellMeans]:
    """Share of questions where the value of ``step`` (1, 2, …; the last is the answer) is among the k likeliest tokens at index step + 1.

    There step-level supervision puts it (arXiv 2509.20317). Returns found and permuted, each ``[k]``; of no questions when none has that
    many steps, or the rollout that many passes.
    """
    index = step + 1
    reached = index < readings.top_ids.shape[1]
    steps = [question.steps if reached else () for question in readings.questions]
    places = [(row, 0 if len(own) == step else readings.targets.index(f"step {step}")) for row, own in enumerate(steps) if len(own) >= step]
    places = [place for place in places if (readings.token_ids[place] >= 0).any()]
    rows, columns = np.array(places, np.intp).reshape(-1, 2).T
    ids, clusters = readings.token_ids[rows, columns], _clusters(readings, rows)
    top = readings.top_ids[rows, index if reached else 0, depth][:, None, None]
    draws = _draws(readings.values[rows, columns], readings.values[rows], np.random.default_rng(seed))
    permuted = np.mean([_within_k(top, ids[draw]) for draw in draws], axis=0) if len(rows) else _within_k(top, ids)
    found, chance = (_means(hits[:, :, 0, 0], clusters, shares) for hits in (_within_k(top, ids), permuted))
    return found, chance


def token_set(readings: LensReadings, ids: Sequence[int]) -> CellMeans:
    """Share of questions where any token of a set is among the k likeliest: ``[k index depth]``."""
    rows = np.arange(len(readings.questions))
    wanted = np.broadcast_to(np.array(ids, np.int64), (len(rows), len(ids)))
    return _means(_within_k(readings.top_ids, wanted), _clusters(readings, rows), shares)


def mean_entropy(readings: LensReadings, subset: Subset = "all") -> CellMeans:
    """Nats, ``[index depth]``."""
    rows = _subset(readings, subset)
    return _means(readings.entropy[rows], _clusters(readings, rows), _mean_and_interval)


def mean_probability(readings: LensReadings, target: str, subset: Subset = "all") -> CellMeans:
    """Probability of the value of ``target``, ``[index depth]``, over the questions where it is a single token."""
    column = readings.targets.index(target)
    rows = _subset(readings, subset)
    rows = rows[(readings.token_ids[rows, column] >= 0).any(-1)]
    return _means(readings.prob[rows][..., column], _clusters(readings, rows), _mean_and_interval)


def _within_k(top_ids: Ints, wanted: Ints) -> npt.NDArray[np.bool_]:
    """``[question index depth k]`` and ``[question spelling]`` → ``[question k index depth]``: any spelling among the first k?"""
    hits = np.zeros(top_ids.shape, bool)
    for spelling in wanted.T:
        hits |= (top_ids == spelling[:, None, None, None]) & (spelling >= 0)[:, None, None, None]
    return np.moveaxis(np.logical_or.accumulate(hits, -1), -1, 1)


def _other_questions(readings: LensReadings, column: int, rows: Rows, rng: np.random.Generator) -> list[Rows]:
    """PERMUTATIONS times another question for each of ``rows``, whose value of the same target is no value of this one."""
    return [rows[draw] for draw in _draws(readings.values[rows, column], readings.values[rows], rng)]


def _draws(values: Floats, own: Floats, rng: np.random.Generator) -> list[Rows]:
    """PERMUTATIONS times a place in ``values`` ``[question]`` for each question, whose value is none of its ``own`` ``[question target]``.

    Where chance finds none in REDRAWS tries (nearly all questions share a value) an equal value stays, and the baseline is high: rightly.
    """
    draws = []
    for _ in range(PERMUTATIONS if len(values) else 0):
        draw = rng.integers(len(values), size=len(values))
        for _ in range(REDRAWS):
            same = (values[draw][:, None] == own).any(1)
            if not same.any():
                break
            draw[same] = rng.integers(len(values), size=int(same.sum()))
        draws.append(draw)
    return draws


def _subset(readings: LensReadings, subset: Subset) -> Rows:
    if subset == "all":
        return np.arange(len(readings.questions))
    return np.flatnonzero(readings.correct == (subset == "correct"))


def _clusters(readings: LensReadings, rows: Rows) -> Clusters:
    return clusters_of([readings.questions[row] for row in rows]) if len(rows) else ()


def _mean_and_interval(values: npt.ArrayLike, clusters: Clusters) -> tuple[Array, Array, Array]:
    return (np.asarray(values, float).mean(0), *bootstrap_interval(values, clusters))


def _means(
    values: npt.NDArray[np.floating] | npt.NDArray[np.bool_], clusters: Clusters, estimate: Callable[..., tuple[Array, ...]]
) -> CellMeans:
    """``[question …]`` → mean and interval of every cell; NaN when there are no questions."""
    if not len(values):
        nothing = np.full(values.shape[1:], np.nan, np.float32)
        return CellMeans(nothing, nothing, nothing, 0)
    value, low, high = (np.asarray(part, np.float32) for part in estimate(values, clusters)[:3])
    return CellMeans(value, low, high, len(values))
