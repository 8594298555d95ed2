"""One thread owns the model; everyone else waits in line for it.

A viewer has at most one job here: a new request supersedes the older one. Queued, it takes over the older one's place in line, so that
dragging a slider loses nobody their turn; running, the older one is told to stop and the new one joins the end of the line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from codi_core.errors import Cancelled

Result = TypeVar("Result")
Check = Callable[[], None]
"""Given to the work; raises Cancelled once the job was superseded. Pass it on as the engine's ``on_step``."""

POKE_SECONDS = 0.05


class Job(Generic[Result]):
    """A piece of work in line, running or done."""

    def __init__(self, worker: Worker, work: Callable[[Check], Result], viewer: str) -> None:
        self.viewer = viewer
        self._worker = worker
        self._work = work
        self._stop = threading.Event()
        self._future: Future[Result] = Future()

    @property
    def done(self) -> bool:
        return self._future.done()

    def place(self) -> int:
        """Jobs that finish before this one starts, the running one included; 0 when it runs or is done."""
        return self._worker.place_of(self)

    def cancel(self) -> None:
        """Leave the line, or stop at the next step. A job that is done stays as it is."""
        self._worker.cancel(self)

    def result(self, timeout: float | None = None, poke: Callable[[], None] | None = None) -> Result:
        """Wait for the result and raise what the work raised (Cancelled when superseded).

        ``poke`` is called every 50 ms while waiting; whatever it raises, and a TimeoutError after ``timeout`` seconds, cancels the job.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            remaining = deadline - time.monotonic()
            try:
                return self._future.result(min(remaining, POKE_SECONDS) if poke or timeout is not None else None)
            except TimeoutError:
                if self._future.done():  # the work itself raised it
                    raise
                try:
                    if remaining <= 0:
                        raise
                    if poke:
                        poke()
                except BaseException:
                    self.cancel()
                    raise

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("The work was superseded by a newer request.")

    def _run(self) -> None:
        try:
            self._check()
            self._future.set_result(self._work(self._check))
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            self._future.set_exception(error)

    def _leave(self) -> None:
        self._stop.set()
        self._future.set_exception(Cancelled("The work was superseded by a newer request."))


class Worker:
    """A daemon thread and the line before it, first come first served."""

    def __init__(self, name: str = "model") -> None:
        self._changed = threading.Condition()
        self._line: list[Job[Any]] = []
        self._running: Job[Any] | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[Check], Result], viewer: str) -> Job[Result]:
        """Put ``work`` in line for ``viewer`` (a session, or a session and a purpose), superseding the viewer's older job."""
        job = Job(self, work, viewer)
        with self._changed:
            if self._closed:
                raise RuntimeError("the worker is closed")
            if self._running is not None and self._running.viewer == viewer:
                self._running._stop.set()
            older = next((place for place, queued in enumerate(self._line) if queued.viewer == viewer), None)
            if older is None:
                self._line.append(job)
            else:
                self._line[older]._leave()
                self._line[older] = job
            self._changed.notify()
        return job

    def place_of(self, job: Job[Any]) -> int:
        with self._changed:
            return self._line.index(job) + (self._running is not None) if job in self._line else 0

    def cancel(self, job: Job[Any]) -> None:
        with self._changed:
            job._stop.set()
            if job in self._line:
                self._line.remove(job)
                job._leave()

    def close(self) -> None:
        """Cancel everything and end the thread."""
        with self._changed:
            self._closed = True
            if self._running is not None:
                self._running._stop.set()
            for job in self._line:
                job._leave()
            self._line.clear()
            self._changed.notify()
        self._thread.join()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._running = None
                self._changed.wait_for(lambda: self._line or self._closed)
                if self._closed:
                    return
                self._running = self._line.pop(0)
            self._running._run()
