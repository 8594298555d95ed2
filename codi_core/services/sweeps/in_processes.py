"""A sweep in several processes of this machine: each runs the same loop over the units, this one watches the parts appear."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from codi_core.device import device_for, set_threads
from codi_core.errors import Cancelled, CodiError
from codi_core.models.load import ModelRequest
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import Job, resolve
from codi_core.settings import Settings
from codi_core.sweeps.local import Tally, complete, run_units
from codi_core.sweeps.units import PARTS, Part, Unit

LOOK_SECONDS = 0.5
"""Between looks at what is done."""
GRACE_SECONDS = 10.0
"""Processes told to stop have this long."""


def run_in_processes(job: Job, workers: int, tally: Tally) -> None:
    """All units of a sweep, by ``workers`` processes with a model each. Units that no process could do are reported as failed."""
    store, settings = job.workbench.store, job.workbench.settings
    before = {unit.number for unit in tally.units if store.find(PARTS, unit.key)}
    context = multiprocessing.get_context("spawn")  # a fork would share locks of torch's threads
    started: list[tuple[BaseProcess, Connection]] = []
    try:
        for number in range(workers):
            ours, theirs = context.Pipe(duplex=False)
            own = dataclasses.replace(settings, device=device_for(settings.device, number), threads=_threads(settings.threads, workers))
            process = context.Process(target=_work, args=(own, job.workbench.models, job.request, os.getpid(), theirs), daemon=True)
            process.start()
            theirs.close()
            started.append((process, ours))
        while any(process.is_alive() for process, _ in started):
            time.sleep(LOOK_SECONDS)
            _look(job, tally, before)
    finally:
        _stop([process for process, _ in started])
    _look(job, tally, before)
    _hear(job, tally, started)


def _threads(wanted: int, workers: int) -> int:
    return wanted or max(1, (os.cpu_count() or 1) // workers)


def _look(job: Job, tally: Tally, before: set[int]) -> None:
    for unit in tally.units:
        if job.workbench.store.find(PARTS, unit.key) is not None:
            tally.done(unit, new=unit.number not in before)


def _hear(job: Job, tally: Tally, started: list[tuple[BaseProcess, Connection]]) -> None:
    """What the processes did, and of every unit without a part why there is none."""
    store, reasons, ends = job.workbench.store, dict[int, str](), list[str]()
    for process, ours in started:
        try:
            said: WorkerResult = ours.recv()
            reasons |= said.failures
            tally.computed += said.computed
            ends += [said.error] if said.error else []
        except EOFError:  # killed
            ends.append(f"a process ended with exit code {process.exitcode}")
    for unit in tally.units:
        if store.find(PARTS, unit.key) is None and not complete(store, job.spec):
            tally.failed(unit, reasons.get(unit.number) or "; ".join(dict.fromkeys(ends)) or "its process ended")


def _stop(processes: list[BaseProcess]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(GRACE_SECONDS)
        if process.is_alive():
            process.kill()


# In the other processes


@dataclass(frozen=True)
class WorkerResult:
    """The last words of a process."""

    computed: list[int] = field(default_factory=list)
    failures: dict[int, str] = field(default_factory=dict)
    error: str = ""
    """Why it could do nothing at all."""


def _work(settings: Settings, models: Mapping[str, ModelRequest], request: SweepRequest, parent: int, theirs: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C reaches all processes of a terminal; the first one ends the others
    set_threads(settings.threads)
    bench = Workbench(settings, models)
    try:
        job = resolve(bench, request)
        tally = Tally(job.spec, None)
        run_units(bench.store, job.spec, lambda unit: _compute(job, unit, parent), tally)
        theirs.send(WorkerResult(tally.computed, dict(tally.failures)))
    except CodiError as error:
        theirs.send(WorkerResult(error=f"{type(error).__name__}: {error}"))
    finally:
        bench.close()


def _compute(job: Job, unit: Unit, parent: int) -> Part:
    if os.getppid() != parent:  # killed: nobody waits any more
        raise Cancelled("The process that started this one has ended.")
    return job.compute(unit)
