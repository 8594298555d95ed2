"""Two prompts: a cell of one put in the other."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.evaluation.patching import Pair, PairSet, Patched, follows, random_alike, recovery
from codi_core.keys import key_of
from codi_core.models.prompts import clean_question
from codi_core.services.shared.commands import passes_words
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.limits import check_feeds_back
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.patching import (
    Patch,
    PatchedPair,
    PatchEffect,
    PatchSide,
    Place,
    place_of,
)
from codi_core.values.reach import Reach, reach


@dataclass(frozen=True)
class PatchRequest:
    kind: ClassVar[str] = "patch"
    model: str
    source: str
    """The prompt that is taken from."""
    target: str
    taken: str
    """A place of the source, see `Place`."""
    put: str = ""
    """A place of the target; empty: the same."""
    passes: int = 6
    max_new_tokens: int = RolloutConfig.max_new_tokens
    seed: int = 0
    """Of the random vector beside it."""

    @property
    def key(self) -> str:
        return key_of(self)

    @property
    def patch(self) -> Patch:
        """Raises InterventionError for what is no place, or one where nothing could change."""
        return Patch(place_of(self.taken, self.passes), place_of(self.put or self.taken, self.passes))


def patch(workbench: Workbench, request: PatchRequest, viewer: str, on_wait: OnWait | None = None) -> PatchedPair:
    """Raises InputError for a prompt that cannot be read, InterventionError for a patch that cannot be or could not act, ModelError, and
    Cancelled when ``viewer`` asked for something newer.
    """
    return workbench.run(request.model, partial(_patch, workbench, request, request.patch), viewer, on_wait)


def _patch(workbench: Workbench, request: PatchRequest, wanted: Patch, engine: Engine, check_cancelled: CheckCancelled) -> PatchedPair:
    model = engine.model
    wanted.check(request.passes, model.n_layers)
    if wanted.target.depth == 0:
        check_feeds_back("z", model)
    source, target = clean_question(request.source), clean_question(request.target)
    config = RolloutConfig(request.passes, request.max_new_tokens)
    key = (model.spec.key, source, target, config)
    pairs = workbench.pairs.get(key, lambda: PairSet(engine, [Pair("pair", source, target)], config, check_cancelled))
    before, after = pairs.patched([wanted], None, check_cancelled)
    _, random = pairs.patched([wanted], random_alike(request.seed), check_cancelled)
    own = pairs.answers(0)
    shape = (request.passes + 1, model.n_layers + 1)
    return PatchedPair(
        key=request.key,
        source=PatchSide(source, pairs.tokens[0][0], own[0]),
        target=PatchSide(target, pairs.tokens[0][1], own[1]),
        same_answer=own[0] == own[1],
        effect=_effect(own, float(pairs.ld_source()[0]), before, after),
        random=_effect(own, float(pairs.ld_source()[0]), before, random),
        reached=_reached(wanted.target, shape),
    )


def _effect(own: tuple[str, str], ld_source: float, before: Patched, after: Patched) -> PatchEffect:
    ld, ld_target, answer = float(after.ld[0, 0]), float(before.ld[0, 0]), after.answers[0][0]
    found = float(recovery(after.ld - before.ld, np.array([[ld_source]], np.float32) - before.ld)[0, 0])
    change = (after.log_p - before.log_p)[0, 0]
    return PatchEffect(
        recovery=None if np.isnan(found) else found,
        ld=ld,
        ld_source=ld_source,
        ld_target=ld_target,
        dlog_p=(float(change[0]), float(change[1])),
        answer=answer,
        follows=follows(answer, *own),
        identical=bool(np.array_equal(after.log_p, before.log_p)) and answer == before.answers[0][0],
        norm=float(after.norm[0, 0]),
    )


def _reached(target: Place, shape: tuple[int, int]) -> Reach:
    """All depths of an index begin with what is fed to it."""
    if target.slot:
        return reach(shape, "kv", target.indices)
    found = reach(shape, "resid", target.indices, target.depth or 0)
    if target.depth is None:
        found.site[list(target.indices)] = True
    return found


def patch_command(request: PatchRequest) -> str:
    words = ["--prompt", request.source, "--into", request.target, "--from", request.taken]
    words += ["--to", request.put] if request.put and request.put != request.taken else []
    return command_of(request.model, [*words, *passes_words(request.model, request.passes)])


def command_of(model: str, words: list[str]) -> str:
    return shlex.join(["python", "-m", "codi_core", "patch", "--model", model, *words])
