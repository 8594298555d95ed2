"""The units of a sweep on many machines: one thread here for every Ray actor, which claims a unit, has it computed there, keeps its part.

Claims and parts are those of `local`, and both live here: the machines need to share no disk, and local runs may help.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from codi_core.errors import Cancelled, WorkerLost
from codi_core.store import Store
from codi_core.sweeps.local import Tally, run_units
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.units import Part, Unit
from codi_core.values.callbacks import OnWait


def run_units_on(workers: int, compute: Callable[[int, Unit, OnWait], Part], store: Store, spec: SweepSpec, tally: Tally) -> None:
    """As `run_units`; ``compute`` takes the place of the actor, 0 to ``workers`` - 1, and is poked with what calls it off.

    An actor that is lost leaves its unit to the others. Raises WorkerLost when none is left.
    """
    stop = threading.Event()
    lost: list[WorkerLost] = []

    def on_wait() -> None:
        if stop.is_set():
            raise Cancelled("The sweep was stopped.")

    def work(worker: int) -> None:
        def there(unit: Unit) -> Part:
            try:
                return compute(worker, unit, on_wait)
            except WorkerLost as error:
                lost.append(error)
                raise Cancelled("Another worker takes the unit.") from error

        with suppress(Cancelled):
            run_units(store, spec, there, tally)

    with ThreadPoolExecutor(workers, "sweep") as threads:
        try:
            for running in [threads.submit(work, worker) for worker in range(workers)]:
                running.result()
        finally:
            stop.set()
    if len(lost) == workers:
        raise lost[-1]
