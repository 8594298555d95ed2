"""One thread owns the model; everyone else waits in line for it.

A viewer has at most one job here: a new request supersedes the older one. Queued, it takes over the older one's place in line, so that
dragging a slider loses nobody their turn; running, the older one is told to stop and the new one joins the line.

Long work comes in turns, a job each, so that whose turn it is can be decided between them: answers that somebody waits for come before work
behind a page (`behind`), and people take turns: the one served longest ago is next. What a job computes does not depend on when it runs.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, NamedTuple, TypeVar

from codi_core.errors import Cancelled
from codi_core.values.callbacks import CheckCancelled

Result = TypeVar("Result")

ON_WAIT_SECONDS = 0.05
PATIENCE = 8
"""Answers that may pass a turn of the work behind a page, one after the other, before it has its turn: it gets on, slowly."""
REMEMBERED = 32
"""Jobs whose length says how long the next ones take."""


class Waiting(NamedTuple):
    """Of the person's job that has waited longest."""

    place: int
    """Jobs that finish before it starts, the running one included."""
    seconds: float
    """Until then, as jobs of late went."""
    since: float
    """Seconds it has waited so far."""


class Job(Generic[Result]):
    """A piece of work in line, running or done."""

    def __init__(self, worker: Worker, work: Callable[[CheckCancelled], Result], viewer: str, behind: bool) -> None:
        self.viewer = viewer
        self.behind = behind
        self.since = time.monotonic()
        self._worker = worker
        self._work = work
        self._stop = threading.Event()
        self._future: Future[Result] = Future()
        self._started = self._ended = float("inf")

    @property
    def person(self) -> str:
        """Whose it is, whatever for."""
        return self.viewer.partition("/")[0]

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def waited(self) -> float:
        """Seconds in line, so far."""
        return min(self._started, self._ended, time.monotonic()) - self.since

    @property
    def ran(self) -> float:
        """Seconds of its work, so far."""
        return max(0.0, min(self._ended, time.monotonic()) - self._started)

    def place(self) -> int:
        """Jobs that finish before this one starts, the running one included; 0 when it runs or is done."""
        return self._worker.place_of(self)

    def cancel(self) -> None:
        """Leave the line, or stop at the next step. A job that is done stays as it is."""
        self._worker.cancel(self)

    def result(self, timeout: float | None = None, on_wait: Callable[[], None] | None = None) -> Result:
        """Wait for the result and raise what the work raised (Cancelled when superseded).

        ``on_wait`` is called every 50 ms while waiting; whatever it raises, and a TimeoutError after ``timeout`` seconds, cancels the job.
        """
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while True:
            remaining = deadline - time.monotonic()
            try:
                return self._future.result(min(remaining, ON_WAIT_SECONDS) if on_wait or timeout is not None else None)
            except TimeoutError:
                if self._future.done():  # the work itself raised it
                    raise
                try:
                    if remaining <= 0:
                        raise
                    if on_wait:
                        on_wait()
                except BaseException:
                    self.cancel()
                    raise

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled("The work was superseded by a newer request.")

    def _run(self) -> None:
        self._started = time.monotonic()
        try:
            self._check()
            result = self._work(self._check)
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            self._ended = time.monotonic()
            self._future.set_exception(error)
        else:
            self._ended = time.monotonic()
            self._future.set_result(result)

    def _leave(self) -> None:
        self._ended = time.monotonic()
        self._stop.set()
        self._future.set_exception(Cancelled("The work was superseded by a newer request."))


class Worker:
    """A daemon thread and the line before it."""

    def __init__(self, name: str = "model", on_idle: Callable[[], None] | None = None, idle_seconds: float = 600.0) -> None:
        """``on_idle`` is called in the thread when nobody came for ``idle_seconds``, once until somebody does."""
        self._changed = threading.Condition()
        self._line: list[Job[Any]] = []
        self._running: Job[Any] | None = None
        self._closed = False
        self._turns = 0
        self._served: dict[str, int] = {}
        """By person: the turn they had last."""
        self._passed = 0
        """Answers since work behind a page had a turn, while some waits."""
        self._lengths: deque[float] = deque(maxlen=REMEMBERED)
        self._on_idle, self._idle_seconds = on_idle, idle_seconds
        self._thread = threading.Thread(target=self._loop, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[CheckCancelled], Result], viewer: str, behind: bool = False) -> Job[Result]:
        """Put ``work`` in line for ``viewer`` (a session, or a session and a purpose, as in ``session/purpose``), superseding the viewer's
        older job. ``behind``: it lets answers that somebody waits for pass.
        """
        job = Job(self, work, viewer, behind)
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

    @property
    def length(self) -> int:
        """Jobs in line, the running one included."""
        with self._changed:
            return len(self._line) + (self._running is not None)

    def place_of(self, job: Job[Any]) -> int:
        with self._changed:
            return self._order().index(job) + (self._running is not None) if job in self._line else 0

    def waiting(self, person: str) -> Waiting | None:
        """How it stands with what a person waits for; None when nothing of theirs is in line."""
        with self._changed:
            own = [job for job in self._line if job.person == person]
            if not own:
                return None
            first = min(own, key=lambda job: job.since)
            place = self._order().index(first) + (self._running is not None)
            length = sum(self._lengths) / len(self._lengths) if self._lengths else 0.0
            return Waiting(place, place * length, time.monotonic() - first.since)

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

    def _order(self) -> list[Job[Any]]:
        """The line as it will be served if nobody else comes."""
        order: list[Job[Any]] = []
        line, served, passed = list(self._line), dict(self._served), self._passed
        while line:
            job = _next(line, served, passed)
            line.remove(job)
            passed = _passed(passed, job, line)
            served[job.person] = self._turns + len(order) + 1
            order.append(job)
        return order

    def _take(self) -> Job[Any]:
        job = _next(self._line, self._served, self._passed)
        self._line.remove(job)
        self._passed = _passed(self._passed, job, self._line)
        self._turns += 1
        self._served.pop(job.person, None)
        self._served[job.person] = self._turns  # in order of turns: who left long ago is forgotten
        while len(self._served) > 1_000:
            self._served.pop(next(iter(self._served)))
        return job

    def _loop(self) -> None:
        """The one place where jobs start and end."""
        was_idle = False
        while True:
            with self._changed:
                self._running = None
                here = self._changed.wait_for(lambda: bool(self._line) or self._closed, None if was_idle else self._idle_seconds)
                if self._closed:
                    return
                if here:
                    self._running = self._take()
            job, was_idle = self._running, not here
            if job is None:
                if self._on_idle:
                    self._on_idle()
                continue
            job._run()
            with self._changed:
                self._lengths.append(job.ran)
            del job  # what it computed is not kept alive until somebody comes


def _next(line: list[Job[Any]], served: dict[str, int], passed: int) -> Job[Any]:
    """Of a line that is not empty: an answer before work behind a page, unless that was passed too often; then who was served longest ago,
    then who came first.
    """
    behind_first = passed >= PATIENCE and any(job.behind for job in line)
    return min(line, key=lambda job: (job.behind != behind_first, served.get(job.person, 0)))


def _passed(passed: int, taken: Job[Any], line: list[Job[Any]]) -> int:
    return passed + 1 if not taken.behind and any(job.behind for job in line) else 0
