"""One cell of one prompt as a sum of few token directions, beside random vectors."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.keys import key_of
from codi_core.lenses.registry import DEFAULT_LENS
from codi_core.lenses.sparse import decompose, dictionary, random_shares
from codi_core.models.prompts import clean_question
from codi_core.services.shared.commands import passes_words
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.sparse import SparseReading, TokenWeight

MOST = 25
"""Tokens; more explain nearly anything."""
DRAWS = 8
"""Random vectors beside the cell."""


@dataclass(frozen=True)
class SparseRequest:
    kind: ClassVar[str] = "sparse"
    model: str
    prompt: str
    index: int
    depth: int
    lens: str = DEFAULT_LENS
    k: int = 8
    passes: int = 6
    seed: int = 0
    """Of the first random vector."""

    @property
    def key(self) -> str:
        return key_of(self)


def sparse(workbench: Workbench, request: SparseRequest, viewer: str, on_wait: OnWait | None = None) -> SparseReading:
    """Raises InputError for a prompt, a cell or a count that cannot be used, LensError for a lens without token directions,
    MemoryLimitError when those of all tokens do not fit, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    if not 1 <= request.k <= MOST:
        raise InputError(f"{request.k} tokens: choose 1 to {MOST}.")
    return workbench.run(request.model, partial(_sparse, workbench, request), viewer, on_wait)


def _sparse(workbench: Workbench, request: SparseRequest, engine: Engine, check_cancelled: CheckCancelled) -> SparseReading:
    model = engine.model
    rollout = workbench.rollout(engine, clean_question(request.prompt), RolloutConfig(request.passes), check_cancelled)
    indices, depths = rollout.resid.shape[:2]
    if not (0 <= request.index < indices and 0 <= request.depth < depths):
        raise InputError(f"There is no cell {request.index}.{request.depth}: indices go to {indices - 1}, depths to {depths - 1}.")
    with torch.inference_mode():
        atoms = dictionary(model, workbench.lens(engine, request.lens), request.index, request.depth)
        found = decompose(atoms, torch.from_numpy(rollout.resid[request.index, request.depth]).float().to(model.device), request.k)
        random = random_shares(atoms, request.k, range(request.seed, request.seed + DRAWS))
    weighed = sorted(zip(found.weights.tolist(), found.chosen, strict=True), reverse=True)
    return SparseReading(
        key=request.key,
        answer=rollout.answer,
        lens=request.lens,
        index=request.index,
        depth=request.depth,
        tokens=tuple(TokenWeight(token, model.token_text(token), weight) for weight, token in weighed if weight > 0),
        share=found.share,
        projection=found.projection,
        random=random,
        size=len(atoms),
    )


def sparse_command(request: SparseRequest) -> str:
    words = ["--prompt", request.prompt, "--cell", f"{request.index}.{request.depth}", "--lens", request.lens, "--k", str(request.k)]
    return shlex.join(
        ["python", "-m", "codi_core", "sparse", "--model", request.model, *words, *passes_words(request.model, request.passes)]
    )
