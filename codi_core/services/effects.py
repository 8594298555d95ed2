"""What an intervention does to an eval set: partial comparisons as the batches come, stored when complete."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation.effects import Pair, beside, effect_of
from codi_core.evaluation.prepared import PreparedSet
from codi_core.keys import key_of
from codi_core.problems.answers import mentions
from codi_core.problems.evalsets import asked_of, load_eval_set
from codi_core.services.shared.budget import check_budget
from codi_core.services.shared.commands import condition_command
from codi_core.services.shared.directions import check_means, collect_in_turns, condition_of, directions_of
from codi_core.services.shared.requests import ConditionRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.controls import controls
from codi_core.store import Store, save_parquet
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import ScoredRun, SteeringEffect
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question

Value = TypeVar("Value")
RUNS, PARTS = "runs", "run-parts"
"""Kinds of artifacts: a condition's answers beside its baseline's; the same of one batch, while the rest is missing."""
ROWS = "rows.parquet"
SLOW = 1.0
"""Seconds a batch must take to be stored at once: interrupted work on large models resumes there."""
MAX_CONTROLS = 200


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
    on_wait: OnWait | None
    questions: tuple[Question, ...]
    condition: Condition

    def run(self, work: Callable[[PreparedSet, Engine, CheckCancelled], Value]) -> Value:
        """Work with the eval set prepared, in the model's thread."""

        def prepared(engine: Engine, check_cancelled: CheckCancelled) -> Value:
            own = self.workbench.prepared_set(engine, self.condition.eval_set, self.questions, self.condition.rollout)
            return work(own, engine, check_cancelled)

        return self.workbench.run(self.request.model, prepared, self.viewer, self.on_wait)


def evaluate_condition(
    workbench: Workbench, request: ConditionRequest, viewer: str, on_wait: OnWait | None = None
) -> Iterator[SteeringEffect]:
    """The effect on ever more questions, then with ever more controls. The last one is complete; asked for again it comes at once.

    Stop by no longer asking: nothing is left running, and complete conditions (and slow batches) stay stored. Raises InterventionError for
    what cannot be done, DataError for an eval set that cannot be used, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    if not 0 <= request.controls <= MAX_CONTROLS:
        raise InputError(f"{request.controls} random directions: choose 0 to {MAX_CONTROLS}.")
    job = _resolve(workbench, request, viewer, on_wait, 2 + request.controls)
    condition, total = job.condition, len(job.questions)
    baseline = condition.baseline if request.against == "same" else condition.standard
    other = None
    if baseline != condition.baseline:
        for pairs in _pairs(job, [baseline]):
            other = pairs[0][1].sorted()
    pair = effect = None
    for pairs in _pairs(job, [condition]):
        pair = _against(pairs[0], other)
        effect = effect_of(pair, job.questions, (condition.key, baseline.key))
        yield effect
    assert pair is not None and effect is not None and effect.done == total
    done: list[Pair] = []
    wanted = controls(condition, request.controls) if request.controls else ()
    for group in _groups(job, wanted):
        latest: list[Pair] = []
        for pairs in _pairs(job, group):
            latest = pairs
        done += [_against(control, other) for control in latest]
        yield beside(effect, pair, done)


def runs_of(workbench: Workbench, request: ConditionRequest, viewer: str, on_wait: OnWait | None = None) -> tuple[Condition, ScoredRun]:
    """The condition of a request and its complete answers, stored or computed. Raises as `evaluate_condition`."""
    job = _resolve(workbench, request, viewer, on_wait, 2)
    latest: list[Pair] = []
    for pairs in _pairs(job, [job.condition]):
        latest = pairs
    return job.condition, latest[0][1].sorted()


def compare_conditions(
    workbench: Workbench, a: ConditionRequest, b: ConditionRequest, viewer: str, on_wait: OnWait | None = None
) -> SteeringEffect:
    """Condition b against condition a on the same questions: ``baseline`` and ``steered`` of the result. Raises as `evaluate_condition`."""
    if (a.model, a.eval_set, a.n, a.seed) != (b.model, b.eval_set, b.n, b.seed):
        raise InputError("Two conditions can only be compared on the same questions of the same model.")
    (first, before), (second, after) = (runs_of(workbench, request, viewer, on_wait) for request in (a, b))
    return effect_of((before, after), load_eval_set(a.eval_set, a.n, a.seed)[1], (second.key, first.key))


@dataclass(frozen=True, eq=False)
class ConditionBatch:
    """Several conditions on the same questions, as far as they are computed."""

    done: float
    """Conditions computed, those at work in part."""
    conditions: tuple[Condition, ...]
    questions: tuple[Question, ...]
    pairs: dict[int, Pair]
    """Baseline and steered answers of complete conditions, by their place in ``conditions``; questions in order."""


def run_together(
    workbench: Workbench, requests: Sequence[ConditionRequest], viewer: str, on_wait: OnWait | None = None, compute: bool = True
) -> Iterator[ConditionBatch]:
    """Complete answers under ever more of several conditions on the same questions of one model; what is stored comes first, and alone
    unless ``compute``.

    Conditions whose edits reach the same passes run side by side; unsteered, fewer passes are answered from the rollouts of the most. Stop
    by no longer asking. Raises as `evaluate_condition`, and InputError for requests that cannot share their rollouts.
    """
    passes = max(request.passes for request in requests)
    same = {(request.model, request.eval_set, request.n, request.seed, request.max_new_tokens) for request in requests}
    if len(same) != 1 or any(request.interventions and request.passes != passes for request in requests):
        raise InputError("Several conditions can only be run together on the same questions and passes of the same model.")
    jobs, store = _resolve_all(workbench, requests, viewer, on_wait, len(requests) if compute else 0), workbench.store
    longest = next(job for job in jobs if job.request.passes == passes)
    conditions = tuple(job.condition for job in jobs)
    found = {place: _read(store, RUNS, own.key) for place, own in enumerate(conditions) if store.ready(RUNS, own.key)}
    yield ConditionBatch(len(found), conditions, longest.questions, dict(found))
    missing = [place for place in range(len(jobs)) if place not in found]
    for group in _side_by_side(longest, conditions, missing) if compute else ():
        for pairs in _pairs(replace(longest, request=jobs[group[0]].request), [conditions[place] for place in group]):
            share = len(pairs[0][0].numbers) / len(longest.questions)
            if share < 1:
                yield ConditionBatch(len(found) + share * len(group), conditions, longest.questions, dict(found))
        found |= {place: (pair[0].sorted(), pair[1].sorted()) for place, pair in zip(group, pairs, strict=True)}
        yield ConditionBatch(len(found), conditions, longest.questions, dict(found))


def _resolve(workbench: Workbench, request: ConditionRequest, viewer: str, on_wait: OnWait | None, directions: int) -> _Job:
    return _resolve_all(workbench, [request], viewer, on_wait, directions)[0]


def _resolve_all(
    workbench: Workbench, requests: Sequence[ConditionRequest], viewer: str, on_wait: OnWait | None, directions: int
) -> list[_Job]:
    """All of them ask for the same questions of the same model, which are drawn when the budget has room for ``directions``."""
    first, passes = requests[0], max(request.passes for request in requests)
    check_budget(workbench, condition_command(first), asked_of(first.eval_set, first.n), directions, passes)
    for means in {request.means for request in requests if any(method.needs_means for method in request.interventions)}:
        check_means(workbench, first.model, means, passes)
    eval_set, questions = load_eval_set(first.eval_set, first.n, first.seed)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> list[Condition]:
        return [_condition(workbench, engine, request, eval_set, questions) for request in requests]

    conditions = workbench.run(first.model, work, viewer, on_wait)
    return [_Job(workbench, request, viewer, on_wait, questions, own) for request, own in zip(requests, conditions, strict=True)]


def _condition(
    workbench: Workbench, engine: Engine, request: ConditionRequest, eval_set: EvalSetSpec, questions: Sequence[Question]
) -> Condition:
    """Raises InterventionError when the condition cannot be run."""
    rollout = RolloutConfig(request.passes, request.max_new_tokens)
    condition = condition_of(workbench, engine, eval_set, rollout, request.interventions, request.means, request.overlap)
    means = load_eval_set(request.means.eval_set, request.means.n, request.means.seed)[1] if condition.means else ()
    condition.check(engine.model, means, questions)
    return condition


def _groups(job: _Job, conditions: Sequence[Condition]) -> list[list[Condition]]:
    if not conditions:
        return []
    places = job.run(lambda prepared, *_: prepared.groups(conditions))
    return [[conditions[place] for place in group] for group in places]


def _side_by_side(job: _Job, conditions: Sequence[Condition], places: Sequence[int]) -> list[list[int]]:
    """``places`` of conditions in groups that run together; directions are made from one split at a time."""
    by_means: dict[str, list[int]] = {}
    for place in places:
        means = conditions[place].means
        by_means.setdefault(means.key if means else "", []).append(place)

    def work(prepared: PreparedSet, engine: Engine, check_cancelled: CheckCancelled) -> list[list[int]]:
        return [[same[n] for n in group] for same in by_means.values() for group in prepared.groups([conditions[p] for p in same])]

    return job.run(work) if places else []


def _pairs(job: _Job, conditions: Sequence[Condition]) -> Iterator[list[Pair]]:
    """Baseline and steered answers so far, one pair a condition; conditions that run together (see `PreparedSet.groups`)."""
    store = job.workbench.store
    if all(store.ready(RUNS, condition.key) for condition in conditions):
        yield [_read(store, RUNS, condition.key) for condition in conditions]
        return
    so_far: list[Pair] = []
    if means := conditions[0].means:
        collect_in_turns(job.workbench, job.request.model, job.request.means, means.passes, job.viewer, job.on_wait)
    batches = job.run(lambda prepared, *_: prepared.batches)
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
    if all(store.ready(PARTS, key_of(part)) for part in parts):
        return [_read(store, PARTS, key_of(part)) for part in parts]
    seconds, pairs = job.run(partial(_compute, job, conditions, number))
    if seconds > SLOW:
        for part, pair in zip(parts, pairs, strict=True):
            _write(store, PARTS, part, pair)
    return pairs


def _compute(
    job: _Job, conditions: Sequence[Condition], number: int, prepared: PreparedSet, engine: Engine, check_cancelled: CheckCancelled
) -> tuple[float, list[Pair]]:
    started, means = time.perf_counter(), conditions[0].means
    directions = directions_of(job.workbench, engine, job.request.means, means.passes, check_cancelled) if means else None
    steered = prepared.answers_of(number, conditions, directions, check_cancelled)
    pairs = list(zip(prepared.baseline_of(number, conditions, check_cancelled), steered, strict=True))
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
    frame = pd.DataFrame({"number": steered.numbers, **columns})
    store.keep(kind, spec, lambda folder: save_parquet(folder / ROWS, frame))


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
    workbench: Workbench, request: ConditionRequest, coefficients: Sequence[float], viewer: str, on_wait: OnWait | None = None
) -> dict[float, SteeringEffect]:
    """The effect at those of the coefficients that were run before, by whomever; without controls. Raises as `evaluate_condition`."""
    job, store = _resolve(workbench, request, viewer, on_wait, 0), workbench.store
    found = {}
    for coefficient in coefficients:
        condition = job.condition.with_coefficient(coefficient)
        baseline = condition.baseline if request.against == "same" else condition.standard
        other = None
        if baseline != condition.baseline:
            if not store.ready(RUNS, baseline.key):
                continue
            other = _read(store, RUNS, baseline.key)[1].sorted()
        if store.ready(RUNS, condition.key):
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

    @property
    def only_form(self) -> bool:
        """The correct answer stands in both texts."""
        return mentions(self.question.rule, self.question.gold, self.baseline if self.fixed else self.steered)


def flips(workbench: Workbench, request: ConditionRequest, effect: SteeringEffect) -> tuple[Flip, ...]:
    """Fixed ones first, each in the order of the eval set. Reads what is stored; computes nothing. Raises DataError."""
    questions, store = load_eval_set(request.eval_set, request.n, request.seed)[1], workbench.store
    answers: tuple[Sequence[str], Sequence[str]] = ((), ())
    if store.find(RUNS, effect.key) is not None:
        own, steered = (run.sorted().answers for run in _read(store, RUNS, effect.key))
        other = store.find(RUNS, effect.baseline_key) is not None and request.against == "all"
        answers = (_read(store, RUNS, effect.baseline_key)[1].sorted().answers if other else own, steered)
    places = [(place, True) for place in effect.fixed] + [(place, False) for place in effect.broken]
    texts = [tuple(one[place] if one else "" for one in answers) for place, _ in places]
    return tuple(Flip(questions[place], fixed, *text) for (place, fixed), text in zip(places, texts, strict=True))
