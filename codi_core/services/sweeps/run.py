"""A sweep run to its end, wherever the settings say: in this process, in several of this machine, or on Ray actors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codi_core.device import processes_for
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.bands import bands_request, cell_id, cells_at, cells_to_rank
from codi_core.services.sweeps.in_processes import run_in_processes
from codi_core.services.sweeps.job import Job, resolve
from codi_core.services.sweeps.on_ray import sweep_on_cluster
from codi_core.sweeps.local import Report, Tally, run_sweep, run_units
from codi_core.sweeps.table import read_table
from codi_core.values.callbacks import OnWait
from codi_core.values.sweep import Row, SweepTable


def sweep(
    workbench: Workbench, request: SweepRequest, progress: Report | None = None, viewer: str = "sweep", on_wait: OnWait | None = None
) -> SweepTable:
    """The table, computed unit by unit unless it is stored, then the bands of the cells worth one (see `bands`). Interrupted at any moment,
    the same call goes on with what is missing; several processes that make the same call share the work.

    Raises SweepError when units failed (the others are stored), SettingsError without the backend that the settings ask for, and as
    `resolve`.
    """
    table = _sweep(workbench, request, progress, viewer, on_wait)
    if request.only or request.bands or not request.randoms + request.shuffled:
        return table
    for choose in (cells_to_rank, lambda table: cells_at(table, request.bands_at)):
        if wanted := choose(table):
            _sweep(workbench, replace(request, bands=wanted), progress, viewer, on_wait)
            table = read_table(workbench.store, table.key)
    return table


def measure_bands(
    workbench: Workbench,
    table: SweepTable,
    rows: Sequence[Row],
    model: str = "",
    progress: Report | None = None,
    viewer: str = "sweep",
    on_wait: OnWait | None = None,
) -> None:
    """The bands of some cells of a stored sweep, kept: the next reading of the table has their percentiles. Raises as `sweep`."""
    _sweep(workbench, bands_request(table, [cell_id(row) for row in rows], model), progress, viewer, on_wait)


def _sweep(workbench: Workbench, request: SweepRequest, progress: Report | None, viewer: str, on_wait: OnWait | None) -> SweepTable:
    """One spec, where the settings say."""
    if workbench.settings.backend == "ray":  # this process then loads no model: the actors look the request up
        return sweep_on_cluster(workbench, request, progress)
    job = resolve(workbench, request, viewer, on_wait)
    run_sweep(workbench.store, job.spec, job.questions, lambda tally: _run(job, tally), progress)
    return read_table(workbench.store, job.spec.key)


def _run(job: Job, tally: Tally) -> None:
    settings = job.workbench.settings
    workers = settings.workers or processes_for(settings.device)
    if workers > 1:
        run_in_processes(job, workers, tally)
    else:
        run_units(job.workbench.store, job.spec, job.compute, tally)
