"""Sweeps on Ray actors. This process loads no model."""

from __future__ import annotations

from functools import partial

from codi_core.backend.cluster import Cluster
from codi_core.errors import DataError, ModelError
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import Job, resolve
from codi_core.store import Store
from codi_core.sweeps.local import Report, run_sweep
from codi_core.sweeps.remote import run_units_on
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import read_table
from codi_core.sweeps.units import Part, Unit
from codi_core.values.callbacks import OnWait
from codi_core.values.sweep import SweepTable

VIEWER = "sweep"


def sweep_on_cluster(workbench: Workbench, request: SweepRequest, progress: Report | None = None) -> SweepTable:
    """As `sweep`, on the actors that the settings of ``workbench`` ask for. The same units, parts and table, kept in its store.

    Raises SettingsError without Ray, cluster or room in it, WorkerLost when no actor is left, and as `sweep`.
    """
    cluster = Cluster(workbench.settings, partial(Workbench, models=workbench.models))
    try:
        return sweep_by(cluster, workbench.store, request, progress)
    finally:
        cluster.close()


def sweep_by(cluster: Cluster[Workbench], store: Store, request: SweepRequest, progress: Report | None = None) -> SweepTable:
    """By actors that are there already. Raises as `sweep_on_cluster`."""
    spec = cluster.call(0, spec_of_request, request)
    questions = load_eval_set(request.eval_set, request.n, request.seed)[1]

    def compute(worker: int, unit: Unit, on_wait: OnWait) -> Part:
        return cluster.call(worker, part_of, request, spec, unit, on_wait=on_wait)

    run_sweep(store, spec, questions, lambda tally: run_units_on(cluster.size, compute, store, spec, tally), progress)
    return read_table(store, spec.key)


def spec_of_request(workbench: Workbench, request: SweepRequest) -> SweepSpec:
    """In an actor: the spec names the model by its files. Raises as `resolve`."""
    return resolve(workbench, request, VIEWER).spec


def part_of(workbench: Workbench, request: SweepRequest, spec: SweepSpec, unit: Unit, on_wait: OnWait | None = None) -> Part:
    """In an actor: one unit. Raises DataError or ModelError when this machine has other questions or another checkpoint, and as
    `compute_unit`.
    """
    eval_set, questions = load_eval_set(request.eval_set, request.n, request.seed)
    if eval_set != spec.eval_set:
        raise DataError(f"The eval set '{request.eval_set}' differs between the machines: bring the same file to all of them.")
    model = workbench.run(request.model, lambda engine, _: engine.model.spec, VIEWER, on_wait)
    if model != spec.model:
        keys = f"{model.key} and {spec.model.key}"
        raise ModelError(f"The model '{request.model}' differs between the machines ({keys}): bring the same files to all of them.")
    return Job(workbench, request, VIEWER, on_wait, questions, spec).compute(unit)
