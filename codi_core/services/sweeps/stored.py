"""Stored sweeps: read, opened question by question, and compared with the model once more."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.errors import ArtifactError, InputError, ModelError
from codi_core.evaluation.outcomes import counted
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.files import names_of
from codi_core.problems.clusters import grouping
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.effects import Flip
from codi_core.services.shared.directions import directions_of
from codi_core.services.shared.requests import ConditionRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import means_request
from codi_core.steering.conditions import Condition
from codi_core.steering.flags import methods_of
from codi_core.store import Store
from codi_core.sweeps.table import read_table, readable_sweeps, rows_of, table_of
from codi_core.sweeps.units import SWEEPS
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import ScoredRun
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.sweep import SweepTable

log = logging.getLogger(__name__)


def stored_sweeps(store: Store) -> list[SweepTable]:
    """All readable ones with cells of their own, newest first (`Meta.created`); the log says why others are left out (see `left_out`)."""
    found = []
    readable, reasons = readable_sweeps(store)
    for reason in reasons:
        log.warning("left out: %s", reason)
    for artifact, spec in readable:
        if spec.only_bands:
            continue
        try:
            found.append(table_of(artifact, spec, readable))
        except ArtifactError as error:
            log.warning("left out: %s", error)
    return sorted(found, key=lambda table: (table.created, table.key), reverse=True)


def sweep_keys(store: Store) -> list[str]:
    """Of all stored ones, readable or not: another list, and there is something new to read."""
    return store.keys(SWEEPS)


def of_model(tables: Sequence[SweepTable], model: str) -> list[SweepTable]:
    """Those of a model by its name here."""
    names = names_of(model)
    return [table for table in tables if table.model_name in names]


def left_out(store: Store) -> int:
    """How many stored sweeps are damaged, or made by a version of the code that says them otherwise."""
    return len(readable_sweeps(store)[1])


def read_sweep(store: Store, key: str) -> SweepTable:
    """Raises ArtifactError when there is no such sweep or it is damaged."""
    return read_table(store, key)


def baseline_of(table: SweepTable, place: int, standard: bool = False) -> int:
    """Place of what a condition is compared with: unsteered with as many passes, or with all."""
    cells: Any = table.cells
    passes = table.rollout.passes if standard else int(cells.loc[cells["place"] == place, "passes"].iloc[0])
    unsteered = cells[(cells["role"] == "baseline") & (cells["passes"] == passes)]
    return int(unsteered["place"].iloc[0])


Flips = tuple[tuple[Flip, ...], tuple[Flip, ...]]
"""Questions that a condition fixed, and that it broke."""


def cell_questions(store: Store, table: SweepTable, place: int, standard: bool = False) -> Flips:
    """Of one condition. Raises ArtifactError, and DataError when the eval set is not to be had."""
    return changed_questions(store, table, [place], standard)[place]


def changed_questions(store: Store, table: SweepTable, places: Sequence[int], standard: bool = False) -> dict[int, Flips]:
    """By condition. Raises as `cell_questions`."""
    bases = {place: baseline_of(table, place, standard) for place in places}
    rows = rows_of(store, table.key, sorted({*bases, *bases.values()})).sort_values(["place", "number"])
    questions = load_eval_set(table.eval_set.name, table.eval_set.n, table.eval_set.seed)[1]
    by_place: Any = rows.groupby("place")
    columns = {int(place): [own[name].to_numpy() for name in ("number", "outcome", "answer")] for place, own in by_place}

    def of(place: int) -> Flips:
        (numbers, was, before), (_, now, after) = columns[bases[place]], columns[place]

        def flips(changed: Any, fixed: bool) -> tuple[Flip, ...]:
            return tuple(Flip(questions[numbers[at]], fixed, before[at], after[at]) for at in np.flatnonzero(changed))

        right = (was == "correct", now == "correct")
        return flips(~right[0] & right[1], True), flips(right[0] & ~right[1], False)

    return {place: of(place) for place in places}


def grouping_of(table: SweepTable) -> str:
    """How its questions were grouped, in words. Raises DataError when they are not to be had."""
    return grouping(load_eval_set(table.eval_set.name, table.eval_set.n, table.eval_set.seed)[1])


def only_form_of(fixed: Sequence[Flip], broken: Sequence[Flip]) -> OnlyForm:
    return OnlyForm(sum(flip.only_form for flip in fixed), sum(flip.only_form for flip in broken))


def cell_outcomes(store: Store, table: SweepTable, places: Sequence[int] = ()) -> dict[int, Outcomes]:
    """What the answers were, by condition (default: all but those of bands, of which no answers are kept). Raises ArtifactError."""
    rows = rows_of(store, table.key, places or table.cells["place"].tolist())
    by_place: Any = rows.groupby("place")
    return {int(place): counted(own["outcome"], own["answer"]) for place, own in by_place}


def cell_request(table: SweepTable, place: int) -> ConditionRequest:
    """What runs the condition live: on the Steer page, or as a command line (`effects.condition_command`)."""
    row: Any = table.cells.set_index("place").loc[place]
    return ConditionRequest(
        model=table.model_name,
        interventions=methods_of(str(row["intervention"])),
        eval_set=table.eval_set.name,
        n=table.eval_set.n,
        seed=table.eval_set.seed,
        means=means_request(table.means),
        passes=int(row["passes"]) if row["role"] == "baseline" else table.rollout.passes,
        max_new_tokens=table.rollout.max_new_tokens,
        overlap=table.overlap and row["role"] != "baseline",
    )


@dataclass(frozen=True)
class Agreement:
    """A condition run again on some of its questions, beside what is stored."""

    n: int
    same_answers: int
    same_outcomes: int
    stored: float
    """Accuracy on these questions, as stored."""
    live: float


def recheck(
    workbench: Workbench,
    table: SweepTable,
    place: int,
    n: int = 100,
    viewer: str = "recheck",
    on_wait: OnWait | None = None,
    model: str = "",
) -> Agreement:
    """Run a condition on ``n`` of its questions, evenly spaced. ``model``: its name here, unless the table's own.

    Raises ModelError when that is another checkpoint than the sweep's, DataError when its questions are others now, and Cancelled.
    """
    request = cell_request(table, place)
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)
    if eval_set != table.eval_set:
        raise InputError(f"The eval set '{eval_set.name}' has other questions now than when the sweep was made: sweep again.")
    numbers = np.unique(np.linspace(0, len(questions) - 1, min(n, len(questions))).round().astype(int))
    rows = rows_of(workbench.store, table.key, [place]).set_index("number").loc[numbers]

    def work(engine: Engine, check_cancelled: CheckCancelled) -> ScoredRun:
        if engine.model.spec.key != table.model_key:
            raise ModelError(
                f"The sweep was made with the checkpoint {table.model_key}; '{model or table.model_name}' is {engine.model.spec.key} now: "
                "sweep again."
            )
        subset = tuple(questions[number] for number in numbers)
        prepared = workbench.prepared.get((table.key, tuple(numbers)), lambda: PreparedSet(engine, subset, table.rollout))
        directions = directions_of(workbench, engine, request.means, table.means.passes, check_cancelled)
        rollout = replace(table.rollout, passes=request.passes)
        condition = Condition(table.model_key, table.eval_set, rollout, request.interventions, table.means, request.overlap)
        runs = [prepared.answers_of(batch, [condition], directions, check_cancelled)[0] for batch in range(len(prepared.batches))]
        whole = runs[0]
        for run in runs[1:]:
            whole = whole.joined(run)
        return whole.sorted()

    live = workbench.run(model or table.model_name, work, viewer, on_wait)
    right = (rows["outcome"] == "correct").to_numpy()
    return Agreement(
        n=len(numbers),
        same_answers=int((rows["answer"].to_numpy() == np.array(live.answers, object)).sum()),
        same_outcomes=int((rows["outcome"].to_numpy() == live.outcomes.astype(object)).sum()),
        stored=float(right.mean()),
        live=float(live.correct.mean()),
    )
