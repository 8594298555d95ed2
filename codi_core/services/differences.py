"""Difference vectors between indices, read through a lens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from codi_core.backend.worker import Check
from codi_core.keys import key_of
from codi_core.lenses.differences import Sign, cosine_matrix, difference_grid, pairs
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.workbench import Poke, Workbench
from codi_core.steering.means import means_spec, samples_of
from codi_core.types import DifferenceGrid, Floats, MeanLatents, Space


@dataclass(frozen=True)
class DifferenceRequest:
    kind: ClassVar[str] = "difference"
    model: str
    lens: str = "logit"
    eval_set: str = "means"
    n: int = 500
    seed: int = 0
    sign: Sign = "B-A"
    """``B-A`` is what the posts' code computes, ``A-B`` what their text says."""
    with_bias: bool = False
    """As in the post: add the translator's bias to the difference."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class DifferenceReport:
    grid: DifferenceGrid
    pairs: tuple[tuple[int, int], ...]
    """(a, b) with a < b: rows and columns of the cosine matrices, whatever the sign."""
    cosines: dict[Space, Floats]
    """By space ``[pair pair]``; resid has one matrix for each depth, ``[depth pair pair]``."""


def read_differences(
    workbench: Workbench,
    request: DifferenceRequest,
    viewer: str,
    poke: Poke | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DifferenceReport:
    """Means are computed once and stored; ``progress`` counts their questions. Raises DataError, LensError, ModelError, Cancelled."""

    def work(check: Check) -> DifferenceReport:
        engine = workbench.engine(request.model)
        lens = workbench.lens(engine, request.lens)
        spec = means_spec(engine.model.spec.key, request.eval_set, request.n, request.seed)
        questions = load_eval_set(request.eval_set, request.n, request.seed)[1]
        means = samples_of(engine, workbench.store, spec, questions, check, progress).means()
        grid = difference_grid(engine.model, lens, means, request.sign, request.with_bias)
        return DifferenceReport(grid, tuple(pairs(len(means.h))), _cosines(means))

    return workbench.run(work, viewer, poke)


def _cosines(means: MeanLatents) -> dict[Space, Floats]:
    depths = means.resid.shape[1]
    return {
        "h": cosine_matrix(means, "h"),
        "z": cosine_matrix(means, "z"),
        "resid": np.stack([cosine_matrix(means, "resid", depth) for depth in range(depths)]),
        "kv": cosine_matrix(means, "kv"),
    }
