"""How often a model is right on an eval set, with intervals; and whether its answers follow another problem's latents."""

from __future__ import annotations

import dataclasses
import shutil
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar, get_args

import numpy as np
import pandas as pd

from codi_core.errors import InputError
from codi_core.evaluation.donors import PATCHES, Patch, SwapRow, choose_donors, swap
from codi_core.evaluation.outcomes import spells_out
from codi_core.evaluation.run import check_questions, clusters_of, family_of, run_eval
from codi_core.evaluation.stats import bootstrap_interval, share
from codi_core.keys import key_of
from codi_core.problems.evalsets import EVAL_SETS, load_eval_set
from codi_core.services.turns import OnProgress, Turns
from codi_core.services.workbench import Poke, Workbench
from codi_core.store import Store, save_parquet
from codi_core.types import EvalRow, EvalRun, EvalSetSpec, EvalSpec, Mode, ModelSpec, Outcome, Question, RolloutConfig, Share

EVALS, SWAPS = "evals", "swaps"
"""Kinds of artifacts."""
ROWS = "rows.parquet"
ANSWER_TOKENS: dict[Mode, int] = {"latent": 32, "cot": 128}
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
    bootstrap: tuple[float, float]
    """95 % interval of the accuracy by cluster bootstrap."""
    outcomes: dict[Outcome, int]
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
            "accuracy": self.accuracy.value,
            "interval": [self.accuracy.low, self.accuracy.high],
            "bootstrap_interval": list(self.bootstrap),
            "outcomes": self.outcomes,
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
    poke: Poke | None = None,
    fresh: bool = False,
) -> EvalReport:
    """The stored result of this request, or a new one, which is then stored. ``fresh`` replaces what was made here before.

    Raises DataError for an eval set that cannot be used, InputError for impossible numbers, ModelError when the model cannot be loaded,
    Cancelled when ``viewer`` asked for something newer meanwhile.
    """
    if request.swap_donor and not request.rollout.passes:
        raise InputError("A donor swap needs latents to swap: choose mode latent and at least one pass.")
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)
    turns = Turns(workbench, viewer, on_progress, poke)
    spec, note = turns.once(lambda check: _prepare(workbench, request, eval_set, questions))
    store = workbench.store
    run = _run_from(_stored(store, EVALS, spec, partial(_answer, turns, request, spec, questions), fresh))
    swaps = []
    for patch in PATCHES if request.swap_donor else ():
        swapped = _stored(store, SWAPS, SwapSpec(spec, patch), partial(_swap, turns, request, spec, questions, run, patch), fresh)
        if len(swapped):
            swaps.append(_swap_report(patch, swapped, run))
    return _report(spec, run, tuple(swaps), note)


def stored_evals(workbench: Workbench, model: ModelSpec) -> list[EvalReport]:
    """Reports of everything evaluated so far with this model, here or before it shipped, without donor swaps."""
    artifacts = [workbench.store.read(EVALS, key) for key in workbench.store.keys(EVALS)]
    specs = [_spec_from(artifact.meta.spec) for artifact in artifacts]
    return [_report(spec, _run_from(a.parquet(ROWS)), (), "") for a, spec in zip(artifacts, specs, strict=True) if spec.model == model]


def _prepare(workbench: Workbench, request: EvalRequest, eval_set: EvalSetSpec, questions: Sequence[Question]) -> tuple[EvalSpec, str]:
    """The spec, and what to say about it."""
    model = workbench.engine(request.model).model
    check_questions(model, questions)
    ours = request.eval_set in EVAL_SETS and EVAL_SETS[request.eval_set].split is not None
    outside = "training" in model.training and not ours
    note = "These questions lie outside the domain this model was trained on (our own word problems): expect almost no right answers."
    return EvalSpec(model.spec, eval_set, request.rollout, request.mode), note if outside else ""


def _answer(turns: Turns, request: EvalRequest, spec: EvalSpec, questions: Sequence[Question]) -> pd.DataFrame:
    rows = turns.each(
        questions,
        lambda part, check: run_eval(turns.workbench.engine(request.model), part, spec.rollout, spec.mode, on_step=check),
    )
    return pd.DataFrame([{**dataclasses.asdict(row), "triple": " ".join(map(str, row.triple))} for row in rows])


def _swap(turns: Turns, request: EvalRequest, spec: EvalSpec, questions: Sequence[Question], run: EvalRun, patch: Patch) -> pd.DataFrame:
    rows = turns.each(
        choose_donors(run.rows, spec.eval_set.seed),
        lambda pairs, check: swap(turns.workbench.engine(request.model), questions, run.rows, pairs, patch, spec.rollout, check),
    )
    return pd.DataFrame([dataclasses.asdict(row) for row in rows], columns=[field.name for field in dataclasses.fields(SwapRow)])


def _stored(store: Store, kind: str, spec: Any, make: Callable[[], pd.DataFrame], fresh: bool) -> pd.DataFrame:
    key = key_of(spec)
    if not fresh and store.find(kind, key) is not None:
        return store.read(kind, key).parquet(ROWS)
    frame = make()
    if fresh:  # equal keys promise equal numbers: the store keeps what it has unless it is gone
        shutil.rmtree(store.path(kind, key), ignore_errors=True)
    with store.write(kind, spec) as folder:
        save_parquet(folder / ROWS, frame)
    return frame


def _run_from(frame: pd.DataFrame) -> EvalRun:
    return EvalRun(tuple(_row_from({str(name): value for name, value in record.items()}) for record in frame.to_dict("records")))


def _row_from(record: dict[str, Any]) -> EvalRow:
    number = record["number"]
    triple = tuple(map(int, record["triple"].split()))
    return EvalRow(**{**record, "triple": triple, "number": None if pd.isna(number) else float(number)})


def _spec_from(data: dict[str, Any]) -> EvalSpec:
    """The inverse of `keys.canonical`."""
    parts = {"model": ModelSpec, "eval_set": EvalSetSpec, "rollout": RolloutConfig}
    made = {name: part(**{k: v for k, v in data[name].items() if k != "kind"}) for name, part in parts.items()}
    return EvalSpec(**made, mode=data["mode"])


def _report(spec: EvalSpec, run: EvalRun, swaps: tuple[SwapReport, ...], note: str) -> EvalReport:
    clusters, counts = clusters_of(run.rows), Counter(row.outcome for row in run.rows)
    low, high = bootstrap_interval(run.correct, clusters)
    return EvalReport(
        spec=spec,
        run=run,
        accuracy=share(run.correct, clusters),
        bootstrap=(float(low), float(high)),
        outcomes={outcome: counts[outcome] for outcome in get_args(Outcome)},
        spelled_out=share(np.array([spells_out(row.answer) for row in run.rows], dtype=bool), clusters),
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
