"""Work behind a page ends with its tab, and what it found stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from codi_core.ui.shell import background
from codi_core.ui.shell.background import Run
from codi_core.values.callbacks import OnWait

WAIT = 60.0


def test_work_of_a_closed_tab_ends_and_what_it_found_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, ended, stepped = threading.Event(), threading.Event(), threading.Semaphore(0)
    opened.set()
    monkeypatch.setattr(background, "_tab", lambda: opened.is_set)
    monkeypatch.setattr(background, "GONE_SECONDS", 0.05)

    def work(on_wait: OnWait) -> Iterator[int]:
        try:
            for number in range(10**9):
                yield number
                stepped.release()
                ended.wait(0.002)
                on_wait()
        finally:
            ended.set()

    run: Run[int] = Run(None)
    run.start(work)
    for _ in range(40):  # longer than the grace of a closed tab
        assert stepped.acquire(timeout=WAIT)
    assert run.running
    opened.clear()
    assert ended.wait(WAIT)
    assert run.value is not None and run.error is None and not run.running
