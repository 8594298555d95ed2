"""Sweeps on Ray actors. This process loads no model."""

from __future__ import annotations

from functools import partial

from codi_core.backend.cluster import Cluster
from codi_core.errors import DataError, ModelError
from codi_core.services.steer import questions_of
from codi_core.services.sweeps import Job, SweepRequest, look_up
from codi_core.services.workbench import Poke, Workbench
from codi_core.store import Store
from codi_core.sweeps.local import Report, run_sweep
from codi_core.sweeps.ray_cluster import run_units_on
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import read_table
from codi_core.sweeps.units import Part, Unit
from codi_core.types import SweepTable

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
    questions = questions_of(request.eval_set, request.n, request.seed)[1]

    def compute(place: int, unit: Unit, poke: Poke) -> Part:
        return cluster.call(place, part_of, request, spec, unit, poke=poke)

    run_sweep(store, spec, questions, lambda tally: run_units_on(cluster.size, compute, store, spec, tally), progress)
    return read_table(store, spec.key)


def spec_of_request(workbench: Workbench, request: SweepRequest) -> SweepSpec:
    """In an actor: the spec names the model by its files. Raises as `look_up`."""
    return look_up(workbench, request, VIEWER).spec


def part_of(workbench: Workbench, request: SweepRequest, spec: SweepSpec, unit: Unit, poke: Poke | None = None) -> Part:
    """In an actor: one unit. Raises DataError or ModelError when this machine has other questions or another checkpoint, and as
    `compute_unit`.
    """
    eval_set, questions = questions_of(request.eval_set, request.n, request.seed)
    if eval_set != spec.eval_set:
        raise DataError(f"The eval set '{request.eval_set}' differs between the machines: bring the same file to all of them.")
    model = workbench.run(lambda check: workbench.engine(request.model).model.spec, VIEWER, poke)
    if model != spec.model:
        keys = f"{model.key} and {spec.model.key}"
        raise ModelError(f"The model '{request.model}' differs between the machines ({keys}): bring the same files to all of them.")
    return Job(workbench, request, VIEWER, poke, questions, spec).compute(unit)
