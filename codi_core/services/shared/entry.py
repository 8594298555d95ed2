"""One request to a server as it goes: what was asked, by whom, how long it waited and ran, and how it ended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from codi_core.backend.worker import Job
from codi_core.errors import Cancelled, CodiError


@dataclass
class Entry:
    """One request as it goes: a call of a service, in one turn at the model or in many."""

    kind: str
    """The service's name."""
    key: str
    """Of what was asked, where it has one."""
    questions: str
    """It names: a number, or ``all``; ``1`` where it names none."""
    viewer: str = "-"
    turns: int = 0
    waited: float = 0.0
    """Seconds in line, over all turns."""
    ran: float = 0.0
    """Seconds at the model."""
    outcome: str = "ok"
    """``ok``; ``superseded`` by the viewer's newer request; ``left`` with the page; ``refused`` with a message; ``failed`` by a defect."""

    def turn(self, job: Job[Any]) -> None:
        self.viewer = hashlib.sha256(job.person.encode()).hexdigest()[:8]
        self.turns, self.waited, self.ran = self.turns + 1, self.waited + job.waited, self.ran + job.ran

    @property
    def line(self) -> str:
        """In logfmt."""
        return (
            f"viewer={self.viewer} kind={self.kind} key={self.key} questions={self.questions} turns={self.turns} "
            f"wait={self.waited:.3f} run={self.ran:.3f} outcome={self.outcome}"
        )


_current: ContextVar[Entry | None] = ContextVar("current request", default=None)


def note(job: Job[Any]) -> None:
    """A job has ended, or is no longer waited for: it belongs to the request this thread is at, if any."""
    entry = _current.get()
    if entry is not None:
        entry.turn(job)


@contextmanager
def at(entry: Entry) -> Iterator[None]:
    """What this thread does meanwhile belongs to the request."""
    token = _current.set(entry)
    try:
        yield
    finally:
        _current.reset(token)


def outcome_of(error: BaseException) -> str:
    if isinstance(error, Cancelled):
        return "superseded"
    if isinstance(error, CodiError):
        return "refused"
    return "failed" if isinstance(error, Exception) else "left"
