"""One prompt under an intervention, beside the unsteered answer and the same push in a random direction."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InterventionError
from codi_core.evaluation.outcomes import outcome_of
from codi_core.evaluation.probe import Probe, Trace
from codi_core.lenses.base import Lens
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.services.known import known
from codi_core.services.shared.commands import steer_command
from codi_core.services.shared.directions import collect_in_turns, condition_of, directions_of
from codi_core.services.shared.requests import SteerRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.controls import controls
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import Outcome
from codi_core.values.lens import LensGrid, TrackedToken
from codi_core.values.model import ModelSpec, RolloutConfig, TopToken
from codi_core.values.questions import EvalSetSpec, Question


@dataclass(frozen=True, eq=False)
class SteeredAnswer:
    """One of the three answers on the screen."""

    answer: str
    number: float | None
    finished: bool
    top_answers: tuple[TopToken, ...]
    outcome: Outcome | None
    """None when the gold answer is not known, and so for the next two."""
    p_gold: float | None
    margin: float | None
    grids: dict[str, LensGrid]
    """By lens name."""
    change: dict[str, Floats]
    """By lens name ``[index depth]``: KL(unsteered || this) of what the lens reads, in nats; zero where the edit does not reach."""


@dataclass(frozen=True, eq=False)
class Steering:
    request: SteerRequest
    model: ModelSpec
    problem: Question | None
    """When its answer is known."""
    passes: int
    """Passes that were run, also unsteered."""
    first_pass: int
    """First pass that the edit reaches; beyond ``passes``: only the answer is reached."""
    baseline: SteeredAnswer
    steered: SteeredAnswer
    control: SteeredAnswer | None
    """A random direction of the same length; None for interventions without mean latents."""
    identical: bool
    """The steered pane equals the baseline bit for bit, as it must with coefficient 0."""
    tracked: tuple[TrackedToken, ...]
    command: str
    """What repeats this on the command line."""
    milliseconds: float


def steer(workbench: Workbench, request: SteerRequest, viewer: str, on_wait: OnWait | None = None) -> Steering:
    """Raises InterventionError for what cannot be done, InputError for a prompt that cannot be read, ModelError, DataError, and Cancelled
    when ``viewer`` asked for something newer meanwhile.
    """
    if not request.interventions:
        raise InterventionError("No intervention was given: name one, as in 'kv source=difference a=2 b=4 coefficient=1 indices=5'.")
    question = clean_question(request.prompt)
    found = known(question, request.gold, request.steps)
    problem = found.question if found else None
    asked = problem or Question(question, question, math.nan, "", (), ())
    if any(method.needs_means for method in request.interventions):
        collect_in_turns(
            workbench, request.model, request.means, request.passes, viewer, on_wait, check=partial(_condition, workbench, request)
        )
    return workbench.run(request.model, partial(_steer, workbench, request, asked, problem), viewer, on_wait)


def _condition(workbench: Workbench, request: SteerRequest, engine: Engine) -> Condition:
    """Raises InterventionError when it cannot be run."""
    rollout = RolloutConfig(request.passes, request.max_new_tokens)
    condition = condition_of(workbench, engine, EvalSetSpec("prompt", 1, 0, ""), rollout, request.interventions, request.means)
    condition.check(engine.model, (), ())
    return condition


def _steer(
    workbench: Workbench, request: SteerRequest, asked: Question, problem: Question | None, engine: Engine, check_cancelled: CheckCancelled
) -> Steering:
    started = time.perf_counter()
    condition = _condition(workbench, request, engine)
    rollout = condition.rollout
    control = controls(condition, 1, request.control_seed) if condition.means else ()
    needed = condition.means is not None
    directions = directions_of(workbench, engine, request.means, request.passes, check_cancelled) if needed else None
    probe = workbench.probes.get((engine.model.spec.key, asked.question, str(asked.gold), rollout), lambda: Probe(engine, asked, rollout))
    unsteered, traces = probe.traces([condition, *control], directions, check_cancelled)
    values = [f"{value:.10g}" for value in asked.steps]
    tracked = tuple(track(engine.model, text) for text in dict.fromkeys([*request.tracked, *values]))
    lenses = [workbench.lens(engine, name) for name in request.lenses]
    panes = [
        _pane(engine, asked, trace, own, lenses, tracked)
        for trace, own in zip([unsteered[0], *traces], [unsteered[0], *unsteered], strict=True)
    ]
    return Steering(
        request=request,
        model=engine.model.spec,
        problem=problem,
        passes=condition.passes,
        first_pass=condition.first_pass,
        baseline=panes[0],
        steered=panes[1],
        control=panes[2] if control else None,
        identical=traces[0].identical(unsteered[0]),
        tracked=tracked,
        command=steer_command(request),
        milliseconds=(time.perf_counter() - started) * 1000,
    )


def _pane(
    engine: Engine, asked: Question, trace: Trace, unsteered: Trace, lenses: Sequence[Lens], tracked: Sequence[TrackedToken]
) -> SteeredAnswer:
    known = asked.known
    ids = tuple(dict.fromkeys(token for item in tracked for token in item.ids))
    return SteeredAnswer(
        answer=trace.answer,
        number=trace.number,
        finished=trace.finished,
        top_answers=trace.top_answers,
        outcome=outcome_of(trace.answer, trace.finished, asked) if known else None,
        p_gold=trace.p_gold if known else None,
        margin=trace.margin if known else None,
        grids={lens.name: lens_grid(engine.model, lens, trace.resid, ids) for lens in lenses},
        change={lens.name: _change(engine, lens, unsteered.resid, trace.resid) for lens in lenses},
    )


@torch.inference_mode()
def _change(engine: Engine, lens: Lens, before: Floats, after: Floats) -> Floats:
    """KL(before || after) of what a lens reads, ``[index depth]``."""
    change: Floats = np.zeros(before.shape[:2], np.float32)
    model = engine.model
    for index in np.flatnonzero((before != after).any((1, 2))).tolist():  # one index at a time: [depth vocab] of a large model is plenty
        here = torch.tensor([index], device=model.device)
        rows = (torch.from_numpy(resid[index : index + 1]).to(model.device, model.dtype) for resid in (before, after))
        a, b = (lens.logits(model, row, here).log_softmax(-1) for row in rows)
        change[index] = (a.exp() * (a - b)).sum(-1)[0].clamp_min(0).cpu().numpy()
    return change
