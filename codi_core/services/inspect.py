"""One prompt: its answer, and what lenses read in every latent thought."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation.outcomes import outcome_of
from codi_core.keys import key_of
from codi_core.lenses.base import Lens
from codi_core.lenses.readout import lens_grid, read_lens
from codi_core.lenses.registry import DEFAULT_LENS
from codi_core.lenses.relations import relations
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.services.known import Known, Source, known
from codi_core.services.shared.workbench import Workbench
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import Outcome
from codi_core.values.lens import LensCard, LensGrid, TrackedToken
from codi_core.values.model import ModelSpec, Rollout, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question

MAX_PASSES = 16
"""Beyond the six of training nothing is known to be useful; this only bounds the work."""
MAX_TRACKED = 24
LONGEST_OWN = 20
"""Characters of an answer that is still worth following as a token."""


@dataclass(frozen=True)
class InspectRequest:
    """One page view in one request: what is followed besides ``tracked`` is found on the way."""

    kind: ClassVar[str] = "inspect"
    model: str
    """Name of a preset, a hub id or a folder."""
    prompt: str
    passes: int = 6
    tracked: tuple[str, ...] = ()
    """Texts to follow, or ``id:123``; the values of a known problem's steps are followed anyway."""
    lenses: tuple[str, ...] = (DEFAULT_LENS,)
    own: bool = False
    """Follow the model's own answer too, when it is short."""
    cell: tuple[int, int] | None = None
    """Index and depth whose top token is followed too, of every lens its own. Raises InputError outside of the grid."""
    gold: str = ""
    """The right answer as a person gives it; empty: what we know, if anything."""
    steps: tuple[str, ...] = ()
    """Values of the reasoning steps, as given."""

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
    """What was asked for, then the model's own answer, then the step values of a known problem."""
    refused: dict[str, str]
    """Texts that cannot be tracked, with the reason."""
    here: dict[str, TrackedToken]
    """By lens name: the top token of the chosen cell; empty when none was chosen."""
    problem: Question | None
    """Gold answer and step values when they are known."""
    source: Source | None
    """Who says so."""
    outcome: Outcome | None
    """Of the answer, when the gold one is known."""
    relations: dict[str, str]
    """What numbers mean here, by their text without spaces: a cell whose token is one of them is worth a mark."""
    milliseconds: float
    """Server time, without waiting in line."""

    @property
    def condition(self) -> str:
        """Everything that made the numbers, in one line."""
        model, request = self.model, self.request
        facts = [
            model.name,
            f"weights {model.checkpoint[:8]}",
            model.dtype,
            f"{model.prompt_format} prompt",
            *([f"RoPE rounded to {model.rope_rounding}"] if model.rope_rounding != "none" else []),
            *([f"LoRA α {model.lora_alpha:g}"] if model.lora_alpha is not None else []),
            f"{request.passes} passes",
            "greedy",
            f"{' and '.join(request.lenses)} lens",
            f"key {request.key}",
        ]
        return " · ".join(facts)


def inspect(workbench: Workbench, request: InspectRequest, viewer: str, on_wait: OnWait | None = None) -> Inspection:
    """Roll a prompt out and read it through lenses.

    Raises InputError for a prompt or a number that cannot be used, ModelError when the model cannot be loaded, LensError for an unknown
    lens, Cancelled when ``viewer`` asked for something newer meanwhile. A text that cannot be tracked fails nothing: see ``refused``.
    """
    if not 0 <= request.passes <= MAX_PASSES:
        raise InputError(f"{request.passes} passes: choose 0 to {MAX_PASSES}.")
    if len(request.tracked) > MAX_TRACKED:
        raise InputError(f"{len(request.tracked)} tracked tokens: at most {MAX_TRACKED} fit on the screen.")
    question = clean_question(request.prompt)
    found = known(question, request.gold, request.steps)
    return workbench.run(request.model, partial(_inspect, workbench, request, question, found), viewer, on_wait)


def _inspect(
    workbench: Workbench, request: InspectRequest, question: str, found: Known | None, engine: Engine, check_cancelled: CheckCancelled
) -> Inspection:
    started, problem = time.perf_counter(), found.question if found else None
    rollout = workbench.rollout(engine, question, RolloutConfig(request.passes), check_cancelled)
    typed = (*request.tracked, *_own(request, rollout))
    tracked, refused = _tracked(engine, [*typed, *_values(problem)])
    tracked = tuple(_whole(engine, request, question, one, check_cancelled) for one in tracked)
    lenses = {name: workbench.lens(engine, name) for name in request.lenses}
    here = {name: _top(engine, lens, rollout.resid, request.cell) for name, lens in lenses.items()} if request.cell else {}
    ids = tuple(dict.fromkeys(token for item in (*tracked, *here.values()) for token in item.ids))
    nothing = np.empty(0, np.float32)
    return Inspection(
        request=request,
        model=engine.model.spec,
        rollout=replace(rollout, resid=nothing, keys=nothing, values=nothing),
        grids={name: lens_grid(engine.model, lens, rollout.resid, ids) for name, lens in lenses.items()},
        lens_cards={name: lens.card for name, lens in lenses.items() if lens.card},
        tracked=tracked,
        refused=refused,
        here=here,
        problem=problem,
        source=found.source if found else None,
        outcome=outcome_of(rollout.answer, rollout.finished, problem) if problem else None,
        relations=relations(question, problem, typed),
        milliseconds=(time.perf_counter() - started) * 1000,
    )


def _own(request: InspectRequest, rollout: Rollout) -> tuple[str, ...]:
    answer = rollout.answer.strip()
    return (answer,) if request.own and 0 < len(answer) <= LONGEST_OWN else ()


def _values(problem: Question | None) -> list[str]:
    """What is followed of a problem: the values of its steps, or an answer in words."""
    if problem is None:
        return []
    return [problem.gold] if isinstance(problem.gold, str) else [f"{value:.10g}" for value in problem.steps]


def _tracked(engine: Engine, texts: list[str]) -> tuple[tuple[TrackedToken, ...], dict[str, str]]:
    """Those that can be followed, and why the others cannot."""
    found, refused = [], {}
    for text in dict.fromkeys(texts):
        try:
            found.append(track(engine.model, text))
        except InputError as error:
            refused[text] = str(error)
    return tuple(found), refused


def _whole(engine: Engine, request: InspectRequest, question: str, token: TrackedToken, check_cancelled: CheckCancelled) -> TrackedToken:
    """A word of several tokens has no probability in a latent, but it has one as the answer, where its tokens follow each other."""
    if token.pieces == 1:
        return token
    from codi_core.evaluation.prepared import PreparedSet  # few words need them, and they bring scipy
    from codi_core.steering.conditions import Condition

    asked, rollout = Question(question, question, token.text.strip(), "", (), (), "text"), RolloutConfig(request.passes)
    unsteered = Condition(engine.model.spec.key, EvalSetSpec("prompt", 1, 0, ""), rollout)
    (run,) = PreparedSet(engine, [asked], rollout).baseline_of(0, [unsteered], check_cancelled)
    return replace(token, answered=float(run.p_gold[0]))


def _top(engine: Engine, lens: Lens, resid: Floats, cell: tuple[int, int]) -> TrackedToken:
    """The top token of a cell, read before the grids so that they can follow it."""
    index, depth = cell
    if not (0 <= index < resid.shape[0] and 0 <= depth < resid.shape[1]):
        raise InputError(f"There is no cell {index}.{depth}: indices go to {resid.shape[0] - 1}, depths to {resid.shape[1] - 1}.")
    model = engine.model
    row = torch.from_numpy(resid[index : index + 1]).to(model.device, model.dtype)
    here = torch.tensor([index], device=model.device)
    reading = read_lens(model, lens, row, here, torch.empty(1, 0, dtype=torch.long, device=model.device), top_k=1)
    return track(model, f"id:{int(reading.top_ids[0, depth, 0])}")
