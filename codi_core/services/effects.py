"""What an intervention does to an eval set: partial comparisons as the batches come, stored when complete."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import numpy as np
import pandas as pd

from codi_core.backend.worker import Check
from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation.compare import Pair, effect_of
from codi_core.evaluation.golds import gold_of
from codi_core.evaluation.prepared import PreparedSet
from codi_core.keys import key_of
from codi_core.services.steer import MeansRequest, command, condition_of, directions_of, means_words, questions_of, rollout_words
from codi_core.services.workbench import Poke, Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.controls import controls
from codi_core.steering.methods import Method
from codi_core.store import Store, save_parquet
from codi_core.types import EvalSetSpec, Question, RolloutConfig, ScoredRun, SteeringEffect

RUNS, PARTS = "runs", "run-parts"
"""Kinds of artifacts: a condition's answers beside its baseline's; the same of one batch, while the rest is missing."""
ROWS = "rows.parquet"
SLOW = 1.0
"""Seconds a batch must take to be stored at once: interrupted work on large models resumes there."""
MAX_CONTROLS = 200
ANSWER_ROOM = 4
"""Tokens beyond the longest gold answer before an answer counts as truncated."""


@dataclass(frozen=True)
class ConditionRequest:
    """An intervention on an eval set. No intervention at all: the baseline itself."""

    kind: ClassVar[str] = "condition-request"
    model: str
    """Name of a preset, a hub id or a folder."""
    interventions: tuple[Method, ...]
    eval_set: str = "bundled"
    """A name in EVAL_SETS, or a file."""
    n: int = 200
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    max_new_tokens: int | None = None
    """None: as many as the longest gold answer has and a few more. One run-away answer costs as much as many batches."""
    overlap: bool = False
    """As in the posts: means may come from evaluated questions. To be marked on screen."""
    against: Literal["same", "all"] = "same"
    """Baseline: coefficient 0 with as many passes as the condition runs, or with all of ``passes``."""
    controls: int = 0
    """Random directions to run after it; 20 or more give a percentile."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class _Part:
    """One batch of one condition."""

    kind: ClassVar[str] = "run-part"
    condition: Condition
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class _Job:
    """A request with everything looked up that it names."""

    workbench: Workbench
    request: ConditionRequest
    viewer: str
    poke: Poke | None
    questions: tuple[Question, ...]
    condition: Condition


def evaluate_condition(workbench: Workbench, request: ConditionRequest, viewer: str, poke: Poke | None = None) -> Iterator[SteeringEffect]:
    """The effect on ever more questions, then with ever more controls. The last one is complete; asked for again it comes at once.

    Stop by no longer asking: nothing is left running, and complete conditions (and slow batches) stay stored. Raises InterventionError for
    what cannot be done, DataError for an eval set that cannot be used, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    if not 0 <= request.controls <= MAX_CONTROLS:
        raise InputError(f"{request.controls} random directions: choose 0 to {MAX_CONTROLS}.")
    job = _look_up(workbench, request, viewer, poke)
    condition, total = job.condition, len(job.questions)
    baseline = condition.baseline if request.against == "same" else condition.standard
    other = None
    if baseline != condition.baseline:
        for pairs in _pairs(job, [baseline]):
            other = pairs[0][1].sorted()
    keys, pair = (condition.key, baseline.key), None
    for pairs in _pairs(job, [condition]):
        pair = _against(pairs[0], other)
        yield effect_of(pair, job.questions, keys)
    assert pair is not None and len(pair[0].numbers) == total
    done: list[Pair] = []
    wanted = controls(condition, request.controls) if request.controls else ()
    for group in _groups(job, wanted):
        latest: list[Pair] = []
        for pairs in _pairs(job, group):
            latest = pairs
        done += [_against(control, other) for control in latest]
        yield effect_of(pair, job.questions, keys, done)


def runs_of(workbench: Workbench, request: ConditionRequest, viewer: str, poke: Poke | None = None) -> tuple[Condition, ScoredRun]:
    """The condition of a request and its complete answers, stored or computed. Raises as `evaluate_condition`."""
    job = _look_up(workbench, request, viewer, poke)
    latest: list[Pair] = []
    for pairs in _pairs(job, [job.condition]):
        latest = pairs
    return job.condition, latest[0][1].sorted()


def compare_conditions(
    workbench: Workbench, a: ConditionRequest, b: ConditionRequest, viewer: str, poke: Poke | None = None
) -> SteeringEffect:
    """Condition b against condition a on the same questions: ``baseline`` and ``steered`` of the result. Raises as `evaluate_condition`."""
    if (a.model, a.eval_set, a.n, a.seed) != (b.model, b.eval_set, b.n, b.seed):
        raise InputError("Two conditions can only be compared on the same questions of the same model.")
    (first, before), (second, after) = (runs_of(workbench, request, viewer, poke) for request in (a, b))
    return effect_of((before, after), questions_of(a.eval_set, a.n, a.seed)[1], (second.key, first.key))


@dataclass(frozen=True, eq=False)
class Together:
    """Several conditions on the same questions, as far as they are computed."""

    done: float
    """Conditions computed, those at work in part."""
    conditions: tuple[Condition, ...]
    questions: tuple[Question, ...]
    pairs: dict[int, Pair]
    """Baseline and steered answers of complete conditions, by their place in ``conditions``; questions in order."""


def run_together(
    workbench: Workbench, requests: Sequence[ConditionRequest], viewer: str, poke: Poke | None = None, compute: bool = True
) -> Iterator[Together]:
    """Complete answers under ever more of several conditions on the same questions of one model; what is stored comes first, and alone
    unless ``compute``.

    Conditions whose edits reach the same passes run side by side; unsteered, fewer passes are answered from the rollouts of the most. Stop
    by no longer asking. Raises as `evaluate_condition`, and InputError for requests that cannot share their rollouts.
    """
    passes = max(request.passes for request in requests)
    same = {(request.model, request.eval_set, request.n, request.seed, request.max_new_tokens) for request in requests}
    if len(same) != 1 or any(request.interventions and request.passes != passes for request in requests):
        raise InputError("Several conditions can only be run together on the same questions and passes of the same model.")
    jobs, store = _look_up_all(workbench, requests, viewer, poke), workbench.store
    longest = next(job for job in jobs if job.request.passes == passes)
    conditions = tuple(job.condition for job in jobs)
    found = {place: _read(store, RUNS, own.key) for place, own in enumerate(conditions) if store.find(RUNS, own.key) is not None}
    yield Together(len(found), conditions, longest.questions, dict(found))
    missing = [place for place in range(len(jobs)) if place not in found]
    for group in _side_by_side(longest, conditions, missing) if compute else ():
        for pairs in _pairs(replace(longest, request=jobs[group[0]].request), [conditions[place] for place in group]):
            share = len(pairs[0][0].numbers) / len(longest.questions)
            if share < 1:
                yield Together(len(found) + share * len(group), conditions, longest.questions, dict(found))
        found |= {place: (pair[0].sorted(), pair[1].sorted()) for place, pair in zip(group, pairs, strict=True)}
        yield Together(len(found), conditions, longest.questions, dict(found))


def condition_command(request: ConditionRequest) -> str:
    """The command line that repeats a request."""
    default = ConditionRequest("", ())
    words = ["--eval-set", request.eval_set, "--n", str(request.n), *rollout_words(request), *means_words(request.means)]
    for name in ("seed", "against", "controls"):
        if getattr(request, name) != getattr(default, name):
            words += [f"--{name}", str(getattr(request, name))]
    return command("eval", request.model, request.interventions, [*words, *(["--overlap"] if request.overlap else [])])


def _look_up(workbench: Workbench, request: ConditionRequest, viewer: str, poke: Poke | None) -> _Job:
    return _look_up_all(workbench, [request], viewer, poke)[0]


def _look_up_all(workbench: Workbench, requests: Sequence[ConditionRequest], viewer: str, poke: Poke | None) -> list[_Job]:
    """All of them ask for the same questions of the same model."""
    eval_set, questions = questions_of(requests[0].eval_set, requests[0].n, requests[0].seed)

    def work(check: Check) -> list[Condition]:
        engine = workbench.engine(requests[0].model)
        longest = max((len(gold_of(engine.model, question.gold).ids) for question in questions), default=0)
        return [_condition(engine, request, eval_set, questions, longest + ANSWER_ROOM) for request in requests]

    conditions = workbench.run(work, viewer, poke)
    return [_Job(workbench, request, viewer, poke, questions, own) for request, own in zip(requests, conditions, strict=True)]


def _condition(engine: Engine, request: ConditionRequest, eval_set: EvalSetSpec, questions: Sequence[Question], room: int) -> Condition:
    """``room``: the longest answer unless the request says otherwise. Raises InterventionError when the condition cannot be run."""
    rollout = RolloutConfig(request.passes, request.max_new_tokens or room)
    condition = condition_of(engine, eval_set, rollout, request.interventions, request.means, request.overlap)
    means = questions_of(request.means.eval_set, request.means.n, request.means.seed)[1] if condition.means else ()
    condition.check(engine.model, means, questions)
    return condition


def _prepared(job: _Job) -> PreparedSet:
    """Only within `Workbench.run`."""
    engine, condition = job.workbench.engine(job.request.model), job.condition
    key = (condition.model, condition.eval_set, condition.rollout)
    return job.workbench.prepared.get(key, lambda: PreparedSet(engine, job.questions, condition.rollout))


def _groups(job: _Job, conditions: Sequence[Condition]) -> list[list[Condition]]:
    if not conditions:
        return []
    places = job.workbench.run(lambda check: _prepared(job).groups(conditions), job.viewer, job.poke)
    return [[conditions[place] for place in group] for group in places]


def _side_by_side(job: _Job, conditions: Sequence[Condition], places: Sequence[int]) -> list[list[int]]:
    """``places`` of conditions in groups that run together; directions are made from one split at a time."""
    by_means: dict[str, list[int]] = {}
    for place in places:
        means = conditions[place].means
        by_means.setdefault(means.key if means else "", []).append(place)

    def work(check: Check) -> list[list[int]]:
        prepared = _prepared(job)
        return [[same[n] for n in group] for same in by_means.values() for group in prepared.groups([conditions[p] for p in same])]

    return job.workbench.run(work, job.viewer, job.poke) if places else []


def _pairs(job: _Job, conditions: Sequence[Condition]) -> Iterator[list[Pair]]:
    """Baseline and steered answers so far, one pair a condition; conditions that run together (see `PreparedSet.groups`)."""
    store = job.workbench.store
    if all(store.find(RUNS, condition.key) for condition in conditions):
        yield [_read(store, RUNS, condition.key) for condition in conditions]
        return
    so_far: list[Pair] = []
    batches = job.workbench.run(lambda check: _prepared(job).batches, job.viewer, job.poke)
    for number, numbers in enumerate(batches):
        pairs = _batch(job, conditions, number, numbers)
        so_far = [_joined(*both) for both in zip(so_far, pairs, strict=True)] if so_far else pairs
        yield so_far
    for condition, pair in zip(conditions, so_far, strict=True):
        _write(store, RUNS, condition, pair)
        for numbers in batches:
            shutil.rmtree(store.path(PARTS, key_of(_Part(condition, numbers))), ignore_errors=True)


def _batch(job: _Job, conditions: Sequence[Condition], number: int, numbers: tuple[int, ...]) -> list[Pair]:
    store, parts = job.workbench.store, [_Part(condition, numbers) for condition in conditions]
    if all(store.find(PARTS, key_of(part)) for part in parts):
        return [_read(store, PARTS, key_of(part)) for part in parts]
    seconds, pairs = job.workbench.run(lambda check: _compute(job, conditions, number, check), job.viewer, job.poke)
    if seconds > SLOW:
        for part, pair in zip(parts, pairs, strict=True):
            _write(store, PARTS, part, pair)
    return pairs


def _compute(job: _Job, conditions: Sequence[Condition], number: int, check: Check) -> tuple[float, list[Pair]]:
    started = time.perf_counter()
    prepared, engine = _prepared(job), job.workbench.engine(job.request.model)
    directions = directions_of(job.workbench, engine, conditions[0], job.request.means, check)
    steered = prepared.answers_of(number, conditions, directions, check)
    pairs = list(zip(prepared.baseline_of(number, conditions, check), steered, strict=True))
    return time.perf_counter() - started, pairs


def _joined(first: Pair, second: Pair) -> Pair:
    return first[0].joined(second[0]), first[1].joined(second[1])


def _against(pair: Pair, other: ScoredRun | None) -> Pair:
    """The pair with another baseline: ``other`` holds all questions in order."""
    return pair if other is None else (other.take(pair[1].numbers), pair[1])


# Storage: one row a question, the baseline's columns beside the condition's

_COLUMNS = ("answers", "parsed", "outcomes", "p_gold", "margin")


def _write(store: Store, kind: str, spec: Condition | _Part, pair: Pair) -> None:
    baseline, steered = (run.sorted() for run in pair)
    columns = {name: getattr(steered, name) for name in _COLUMNS} | {f"baseline_{name}": getattr(baseline, name) for name in _COLUMNS}
    with store.write(kind, spec) as folder:
        save_parquet(folder / ROWS, pd.DataFrame({"number": steered.numbers, **columns}))


def _read(store: Store, kind: str, key: str) -> Pair:
    frame = store.read(kind, key).parquet(ROWS)
    return _run(frame, "baseline_"), _run(frame, "")


def _run(frame: pd.DataFrame, prefix: str) -> ScoredRun:
    columns = {name: frame[prefix + name].to_numpy() for name in _COLUMNS}
    return ScoredRun(
        numbers=frame["number"].to_numpy(),
        answers=tuple(columns.pop("answers").tolist()),
        outcomes=np.array(columns.pop("outcomes").tolist()),
        **columns,
    )


# What is stored already


def visited(
    workbench: Workbench, request: ConditionRequest, coefficients: Sequence[float], viewer: str, poke: Poke | None = None
) -> dict[float, SteeringEffect]:
    """The effect at those of the coefficients that were run before, by whomever; without controls. Raises as `evaluate_condition`."""
    job, store = _look_up(workbench, request, viewer, poke), workbench.store
    found = {}
    for coefficient in coefficients:
        condition = job.condition.with_coefficient(coefficient)
        baseline = condition.baseline if request.against == "same" else condition.standard
        other = None
        if baseline != condition.baseline:
            if store.find(RUNS, baseline.key) is None:
                continue
            other = _read(store, RUNS, baseline.key)[1].sorted()
        if store.find(RUNS, condition.key) is not None:
            pair = _against(_read(store, RUNS, condition.key), other)
            found[coefficient] = effect_of(pair, job.questions, (condition.key, baseline.key))
    return found


# Questions whose outcome changed


@dataclass(frozen=True)
class Flip:
    """One question that the condition fixed or broke."""

    question: Question
    fixed: bool
    baseline: str
    """Its answer unsteered; empty while the condition is not complete, and so for ``steered``."""
    steered: str


def flips(workbench: Workbench, request: ConditionRequest, effect: SteeringEffect) -> tuple[Flip, ...]:
    """Fixed ones first, each in the order of the eval set. Reads what is stored; computes nothing. Raises DataError."""
    questions, store = questions_of(request.eval_set, request.n, request.seed)[1], workbench.store
    answers: tuple[Sequence[str], Sequence[str]] = ((), ())
    if store.find(RUNS, effect.key) is not None:
        own, steered = (run.sorted().answers for run in _read(store, RUNS, effect.key))
        other = store.find(RUNS, effect.baseline_key) is not None and request.against == "all"
        answers = (_read(store, RUNS, effect.baseline_key)[1].sorted().answers if other else own, steered)
    places = [(place, True) for place in effect.fixed] + [(place, False) for place in effect.broken]
    texts = [tuple(one[place] if one else "" for one in answers) for place, _ in places]
    return tuple(Flip(questions[place], fixed, *text) for (place, fixed), text in zip(places, texts, strict=True))
