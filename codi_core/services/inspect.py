"""One prompt: its answer, and what lenses read in every latent thought."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from codi_core.backend.worker import Check
from codi_core.errors import InputError
from codi_core.keys import key_of
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.relations import relations
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.problems.evalsets import as_question
from codi_core.problems.generate import generate, seed_prompt, team_prompt, templates
from codi_core.services.workbench import Poke, Workbench
from codi_core.types import LensCard, LensGrid, ModelSpec, Question, Rollout, RolloutConfig, TrackedToken

MAX_PASSES = 16
"""Beyond the six of training nothing is known to be useful; this only bounds the work."""
MAX_TRACKED = 24


@dataclass(frozen=True)
class InspectRequest:
    kind: ClassVar[str] = "inspect"
    model: str
    """Name of a preset, a hub id or a folder."""
    prompt: str
    passes: int = 6
    tracked: tuple[str, ...] = ()
    """Texts to follow, or ``id:123``; the values of a known problem's steps are followed anyway."""
    lenses: tuple[str, ...] = ("logit",)

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class Inspection:
    request: InspectRequest
    model: ModelSpec
    rollout: Rollout
    """Without resid, keys and values."""
    grids: dict[str, LensGrid]
    """By lens name."""
    lens_cards: dict[str, LensCard]
    """By lens name, of those that were trained; ``card.trained_on(rollout.question)`` is worth a badge."""
    tracked: tuple[TrackedToken, ...]
    """What was asked for, then the step values of a known problem."""
    problem: Question | None
    """Gold answer and step values when the prompt is one of ours."""
    relations: dict[str, str]
    """What numbers mean here, by their text without spaces: a cell whose token is one of them is worth a mark."""
    milliseconds: float
    """Server time, without waiting in line."""


def inspect(workbench: Workbench, request: InspectRequest, viewer: str, poke: Poke | None = None) -> Inspection:
    """Roll a prompt out and read it through lenses.

    Raises InputError for a prompt or a number that cannot be used, ModelError when the model cannot be loaded, LensError for an unknown
    lens, Cancelled when ``viewer`` asked for something newer meanwhile.
    """
    if not 0 <= request.passes <= MAX_PASSES:
        raise InputError(f"{request.passes} passes: choose 0 to {MAX_PASSES}.")
    if len(request.tracked) > MAX_TRACKED:
        raise InputError(f"{len(request.tracked)} tracked tokens: at most {MAX_TRACKED} fit on the screen.")
    question = clean_question(request.prompt)
    problem = known_problems().get(question)
    return workbench.run(lambda check: _inspect(workbench, request, question, problem, check), viewer, poke)


def _inspect(workbench: Workbench, request: InspectRequest, question: str, problem: Question | None, check: Check) -> Inspection:
    engine = workbench.engine(request.model)
    started = time.perf_counter()
    values = [f"{value:.10g}" for value in problem.steps] if problem else []
    tracked = tuple(track(engine.model, text) for text in dict.fromkeys([*request.tracked, *values]))
    ids = tuple(dict.fromkeys(token for item in tracked for token in item.ids))
    rollout = workbench.rollout(engine, question, RolloutConfig(request.passes), check)
    lenses = {name: workbench.lens(engine, name) for name in request.lenses}
    nothing = np.empty(0, np.float32)
    return Inspection(
        request=request,
        model=engine.model.spec,
        rollout=replace(rollout, resid=nothing, keys=nothing, values=nothing),
        grids={name: lens_grid(engine.model, lens, rollout.resid, ids) for name, lens in lenses.items()},
        lens_cards={name: lens.card for name, lens in lenses.items() if lens.card},
        tracked=tracked,
        problem=problem,
        relations=relations(question, problem, request.tracked),
        milliseconds=(time.perf_counter() - started) * 1000,
    )


@cache
def known_problems() -> dict[str, Question]:
    """Problems whose steps we know, by their cleaned text: the two prompts of the posts, the template set, unseen problems of each kind."""
    problems = [seed_prompt(), team_prompt(), *templates(), *generate("test", 400), *generate("wordings", 200)]
    return {clean_question(problem.question): as_question(problem) for problem in problems}
