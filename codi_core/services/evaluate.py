"""How often a model is right on an eval set, with intervals; and whether its answers follow another problem's latents."""

from __future__ import annotations

import dataclasses
import json
import logging
import shlex
import shutil
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation.donors import Patch, SwapRow, choose_donors, patches_of, swap
from codi_core.evaluation.evals import check_questions, run_eval
from codi_core.evaluation.outcomes import counted, spells_out
from codi_core.evaluation.stats import share
from codi_core.keys import key_of
from codi_core.models.files import RUN
from codi_core.models.model import CodiModel
from codi_core.problems.clusters import clusters_of, family_of, grouping
from codi_core.problems.evalsets import EVAL_SETS, load_eval_set
from codi_core.services.shared.commands import passes_words
from codi_core.services.shared.turns import Turns
from codi_core.services.shared.workbench import Workbench
from codi_core.store import Artifact, Store, save_parquet
from codi_core.values.callbacks import CheckCancelled, OnProgress, OnWait
from codi_core.values.evals import EvalRow, EvalRun, EvalSpec, Mode
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.outcomes import Outcomes
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Share

log = logging.getLogger(__name__)
EVALS, SWAPS = "evals", "swaps"
"""Kinds of artifacts."""
ROWS = "rows.parquet"
ANSWER_TOKENS: dict[Mode, int] = {"latent": RolloutConfig.max_new_tokens, "cot": 128}
Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True)
class EvalRequest:
    model: str = ""
    """Name of a preset, a hub id or a folder; empty: the one of the settings."""
    eval_set: str = "bundled"
    """A name in EVAL_SETS, or a file."""
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    passes: int = 6
    mode: Mode = "latent"
    swap_donor: bool = False
    max_new_tokens: int | None = None
    """None: 32, and 128 for a chain of thought."""

    @property
    def rollout(self) -> RolloutConfig:
        return RolloutConfig(self.passes if self.mode == "latent" else 0, self.max_new_tokens or ANSWER_TOKENS[self.mode])


@dataclass(frozen=True)
class SwapSpec:
    """Every question of an eval with the latents of a donor, drawn with the eval set's seed."""

    kind: ClassVar[str] = "swap"
    eval: EvalSpec
    patch: Patch


@dataclass(frozen=True)
class SwapReport:
    """What the answers agree with: the donor's own answer, the question's own, or neither. Over questions that have a donor."""

    patch: Patch
    donor: Share
    own: Share
    neither: Share


@dataclass(frozen=True)
class EvalReport:
    spec: EvalSpec
    run: EvalRun
    accuracy: Share
    outcomes: Outcomes
    spelled_out: Share
    """Answers that write equations, whether right or wrong: with few passes the accuracy may owe itself to these."""
    by_family: dict[str, Share]
    by_steps: dict[int, Share]
    """Both empty for questions of files."""
    swaps: tuple[SwapReport, ...]
    note: str
    """What to keep in mind when reading the accuracy; empty when nothing."""

    def as_json(self) -> dict[str, Any]:
        """Everything but the rows, as plain data."""
        model, eval_set = self.spec.model, self.spec.eval_set
        return {
            "key": self.spec.key,
            "model": {"name": model.name, "key": model.key, "checkpoint": model.checkpoint, "dtype": model.dtype},
            "eval_set": {"name": eval_set.name, "seed": eval_set.seed, "digest": eval_set.digest},
            "mode": self.spec.mode,
            "passes": self.spec.rollout.passes,
            "max_new_tokens": self.spec.rollout.max_new_tokens,
            "n": self.accuracy.n,
            "effective_n": self.accuracy.effective_n,
            "grouping": grouping(self.run.rows),
            "accuracy": self.accuracy.value,
            "interval": [self.accuracy.low, self.accuracy.high],
            "outcomes": dataclasses.asdict(self.outcomes),
            "spelled_out": dataclasses.asdict(self.spelled_out),
            "by_family": {name: dataclasses.asdict(group) for name, group in self.by_family.items()},
            "by_steps": {str(steps): dataclasses.asdict(group) for steps, group in self.by_steps.items()},
            "swaps": [dataclasses.asdict(report) for report in self.swaps],
            "note": self.note,
        }


def evaluate(
    workbench: Workbench,
    request: EvalRequest,
    on_progress: OnProgress | None = None,
    viewer: str = "eval",
    on_wait: OnWait | None = None,
    fresh: bool = False,
) -> EvalReport:
    """The stored result of this request, or a new one, which is then stored. ``fresh`` replaces what was made here before.

    Raises DataError for an eval set that cannot be used, InputError for impossible numbers, ModelError when the model cannot be loaded,
    Cancelled when ``viewer`` asked for something newer meanwhile.
    """
    if request.swap_donor and not request.rollout.passes:
        raise InputError("A donor swap needs latents to swap: choose mode latent and at least one pass.")
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)
    turns = Turns(workbench, request.model, viewer, on_progress, on_wait)
    spec, note, patches = turns.once(lambda engine, _: (*_prepare(engine.model, request, eval_set, questions), patches_of(engine.model)))
    store = workbench.store
    run = _run_from(_stored(store, EVALS, spec, partial(_answer, turns, spec, questions), fresh))
    swaps = []
    for patch in patches if request.swap_donor else ():
        swapped = _stored(store, SWAPS, SwapSpec(spec, patch), partial(_swap, turns, spec, questions, run, patch), fresh)
        if len(swapped):
            swaps.append(_swap_report(patch, swapped, run))
    return _report(spec, run, tuple(swaps), note)


def eval_command(request: EvalRequest) -> str:
    """The command line that repeats a request, without donor swaps."""
    words = ["--model", request.model, "--eval-set", request.eval_set, "--n", str(request.n), *passes_words(request.model, request.passes)]
    words += ["--seed", str(request.seed)] if request.seed else []
    words += ["--mode", request.mode] if request.mode != "latent" else []
    words += ["--max-new-tokens", str(request.max_new_tokens)] if request.max_new_tokens else []
    return shlex.join(["python", "-m", "codi_core", "eval", *words])


def evaluating(
    workbench: Workbench, request: EvalRequest, viewer: str = "eval", on_wait: OnWait | None = None
) -> Iterator[tuple[int, int, EvalReport | None]]:
    """`evaluate` afresh, without donors, told as it goes: how many questions of how many are answered, and in the end the report, which is
    stored then. Raises what `evaluate` raises.
    """
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)
    turns, rows = Turns(workbench, request.model, viewer, None, on_wait), list[EvalRow]()
    spec, note = turns.once(lambda engine, _: _prepare(engine.model, request, eval_set, questions))
    yield 0, len(questions), None
    for part in turns.parts(questions, partial(_answered, spec)):
        rows += part
        yield len(rows), len(questions), None
    run = _run_from(_stored(workbench.store, EVALS, spec, lambda: _frame(rows), fresh=True))
    yield len(rows), len(questions), _report(spec, run, (), note)


def stored_evals(workbench: Workbench, model: ModelSpec) -> list[EvalReport]:
    """Reports of everything evaluated so far with this model, here or before it shipped, without donor swaps."""
    artifacts, skipped = workbench.store.readable(EVALS, EvalSpec)
    for reason in skipped:
        log.warning("left out: %s", reason)
    own = (model, replace(model, name=RUN))  # as a run's checkpoint was called before runs had names
    return [_report(spec, read_rows(artifact), (), "") for artifact, spec in artifacts if spec.model in own]


def shipped_accuracy(workbench: Workbench, spec: EvalSpec) -> Share | None:
    """Of an evaluation that ships with the repository."""
    if not (workbench.settings.bundled_dir / EVALS / spec.key).is_dir():
        return None
    return _report(spec, read_rows(workbench.store.read(EVALS, spec.key)), (), "").accuracy


def _prepare(model: CodiModel, request: EvalRequest, eval_set: EvalSetSpec, questions: Sequence[Question]) -> tuple[EvalSpec, str]:
    """The spec, and what to say about it."""
    check_questions(model, questions)
    ours = request.eval_set in EVAL_SETS and EVAL_SETS[request.eval_set].split is not None
    outside = model.is_ours and not ours
    note = "These questions lie outside the domain this model was trained on (our own word problems): expect almost no right answers."
    return EvalSpec(model.spec, eval_set, request.rollout, request.mode), note if outside else ""


def _answer(turns: Turns, spec: EvalSpec, questions: Sequence[Question]) -> pd.DataFrame:
    return _frame(turns.each(questions, partial(_answered, spec)))


def _answered(spec: EvalSpec, part: Sequence[Question], engine: Engine, check_cancelled: CheckCancelled) -> list[EvalRow]:
    return run_eval(engine, part, spec.rollout, spec.mode, check_cancelled=check_cancelled)


def _frame(rows: Sequence[EvalRow]) -> pd.DataFrame:
    return pd.DataFrame([_record_from(row) for row in rows])


def _swap(turns: Turns, spec: EvalSpec, questions: Sequence[Question], run: EvalRun, patch: Patch) -> pd.DataFrame:
    rows = turns.each(
        choose_donors(run.rows, spec.eval_set.seed),
        lambda pairs, engine, check_cancelled: swap(engine, questions, run.rows, pairs, patch, spec.rollout, check_cancelled),
    )
    return pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=[field.name for field in dataclasses.fields(SwapRow)])


def _stored(store: Store, kind: str, spec: Any, make: Callable[[], pd.DataFrame], fresh: bool) -> pd.DataFrame:
    key = key_of(spec)
    if not fresh and store.ready(kind, key):
        return store.read(kind, key).parquet(ROWS)
    frame = make()
    if fresh:  # equal keys promise equal numbers: the store keeps what it has unless it is gone
        shutil.rmtree(store.path(kind, key), ignore_errors=True)
    store.keep(kind, spec, lambda folder: save_parquet(folder / ROWS, frame))
    return frame


def read_rows(artifact: Artifact) -> EvalRun:
    """A stored eval. Raises ArtifactError."""
    return _run_from(artifact.parquet(ROWS))


def _run_from(frame: pd.DataFrame) -> EvalRun:
    return EvalRun(tuple(_row_from({str(name): value for name, value in record.items()}) for record in frame.to_dict("records")))


def _record_from(row: EvalRow) -> dict[str, Any]:
    return {**dataclasses.asdict(row), "triple": " ".join(map(str, row.triple)), "groups": json.dumps(row.groups)}


def _row_from(record: dict[str, Any]) -> EvalRow:
    """The inverse; results of before there were answers in words call what was given ``number`` and have no groups."""
    given = record.pop("number") if "number" in record else record["given"]
    changed = {
        "triple": tuple(map(int, record["triple"].split())),
        "given": given if isinstance(given, str) else None if pd.isna(given) else float(given),
        "groups": tuple(json.loads(record.get("groups", "[]"))),
    }
    return EvalRow(**{**record, **changed})


def _report(spec: EvalSpec, run: EvalRun, swaps: tuple[SwapReport, ...], note: str) -> EvalReport:
    clusters, answers = clusters_of(run.rows), [row.answer for row in run.rows]
    return EvalReport(
        spec=spec,
        run=run,
        accuracy=share(run.correct, clusters),
        outcomes=counted([row.outcome for row in run.rows], answers),
        spelled_out=share(np.array([spells_out(answer) for answer in answers], dtype=bool), clusters),
        by_family=_grouped(run, [family_of(row) for row in run.rows]),
        by_steps=_grouped(run, [row.steps for row in run.rows]),
        swaps=swaps,
        note=note,
    )


def _grouped(run: EvalRun, labels: Sequence[Group]) -> dict[Group, Share]:
    """Accuracy by label; rows with an empty one (files) are in no group."""
    places: dict[Group, list[int]] = {label: [] for label in sorted(filter(None, set(labels)))}  # type: ignore[type-var]
    for place, label in enumerate(labels):
        if label:
            places[label].append(place)
    return {label: share(run.correct[own], clusters_of([run.rows[place] for place in own])) for label, own in places.items()}


def _swap_report(patch: Patch, swapped: pd.DataFrame, run: EvalRun) -> SwapReport:
    by_id = {row.id: row for row in run.rows}
    clusters = clusters_of([by_id[question] for question in swapped.id])
    donor, own = (swapped.answered == swapped[name] for name in ("donor", "own"))
    return SwapReport(patch, share(donor, clusters), share(own, clusters), share(~donor & ~own, clusters))
