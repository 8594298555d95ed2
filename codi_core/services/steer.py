"""One prompt under an intervention, beside the unsteered answer and the same push in a random direction."""

from __future__ import annotations

import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch

from codi_core.backend.worker import Check
from codi_core.engine.engine import Engine
from codi_core.errors import InterventionError
from codi_core.evaluation.outcomes import outcome_of
from codi_core.evaluation.probe import Probe, Trace
from codi_core.keys import key_of
from codi_core.lenses.base import Lens
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.problems.evalsets import EVAL_SETS, load_eval_set
from codi_core.services.inspect import known_problems
from codi_core.services.workbench import Poke, Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.controls import controls
from codi_core.steering.limits import check_depth
from codi_core.steering.means import samples_of
from codi_core.steering.methods import Method, text_of
from codi_core.steering.rows import Directions
from codi_core.steering.vectors import Place, Source, norm_matrix, site_norms
from codi_core.types import (
    DifferenceVector,
    EvalSetSpec,
    Floats,
    LensGrid,
    MeansSpec,
    ModelSpec,
    Outcome,
    Question,
    RolloutConfig,
    TopToken,
    TrackedToken,
)

FULL_DOSE = 1.0
"""‖αv‖ / ‖site‖ at the end of the suggested range: a push as long as what is there."""


@dataclass(frozen=True)
class MeansRequest:
    """Questions that directions are made from."""

    kind: ClassVar[str] = "means-request"
    eval_set: str = "means"
    n: int = 500
    """0 = all."""
    seed: int = 0
    only: Literal["all", "addition"] = "all"


@dataclass(frozen=True)
class SteerRequest:
    kind: ClassVar[str] = "steer"
    model: str
    """Name of a preset, a hub id or a folder."""
    prompt: str
    interventions: tuple[Method, ...]
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    max_new_tokens: int = 32
    control_seed: int = 0
    lenses: tuple[str, ...] = ("logit",)
    tracked: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class Pane:
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
    """When the prompt is one of ours."""
    passes: int
    """Passes that were run, also unsteered."""
    first_pass: int
    """First pass that the edit reaches; beyond ``passes``: only the answer is reached."""
    baseline: Pane
    steered: Pane
    control: Pane | None
    """A random direction of the same length; None for interventions without mean latents."""
    identical: bool
    """The steered pane equals the baseline bit for bit, as it must with coefficient 0."""
    tracked: tuple[TrackedToken, ...]
    command: str
    """What repeats this on the command line."""
    milliseconds: float


def steer(workbench: Workbench, request: SteerRequest, viewer: str, poke: Poke | None = None) -> Steering:
    """Raises InterventionError for what cannot be done, InputError for a prompt that cannot be read, ModelError, DataError, and Cancelled
    when ``viewer`` asked for something newer meanwhile.
    """
    if not request.interventions:
        raise InterventionError("No intervention was given: name one, as in 'kv source=difference a=2 b=4 coefficient=1 indices=5'.")
    question = clean_question(request.prompt)
    problem = known_problems().get(question)
    asked = problem or Question(question, question, math.nan, "", (), ())
    return workbench.run(lambda check: _steer(workbench, request, asked, problem, check), viewer, poke)


def _steer(workbench: Workbench, request: SteerRequest, asked: Question, problem: Question | None, check: Check) -> Steering:
    engine = workbench.engine(request.model)
    started = time.perf_counter()
    rollout = RolloutConfig(request.passes, request.max_new_tokens)
    condition = condition_of(engine, EvalSetSpec("prompt", 1, 0, ""), rollout, request.interventions, request.means)
    condition.check(engine.model, (), ())
    control = controls(condition, 1, request.control_seed) if condition.means else ()
    directions = directions_of(workbench, engine, condition, request.means, check)
    probe = workbench.probes.get((engine.model.spec.key, asked.question, rollout), lambda: Probe(engine, asked, rollout))
    unsteered, traces = probe.traces([condition, *control], directions, check)
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


def _pane(engine: Engine, asked: Question, trace: Trace, unsteered: Trace, lenses: Sequence[Lens], tracked: Sequence[TrackedToken]) -> Pane:
    known = not math.isnan(asked.gold)
    ids = tuple(dict.fromkeys(token for item in tracked for token in item.ids))
    return Pane(
        answer=trace.answer,
        number=trace.number,
        finished=trace.finished,
        top_answers=trace.top_answers,
        outcome=outcome_of(trace.number, trace.finished, asked.gold) if known else None,
        p_gold=trace.p_gold if known else None,
        margin=trace.margin if known else None,
        grids={lens.name: lens_grid(engine.model, lens, trace.resid, ids) for lens in lenses},
        change={lens.name: _change(engine, lens, unsteered.resid, trace.resid) for lens in lenses},
    )


@torch.inference_mode()
def _change(engine: Engine, lens: Lens, before: Floats, after: Floats) -> Floats:
    """KL(before || after) of what a lens reads, ``[index depth]``."""
    change: Floats = np.zeros(before.shape[:2], np.float32)
    for index in np.flatnonzero((before != after).any((1, 2))):  # one index at a time: [depth vocab] of a large model is plenty
        a, b = (
            lens.logits(engine.model, torch.from_numpy(resid[index : index + 1]).to(engine.model.device, engine.model.dtype)).log_softmax(
                -1
            )
            for resid in (before, after)
        )
        change[index] = (a.exp() * (a - b)).sum(-1)[0].clamp_min(0).cpu().numpy()
    return change


# What steering and its evaluation share


@lru_cache(maxsize=16)
def _generated(name: str, n: int, seed: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    return load_eval_set(name, n, seed)


def questions_of(name: str, n: int, seed: int) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    """An eval set; our own are drawn once, files are read again. Raises DataError."""
    ours = name in EVAL_SETS and EVAL_SETS[name].split is not None
    return _generated(name, n, seed) if ours else load_eval_set(name, n, seed)


def condition_of(
    engine: Engine,
    eval_set: EvalSetSpec,
    rollout: RolloutConfig,
    interventions: tuple[Method, ...],
    means: MeansRequest,
    overlap: bool = False,
) -> Condition:
    """The condition of a request; it names means only when it needs them."""
    needed = any(method.needs_means for method in interventions)
    spec = means_spec(engine, means, rollout.passes) if needed else None
    return Condition(engine.model.spec.key, eval_set, rollout, interventions, spec, overlap and needed)


def means_spec(engine: Engine, means: MeansRequest, passes: int) -> MeansSpec:
    return MeansSpec(engine.model.spec.key, questions_of(means.eval_set, means.n, means.seed)[0], means.only, passes)


def directions_of(workbench: Workbench, engine: Engine, condition: Condition, means: MeansRequest, check: Check) -> Directions | None:
    """Latents of the means' questions, rolled out the first time and stored. Only within `Workbench.run`."""
    spec = condition.means
    if spec is None:
        return None
    questions = questions_of(means.eval_set, means.n, means.seed)[1]
    return workbench.directions.get(spec.key, lambda: Directions(samples_of(engine, workbench.store, spec, questions, check)))


# The vector itself


@dataclass(frozen=True)
class VectorRequest:
    kind: ClassVar[str] = "vector"
    model: str
    source: Source
    place: Place
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6


@dataclass(frozen=True, eq=False)
class VectorInfo:
    """What a person should know before pushing along a vector."""

    request: VectorRequest
    model: ModelSpec
    means: MeansSpec
    vector: DifferenceVector
    matrix: Floats
    """``[A B]``: length of every difference of two means; for kv ``[2 A B]``, keys first."""
    site_norms: tuple[tuple[float, ...], ...]
    """Mean length of what stands at each index: one number, for kv keys and values. The dose is ‖αv‖ over this."""
    full_dose: tuple[float, ...]
    """By index: the coefficient at which the push is as long as what stands there (for kv the smaller of the two)."""


def vector_info(workbench: Workbench, request: VectorRequest, viewer: str, poke: Poke | None = None) -> VectorInfo:
    """Raises InterventionError for a vector that does not exist, DataError, ModelError, Cancelled."""

    def work(check: Check) -> VectorInfo:
        engine = workbench.engine(request.model)
        check_depth(request.place.layer, engine.model, request.place.space)
        spec = means_spec(engine, request.means, request.passes)
        needs = Condition(engine.model.spec.key, spec.eval_set, RolloutConfig(request.passes), (), spec)
        directions = directions_of(workbench, engine, needs, request.means, check)
        assert directions is not None
        vector = directions.vector(request.source, request.place)
        sites = tuple(site_norms(directions.samples, request.place, index) for index in range(request.passes + 1))
        return VectorInfo(
            request=request,
            model=engine.model.spec,
            means=spec,
            vector=vector,
            matrix=norm_matrix(directions.means, request.place),
            site_norms=sites,
            full_dose=tuple(FULL_DOSE * min(s / n for s, n in zip(site, vector.norms, strict=True) if n > 0) for site in sites),
        )

    return workbench.run(work, viewer, poke)


# The command line that repeats a request


def steer_command(request: SteerRequest) -> str:
    words = ["--prompt", request.prompt, *rollout_words(request), *means_words(request.means)]
    words += [word for lens in request.lenses if lens != "logit" for word in ("--lens", lens)]
    words += ["--control-seed", str(request.control_seed)] if request.control_seed else []
    return command("steer", request.model, request.interventions, words)


def command(name: str, model: str, interventions: Sequence[Method], words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "codi_core", name, "--model", model, "--condition", text_of(interventions), *words])


def rollout_words(request: Any) -> list[str]:
    """Flags that differ from their defaults; ``request`` is of a dataclass with passes and max_new_tokens."""
    names = [name for name in ("passes", "max_new_tokens") if getattr(request, name) != type(request).__dataclass_fields__[name].default]
    return [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(request, name)))]


def means_words(means: MeansRequest) -> list[str]:
    default = MeansRequest()
    given = [name for name in ("eval_set", "n", "seed", "only") if getattr(means, name) != getattr(default, name)]
    return [word for name in given for word in (_means_flag(name), str(getattr(means, name)))]


def _means_flag(name: str) -> str:
    return "--means" if name == "eval_set" else f"--means-{name}"
