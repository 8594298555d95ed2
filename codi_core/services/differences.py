"""Difference vectors between indices, read through a lens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.keys import ADDED_LATER, key_of
from codi_core.lenses.differences import Sign, cosine_matrix, difference_grid, pairs
from codi_core.lenses.registry import DEFAULT_LENS, kind_of
from codi_core.services.shared.directions import collect_in_turns, means_samples
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.lens import DifferenceGrid
from codi_core.values.vectors import MeanLatents, Space


@dataclass(frozen=True)
class DifferenceRequest:
    kind: ClassVar[str] = "difference"
    model: str
    lens: str = DEFAULT_LENS
    eval_set: str = "means"
    n: int = 500
    seed: int = 0
    sign: Sign = "B-A"
    """``B-A`` is what the posts' code computes, ``A-B`` what their text says."""
    with_bias: bool = False
    """As in the post: add the translator's bias to the difference."""
    passes: int = field(default=6, metadata=ADDED_LATER)

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class DifferenceReport:
    grid: DifferenceGrid
    constant: bool
    """Whether the lens adds a constant, which ``grid.with_bias`` then says is in or out."""
    pairs: tuple[tuple[int, int], ...]
    """(a, b) with a < b: rows and columns of the cosine matrices, whatever the sign."""
    cosines: dict[Space, Floats]
    """By space ``[pair pair]``; resid has one matrix for each depth, ``[depth pair pair]``."""


def read_differences(
    workbench: Workbench,
    request: DifferenceRequest,
    viewer: str,
    on_wait: OnWait | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DifferenceReport:
    """Means are computed once and stored; ``progress`` counts their questions. Raises DataError, LensError, ModelError, Cancelled."""
    asked = MeansRequest(request.eval_set, request.n, request.seed)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> DifferenceReport:
        lens = workbench.lens(engine, request.lens)
        means = means_samples(workbench, engine, asked, request.passes, check_cancelled, progress).means()
        grid = difference_grid(engine.model, lens, means, request.sign, request.with_bias)
        return DifferenceReport(grid, kind_of(request.lens).constant, tuple(pairs(len(means.h))), _cosines(means))

    collect_in_turns(workbench, request.model, asked, request.passes, viewer, on_wait, progress)
    return workbench.run(request.model, work, viewer, on_wait)


def _cosines(means: MeanLatents) -> dict[Space, Floats]:
    depths = means.resid.shape[1]
    return {
        "h": cosine_matrix(means, "h"),
        "z": cosine_matrix(means, "z"),
        "resid": np.stack([cosine_matrix(means, "resid", depth) for depth in range(depths)]),
        "kv": cosine_matrix(means, "kv"),
    }
