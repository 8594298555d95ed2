"""Questions asked of what a lens read over an eval set: where is a value found, against chance, and with what certainty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.stats import Array, estimate, shares
from codi_core.problems.clusters import clusters_of
from codi_core.values.arrays import Floats, Ints
from codi_core.values.lens import DetectionMap, LensReadings
from codi_core.values.stats import Clusters, Contrast, Estimates

PERMUTATIONS = 8
"""Values of other questions tried for each question."""
REDRAWS = 50

Subset = Literal["all", "correct", "wrong"]
Rows = npt.NDArray[np.intp]
Asked = tuple[Rows, npt.NDArray[np.floating] | npt.NDArray[np.bool_]]


def detection_map(readings: LensReadings, target: str, seed: int = 0) -> DetectionMap:
    """Share of questions where ``target`` is among the k likeliest tokens of each cell, for every k."""
    known = ~np.isnan(readings.values[:, readings.targets.index(target)])
    rows, hits = value_hits(readings, target)
    permuted = _permuted(readings, target, rows, seed)
    return DetectionMap(
        target=target,
        found=_means(hits, _clusters(readings, rows), shares),
        permuted=_means(permuted, _clusters(readings, rows), shares),
        multi_token=int(known.sum()) - len(rows),
        without=int((~known).sum()),
    )


def aligned_detection(readings: LensReadings, step: int, depth: int = -1, seed: int = 0) -> tuple[Estimates, Estimates]:
    """Share of questions where the value of ``step`` (1, 2, …; the last is the answer) is among the k likeliest tokens at index step + 1.

    There step-level supervision puts it (arXiv 2509.20317). Returns found and permuted, each ``[k]``; of no questions when none has that
    many steps, or the rollout that many passes.
    """
    rows, columns, top = _aligned(readings, step, depth)
    ids, clusters = readings.token_ids[rows, columns], _clusters(readings, rows)
    draws = _draws(readings.values[rows, columns], readings.values[rows], np.random.default_rng(seed))
    permuted = np.mean([_within_k(top, ids[draw]) for draw in draws], axis=0) if len(rows) else _within_k(top, ids)
    found, chance = (_means(hits[:, :, 0, 0], clusters, shares) for hits in (_within_k(top, ids), permuted))
    return found, chance


def token_set(readings: LensReadings, ids: Sequence[int]) -> Estimates:
    """Share of questions where any token of a set is among the k likeliest: ``[k index depth]``."""
    rows, hits = set_hits(readings, ids)
    return _means(hits, _clusters(readings, rows), shares)


def mean_entropy(readings: LensReadings, subset: Subset = "all") -> Estimates:
    """Nats, ``[index depth]``."""
    rows, entropies = entropies_of(readings, subset)
    return _means(entropies, _clusters(readings, rows), estimate)


def mean_probability(readings: LensReadings, target: str, subset: Subset = "all") -> Estimates:
    """Probability of the value of ``target``, ``[index depth]``, over the questions where it is a single token."""
    rows, probabilities = probabilities_of(readings, target, subset)
    return _means(probabilities, _clusters(readings, rows), estimate)


def detection_contrast(own: LensReadings, control: LensReadings, asked: Callable[[LensReadings], Asked], k: int | None = None) -> Contrast:
    """What is ``asked`` (one of the functions below), of a model minus of its control, over the questions that both have read.

    ``k``: of hits, those among the first k tokens. ``[index depth]``
    """
    (rows, values), (others, theirs) = asked(own), asked(control)
    both, here, there = np.intersect1d(rows, others, return_indices=True)
    assert all(own.questions[row] == control.questions[row] for row in both), "two eval sets"
    cells = slice(None) if k is None else k - 1
    return contrast(values[here][:, cells], theirs[there][:, cells], _clusters(own, both))


# Question by question: places of the questions that count, and the values of these


def value_hits(readings: LensReadings, target: str) -> Asked:
    """Whether the value of ``target`` is among the first k: ``[question k index depth]``."""
    ids = readings.token_ids[:, readings.targets.index(target)]
    rows = np.flatnonzero((ids >= 0).any(-1))
    return rows, _within_k(readings.top_ids[rows], ids[rows])


def value_above_chance(readings: LensReadings, target: str, seed: int = 0) -> Asked:
    """`value_hits`, minus how often the values of other questions are found: ``[question k index depth]``."""
    rows, hits = value_hits(readings, target)
    return rows, hits - _permuted(readings, target, rows, seed)


def _permuted(readings: LensReadings, target: str, rows: Rows, seed: int) -> Floats:
    """Share of PERMUTATIONS other questions whose value is among the first k: ``[question k index depth]``."""
    column, top = readings.targets.index(target), readings.top_ids[rows]
    others = _other_questions(readings, column, rows, np.random.default_rng(seed))
    ids = readings.token_ids[:, column]
    found: Floats = (
        np.mean([_within_k(top, ids[draw]) for draw in others], axis=0) if len(rows) else _within_k(top, ids[rows]).astype(float)
    )
    return found


def set_hits(readings: LensReadings, ids: Sequence[int]) -> Asked:
    """Whether any token of a set is: ``[question k index depth]``."""
    rows = np.arange(len(readings.questions))
    return rows, _within_k(readings.top_ids, np.broadcast_to(np.array(ids, np.int64), (len(rows), len(ids))))


def aligned_hits(readings: LensReadings, step: int, depth: int = -1) -> Asked:
    """Whether the value of ``step`` is among the first k at index step + 1, as `aligned_detection`: ``[question k]``."""
    rows, columns, top = _aligned(readings, step, depth)
    return rows, _within_k(top, readings.token_ids[rows, columns])[:, :, 0, 0]


def _aligned(readings: LensReadings, step: int, depth: int) -> tuple[Rows, Rows, Ints]:
    """Questions that have the step as one token, its column, and the likeliest tokens there ``[question 1 1 k]``."""
    index = step + 1
    reached = index < readings.top_ids.shape[1]
    steps = [question.steps if reached else () for question in readings.questions]
    places = [(row, 0 if len(own) == step else readings.targets.index(f"step {step}")) for row, own in enumerate(steps) if len(own) >= step]
    places = [place for place in places if (readings.token_ids[place] >= 0).any()]
    rows, columns = np.array(places, np.intp).reshape(-1, 2).T
    return rows, columns, readings.top_ids[rows, index if reached else 0, depth][:, None, None]


def entropies_of(readings: LensReadings, subset: Subset = "all") -> Asked:
    """``[question index depth]``"""
    rows = _subset(readings, subset)
    return rows, readings.entropy[rows]


def probabilities_of(readings: LensReadings, target: str, subset: Subset = "all") -> Asked:
    """``[question index depth]``"""
    column = readings.targets.index(target)
    rows = _subset(readings, subset)
    rows = rows[(readings.token_ids[rows, column] >= 0).any(-1)]
    return rows, readings.prob[rows][..., column]


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


def _means(
    values: npt.NDArray[np.floating] | npt.NDArray[np.bool_], clusters: Clusters, estimate: Callable[..., tuple[Array, ...]]
) -> Estimates:
    """``[question …]`` → mean and interval of every cell; NaN when there are no questions."""
    if not len(values):
        nothing = np.full(values.shape[1:], np.nan, np.float32)
        return Estimates(nothing, nothing, nothing, 0)
    value, low, high = (np.asarray(part, np.float32) for part in estimate(values, clusters)[:3])
    return Estimates(value, low, high, len(values))
