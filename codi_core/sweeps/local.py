"""The loop every process of a sweep runs: claim a unit that nobody has, compute it, keep its part."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codi_core.errors import ArtifactError, Cancelled, SweepError
from codi_core.store import Store
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import seal
from codi_core.sweeps.units import PARTS, SWEEPS, Compute, Unit, claim, has_part, units_of, write_part
from codi_core.values.questions import Question

WAIT_SECONDS = 0.2
"""Between looks at units that other processes work on."""


@dataclass(frozen=True)
class SweepProgress:
    done: int
    """Units, those done before included."""
    total: int
    conditions: int
    """Conditions done."""
    rate: float
    """Conditions a second since this run started; 0 before the first unit."""
    eta: float
    """Seconds left at that rate; infinite before the first unit."""
    failed: tuple[tuple[int, str], ...] = ()
    """Numbers of units that could not be done, and why."""


Report = Callable[[SweepProgress], None]


class Tally:
    """What was done and what failed, for the report. Threads may share it."""

    def __init__(self, spec: SweepSpec, report: Report | None) -> None:
        self.units = units_of(spec)
        self.computed: list[int] = []
        """Numbers of the units computed here."""
        self._report, self._started = report, time.monotonic()
        self._lock = threading.Lock()
        self._done: set[int] = set()
        self._new = 0
        self._failed: dict[int, str] = {}

    def done(self, unit: Unit, new: bool) -> None:
        """``new``: finished during this run, by whomever."""
        with self._lock:
            if unit.number not in self._done:
                self._done.add(unit.number)
                self._failed.pop(unit.number, None)
                self._new += (unit.stop - unit.first) * new
                self._tell()

    def failed(self, unit: Unit, reason: str) -> None:
        with self._lock:
            self._failed[unit.number] = reason
            self._tell()

    def again(self) -> None:
        """Some parts turned out to be damaged: they are not done any more."""
        self._done.clear()

    @property
    def failures(self) -> tuple[tuple[int, str], ...]:
        return tuple(sorted(self._failed.items()))

    def _tell(self) -> None:
        if self._report is None:
            return
        sizes = {unit.number: unit.stop - unit.first for unit in self.units}
        conditions, everything = sum(sizes[number] for number in self._done), sum(sizes.values())
        rate = self._new / max(time.monotonic() - self._started, 1e-9)
        eta = (everything - conditions) / rate if rate else float("inf")
        self._report(SweepProgress(len(self._done), len(self.units), conditions, rate, eta, self.failures))


def complete(store: Store, spec: SweepSpec) -> bool:
    return store.find(SWEEPS, spec.key) is not None


def run_units(store: Store, spec: SweepSpec, compute: Compute, tally: Tally) -> None:
    """Until every unit is done or has failed. Several processes may run this at once: each unit is computed by one of them."""
    pending: Sequence[Unit] = tally.units
    while pending and not complete(store, spec):
        busy = [unit for unit in pending if not _try(store, spec, unit, compute, tally)]
        if len(busy) == len(pending):
            time.sleep(WAIT_SECONDS)
        pending = busy


def _try(store: Store, spec: SweepSpec, unit: Unit, compute: Compute, tally: Tally) -> bool:
    """Whether the unit needs no more attention: done before, done now, or failed."""
    seen = store.find(PARTS, unit.key) is not None
    try:
        with claim(store, spec.key, unit.number) as mine:
            if not mine:
                return False
            if has_part(store, unit) or complete(store, spec):  # in this order: parts are removed only after the sweep is complete
                tally.done(unit, new=not seen)
                return True
            write_part(store, unit, compute(unit))
    except Cancelled:
        raise
    except Exception as error:  # whatever it is, the other units can still be done
        tally.failed(unit, f"{type(error).__name__}: {error}")
        return True
    tally.computed.append(unit.number)
    tally.done(unit, new=True)
    return True


def run_sweep(
    store: Store, spec: SweepSpec, questions: Sequence[Question], work: Callable[[Tally], None], report: Report | None = None
) -> Tally:
    """Have ``work`` do all units and seal the sweep; parts found damaged then are done again.

    Raises SweepError when units failed: what is done stays, and the same call goes on from there. Raises ArtifactError when the disk does
    not take the table.
    """
    tally = Tally(spec, report)
    _discard_broken(store, spec)
    while not complete(store, spec):
        work(tally)
        if tally.failures:
            reasons = "; ".join(dict.fromkeys(reason for _, reason in tally.failures))
            raise SweepError(
                f"{len(tally.failures)} of {len(tally.units)} units failed ({reasons:.500}). The others are stored: run the same command "
                "again to try only these."
            )
        if not seal(store, spec, questions):
            tally.again()
    return tally


def _discard_broken(store: Store, spec: SweepSpec) -> None:
    """A sweep made here whose files changed since is made anew; one that ships is reported."""
    if complete(store, spec):
        try:
            store.read(SWEEPS, spec.key)
        except ArtifactError:
            if store.find(SWEEPS, spec.key) != store.path(SWEEPS, spec.key):
                raise
            shutil.rmtree(store.path(SWEEPS, spec.key))
