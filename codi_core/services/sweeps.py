"""Grids of conditions: run, kept, read again, and compared with the model once more."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from codi_core.backend.worker import Check
from codi_core.device import processes_for
from codi_core.engine.engine import Engine
from codi_core.errors import ArtifactError, InputError, ModelError
from codi_core.evaluation.golds import gold_of
from codi_core.evaluation.prepared import PreparedSet
from codi_core.services.effects import ANSWER_ROOM, MAX_CONTROLS, ConditionRequest, Flip
from codi_core.services.steer import MeansRequest, directions_of, means_spec, questions_of
from codi_core.services.workbench import Poke, Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.means import check_disjoint
from codi_core.steering.methods import methods_of
from codi_core.steering.rows import Directions
from codi_core.store import Store
from codi_core.sweeps import table as tables
from codi_core.sweeps.local import Report, Tally, run_sweep, run_units
from codi_core.sweeps.presets import VARIANTS, sweep_preset
from codi_core.sweeps.spec import Axes, Chosen, SweepSpec
from codi_core.sweeps.units import SWEEPS, Part, Unit, compute_unit
from codi_core.types import MeansSpec, Question, RolloutConfig, ScoredRun, SweepTable

SIGNIFICANT = 0.05
WINNERS = 3
"""Cells taken to be confirmed when none is significant."""


@dataclass(frozen=True)
class SweepRequest:
    """A preset's grid on a model and an eval set."""

    kind: ClassVar[str] = "sweep-request"
    model: str
    """Name of a preset, a hub id or a folder."""
    preset: str
    """A name in SWEEPS."""
    eval_set: str = "templates"
    """A name in EVAL_SETS, or a file."""
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    passes: int = 6
    randoms: int = 20
    """Random directions for every index and size of the coefficient."""
    shuffled: int = 4
    """Differences of shuffled steps, likewise."""
    means_n: int | None = None
    """Questions behind the means; None: as the preset says."""
    only: tuple[Chosen, ...] = ()
    """Exactly these cells instead of the preset's grid."""


@dataclass(frozen=True)
class Job:
    """A request with everything looked up that it names."""

    workbench: Workbench
    request: SweepRequest
    viewer: str
    poke: Poke | None
    questions: tuple[Question, ...]
    spec: SweepSpec

    def compute(self, unit: Unit) -> Part:
        """Raises as `compute_unit`, and Cancelled when the viewer asked for something newer."""

        def work(check: Check) -> Part:
            engine = self.workbench.engine(self.request.model)
            directions = _directions(self.workbench, engine, self.spec.means, check)
            return compute_unit(_prepared(self.workbench, engine, self.spec, self.questions), directions, self.spec, unit, check)

        return self.workbench.run(work, self.viewer, self.poke)


def look_up(workbench: Workbench, request: SweepRequest, viewer: str = "sweep", poke: Poke | None = None) -> Job:
    """Raises InputError for an unknown preset, InterventionError for a grid the model has no place for, DataError, ModelError."""
    preset = sweep_preset(request.preset)
    for name, count in (("random directions", request.randoms), ("shuffled steps", request.shuffled)):
        if not 0 <= count <= MAX_CONTROLS:
            raise InputError(f"{count} {name}: choose 0 to {MAX_CONTROLS}.")
    eval_set, questions = questions_of(request.eval_set, request.n, request.seed)
    name, n, only = preset.means
    means = MeansRequest(name, n if request.means_n is None else request.means_n, 0, only)

    def work(check: Check) -> SweepSpec:
        engine = workbench.engine(request.model)
        longest = max((len(gold_of(engine.model, question.gold).ids) for question in questions), default=0)
        pairs = preset.pairs(request.passes)
        if not pairs:
            raise InputError(f"With {request.passes} passes there is no pair to steer along: choose 2 or more, or another preset.")
        axes = Axes(
            variants=tuple(dict.fromkeys(one[0] for one in request.only)) or preset.variants(engine.model.n_layers),
            pairs=pairs,
            indices=preset.indices(request.passes),
            coefficients=preset.coefficients,
            randoms=request.randoms,
            shuffled=request.shuffled,
            only=request.only,
        )
        rollout = RolloutConfig(request.passes, longest + ANSWER_ROOM)
        spec = SweepSpec(
            request.preset, engine.model.spec, eval_set, rollout, means_spec(engine, means, request.passes), preset.overlap, axes
        )
        for cell in spec.cells():
            for method in cell.condition.interventions:
                method.check(engine.model, request.passes)
        return spec

    spec = workbench.run(work, viewer, poke)
    if not spec.overlap:
        check_disjoint(questions_of(means.eval_set, means.n, means.seed)[1], questions)
    return Job(workbench, request, viewer, poke, questions, spec)


def _prepared(workbench: Workbench, engine: Engine, spec: SweepSpec, questions: tuple[Question, ...]) -> PreparedSet:
    """Only within `Workbench.run`."""
    key = (spec.model.key, spec.eval_set, spec.rollout)
    return workbench.prepared.get(key, lambda: PreparedSet(engine, questions, spec.rollout))


def _directions(workbench: Workbench, engine: Engine, means: MeansSpec, check: Check) -> Directions:
    """Only within `Workbench.run`."""
    needs = Condition(engine.model.spec.key, means.eval_set, RolloutConfig(means.passes), (), means)
    directions = directions_of(workbench, engine, needs, _means_request(means), check)
    assert directions is not None
    return directions


def _means_request(means: MeansSpec) -> MeansRequest:
    return MeansRequest(means.eval_set.name, means.eval_set.n, means.eval_set.seed, means.only)


def sweep(
    workbench: Workbench, request: SweepRequest, progress: Report | None = None, viewer: str = "sweep", poke: Poke | None = None
) -> SweepTable:
    """The table, computed unit by unit unless it is stored. Interrupted at any moment, the same call goes on with what is missing; several
    processes that make the same call share the work.

    With the backend ``ray`` its actors compute the units (see `cluster_sweep`). Raises SweepError when units failed (the others are
    stored), and as `look_up`.
    """
    if workbench.settings.backend == "ray":
        from codi_core.services.cluster_sweep import sweep_on_cluster  # which looks requests up with this module

        return sweep_on_cluster(workbench, request, progress)
    job = look_up(workbench, request, viewer, poke)
    run_sweep(workbench.store, job.spec, job.questions, lambda tally: _run(job, tally), progress)
    return tables.read_table(workbench.store, job.spec.key)


def _run(job: Job, tally: Tally) -> None:
    """All units, where the settings say."""
    settings = job.workbench.settings
    workers = settings.workers or processes_for(settings.device)
    if workers > 1:
        from codi_core.services.sweep_processes import run_in_processes  # which looks requests up with this module

        run_in_processes(job, workers, tally)
    else:
        run_units(job.workbench.store, job.spec, job.compute, tally)


def winners(table: SweepTable) -> tuple[tuple[Chosen, ...], str]:
    """The cells that raise accuracy most, to be tested once on other questions; and how they were chosen, in words."""
    cells = table.cells[table.cells["role"] == "cell"].sort_values("delta", ascending=False, kind="stable")
    better = cells[(cells["p_max"] < SIGNIFICANT) & (cells["delta"] > 0)]
    rows, words = (better, f"the {len(better):,} cells that raise accuracy with p_max < {SIGNIFICANT:g}")
    if better.empty:
        rows = cells.head(WINNERS)
        words = f"no cell raises accuracy with p_max < {SIGNIFICANT:g}; the {len(rows)} best anyway"
    columns = zip(rows["variant"], rows["a"], rows["b"], rows["index"], rows["coefficient"], strict=True)
    return tuple((str(variant), int(a), int(b), int(index), float(c)) for variant, a, b, index, c in columns), words


def confirm_request(
    workbench: Workbench, key: str | None, eval_set: str = "confirm", n: int = 0, seed: int = 0, randoms: int = 20, shuffled: int = 4
) -> tuple[SweepRequest, str]:
    """What tests the winners of a stored sweep on other questions, and how they were chosen. No ``key``: the newest sweep on the split
    ``select`` of the model of the settings.

    Raises InputError when there is no such sweep or it was made on the same questions, ModelError when it was made with another checkpoint,
    ArtifactError when it cannot be read.
    """
    model, store = workbench.settings.model, workbench.store
    installed = workbench.run(lambda check: workbench.engine(model).model.spec.key, "confirm")
    if key is None:
        selected = [table.key for table in stored_sweeps(store) if (table.eval_set.name, table.model_key) == ("select", installed)]
        if not selected:
            raise InputError(f"No sweep of {model} on select is stored: run `sweep --model {model} --preset … --eval-set select` first.")
        key = selected[0]
    table = read_sweep(store, key)
    if table.model_key != installed:
        raise ModelError(f"Sweep {key} was made with the checkpoint {table.model_key}; '{model}' is {installed} now: sweep again.")
    if table.eval_set.name == eval_set:
        raise InputError(f"The sweep was made on {eval_set}, too: what was chosen there cannot be confirmed there. Name another eval set.")
    chosen, words = winners(table)
    request = SweepRequest(
        model=model,
        preset=table.name,
        eval_set=eval_set,
        n=n,
        seed=seed,
        passes=table.rollout.passes,
        randoms=randoms,
        shuffled=shuffled,
        means_n=table.means.eval_set.n,
        only=chosen,
    )
    return request, f"{words}, of sweep {key} on {table.eval_set.name}"


# What is stored; needs no model


def stored_sweeps(store: Store) -> list[SweepTable]:
    """All readable ones, newest first."""
    found = []
    for key in store.keys(SWEEPS):
        try:
            found.append(tables.read_table(store, key))
        except ArtifactError:  # made by a newer version, or damaged: asked for by key it says so
            continue
    return sorted(found, key=lambda table: table.created, reverse=True)


def read_sweep(store: Store, key: str) -> SweepTable:
    """Raises ArtifactError when there is no such sweep or it is damaged."""
    return tables.read_table(store, key)


def baseline_of(table: SweepTable, place: int, standard: bool = False) -> int:
    """Place of what a condition is compared with: unsteered with as many passes, or with all."""
    cells = table.cells.set_index("place")
    passes = table.rollout.passes if standard else cells.loc[place, "passes"]
    unsteered = cells[(cells["role"] == "baseline") & (cells["passes"] == passes)]
    return int(unsteered.index[0])


def cell_questions(store: Store, table: SweepTable, place: int, standard: bool = False) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Questions that a condition fixed and that it broke. Raises ArtifactError, and DataError when the eval set is not to be had."""
    base = baseline_of(table, place, standard)
    rows = tables.rows_of(store, table.key, [place, base])
    before, after = (rows[rows["place"] == each].set_index("number").sort_index() for each in (base, place))
    questions = questions_of(table.eval_set.name, table.eval_set.n, table.eval_set.seed)[1]
    right = (before["outcome"] == "correct", after["outcome"] == "correct")

    def flips(changed: Any, fixed: bool) -> tuple[Flip, ...]:
        return tuple(Flip(questions[n], fixed, before["answer"][n], after["answer"][n]) for n in changed.index[changed])

    return flips(~right[0] & right[1], True), flips(right[0] & ~right[1], False)


def cell_request(table: SweepTable, place: int) -> ConditionRequest:
    """What runs the condition live: on the Steer page, or as a command line (`effects.condition_command`)."""
    row: Any = table.cells.set_index("place").loc[place]
    return ConditionRequest(
        model=table.model_name,
        interventions=methods_of(str(row["intervention"])),
        eval_set=table.eval_set.name,
        n=table.eval_set.n,
        seed=table.eval_set.seed,
        means=_means_request(table.means),
        passes=int(row["passes"]) if row["role"] == "baseline" else table.rollout.passes,
        max_new_tokens=table.rollout.max_new_tokens,
        overlap=table.overlap and row["role"] != "baseline",
    )


def sweep_command(request: SweepRequest) -> str:
    """The command line that repeats a request."""
    words = ["--model", request.model, "--preset", request.preset, "--eval-set", request.eval_set]
    for name in ("n", "seed", "passes", "randoms", "shuffled", "means_n"):
        if getattr(request, name) != SweepRequest.__dataclass_fields__[name].default:
            words += [f"--{name.replace('_', '-')}", str(getattr(request, name))]
    words += [word for one in request.only for word in ("--only", ":".join(map(str, one)))]
    return shlex.join(["python", "-m", "codi_core", "sweep", *words])


def chosen_of(text: str) -> Chosen:
    """A cell as on the command line: ``kv-corrected:2:4:5:0.5``. Raises InputError for what cannot be read."""
    try:
        variant, a, b, index, coefficient = text.split(":")
        chosen = variant, int(a), int(b), int(index), float(coefficient)
    except ValueError:
        raise InputError(f"'{text:.80}' is no cell: write VARIANT:A:B:INDEX:COEFFICIENT, as in kv-corrected:2:4:5:0.5.") from None
    if variant not in VARIANTS:
        raise InputError(f"Unknown variant '{variant:.80}': choose {', '.join(_variant_names())}.")
    return chosen


def _variant_names() -> list[str]:
    """Those of layers and depths by one example each."""
    return [name for name in VARIANTS if not name.startswith(("layer-", "resid-")) or name in ("layer-0", "resid-1-stop")]


# Once more


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
    workbench: Workbench, table: SweepTable, place: int, n: int = 100, viewer: str = "recheck", poke: Poke | None = None, model: str = ""
) -> Agreement:
    """Run a condition on ``n`` of its questions, evenly spaced. ``model``: its name here, unless the table's own.

    Raises ModelError when that is another checkpoint than the sweep's, DataError when its questions are others now, and Cancelled.
    """
    request = cell_request(table, place)
    eval_set, questions = questions_of(request.eval_set, request.n, request.seed)
    if eval_set != table.eval_set:
        raise InputError(f"The eval set '{eval_set.name}' has other questions now than when the sweep was made: sweep again.")
    numbers = np.unique(np.linspace(0, len(questions) - 1, min(n, len(questions))).round().astype(int))
    rows = tables.rows_of(workbench.store, table.key, [place]).set_index("number").loc[numbers]

    def work(check: Check) -> ScoredRun:
        engine = workbench.engine(model or table.model_name)
        if engine.model.spec.key != table.model_key:
            raise ModelError(
                f"The sweep was made with the checkpoint {table.model_key}; '{model or table.model_name}' is {engine.model.spec.key} now: "
                "sweep again."
            )
        subset = tuple(questions[number] for number in numbers)
        prepared = workbench.prepared.get((table.key, tuple(numbers)), lambda: PreparedSet(engine, subset, table.rollout))
        directions = _directions(workbench, engine, table.means, check)
        rollout = replace(table.rollout, passes=request.passes)
        condition = Condition(table.model_key, table.eval_set, rollout, request.interventions, table.means, request.overlap)
        runs = [prepared.answers_of(batch, [condition], directions, check)[0] for batch in range(len(prepared.batches))]
        whole = runs[0]
        for run in runs[1:]:
            whole = whole.joined(run)
        return whole.sorted()

    live = workbench.run(work, viewer, poke)
    right = (rows["outcome"] == "correct").to_numpy()
    return Agreement(
        n=len(numbers),
        same_answers=int((rows["answer"].to_numpy() == np.array(live.answers, object)).sum()),
        same_outcomes=int((rows["outcome"].to_numpy() == live.outcomes.astype(object)).sum()),
        stored=float(right.mean()),
        live=float(live.correct.mean()),
    )
