"""Long work of this session in a thread of its own, so that the page stays free; what was computed is kept whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import streamlit as st
from streamlit.runtime import Runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from codi_core.errors import Cancelled
from codi_core.ui.shell import calls, line
from codi_core.values.callbacks import OnWait

Value = TypeVar("Value")
Work = Callable[[OnWait], Iterator[Value]]
"""Better and better values; the on_wait raises Cancelled when nobody wants them any more."""
KEPT = 4
"""Runs of a purpose that a session remembers."""
ABANDONED_SECONDS = 120.0
"""A run whose page nobody looks at any more stops after this long: many times what a busy browser takes to ask again."""
GONE_SECONDS = 1.0
"""And one whose tab was closed after this long."""
REPAINT_SECONDS = 1.5


class Run(Generic[Value]):
    """The newest value of one piece of work, so far."""

    def __init__(self, value: Value | None) -> None:
        self.value = value
        self.stored = value is not None
        """Whether it was there before anyone asked: nothing was computed for this session."""
        self.error: Exception | None = None
        """What ended the last attempt, to be raised on the page."""
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._seen = 0.0

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    @property
    def started(self) -> bool:
        """At least once."""
        return self._thread is not None

    def seen(self) -> None:
        """Someone looks at it."""
        self._seen = time.monotonic()

    def start(self, work: Work[Value]) -> None:
        if self.running:
            return
        self.error = None
        self.seen()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, args=(work, self._stop, _tab()), name="background", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is being computed just now is left out."""
        self._stop.set()

    def _follow(self, work: Work[Value], stop: threading.Event, is_open: Callable[[], bool]) -> None:
        opened = time.monotonic()

        def leave_when_stopped() -> None:
            nonlocal opened
            now = time.monotonic()
            opened = now if is_open() else opened
            if stop.is_set() or now - self._seen > ABANDONED_SECONDS or now - opened > GONE_SECONDS:
                stop.set()
                raise Cancelled("The run was stopped.")

        try:
            for value in work(leave_when_stopped):
                if stop.is_set():
                    return
                self.value = value
        except Cancelled:
            stop.set()
        except Exception as error:  # shown on the page, which is another thread
            self.error = error


def _tab() -> Callable[[], bool]:
    """Whether this session's browser is connected, to be asked anywhere."""
    context = get_script_run_ctx()
    if context is None or not Runtime.exists():
        return lambda: True
    runtime, session = Runtime.instance(), context.session_id
    return lambda: bool(runtime.is_active_session(session))


def run_of(purpose: str, key: str, stored: Callable[[], Value | None]) -> Run[Value]:
    """This session's run of a request by its key; ``stored`` finds what is known already. A run of another request stops."""
    runs: dict[str, Run[Value]] = st.session_state.setdefault(f"runs-{purpose}", {})
    for other, run in runs.items():
        if other != key:
            run.stop()
    if key not in runs:
        with st.spinner("Looking for stored results …"):
            runs[key] = Run(stored())
        for old in list(runs)[:-KEPT]:
            del runs[old]
    return runs[key]


def controls(run: Run[Value], work: Work[Value], done: float, caption: str, key: str, start: str = "Run") -> None:
    """Start, go on or stop, and how far it is (``done`` of 1, and in words). Raises what ended the run."""
    run.seen()
    with st.container(horizontal=True, vertical_alignment="center"):  # empty in the end: what is below keeps its place on the page
        if done >= 1:
            if run.stored and not run.started:
                st.badge("stored result", icon=":material/inventory_2:", color="gray", help="Computed earlier and kept under its key.")
            return
        if run.running:
            st.button("Stop", icon=":material/stop:", key=f"{key}-stop", on_click=run.stop)
        else:
            label = "Go on" if done > 0 else start
            st.button(label, icon=":material/play_arrow:", type="primary", key=f"{key}-run", on_click=run.start, args=(work,))
        if run.running or done > 0 or (run.started and run.error is None):  # what failed before it had anything is told by its error
            state = "" if run.running else " · stopped; everything below is about these" if done > 0 else " · stopped"
            st.progress(min(max(done, 0.0), 1.0), text=caption + state + (_in_line() if run.running else ""))
    if run.error is not None:
        raise run.error


def _in_line() -> str:
    waiting = calls.workbench().waiting(calls.viewer())
    return f" · {line.words(waiting)}" if waiting is not None and waiting.place else ""


def repainted(run: Run[Value], paint: Callable[[], None], *others: Run[Value]) -> None:
    """``paint`` alone is run again, by itself while the run, or one of the others, goes on."""
    runs = (run, *others)
    repainting = any(each.running for each in runs)

    def panel() -> None:
        was_running = any(each.running for each in runs)
        paint()
        if was_running != repainting:
            st.rerun()

    st.fragment(panel, run_every=REPAINT_SECONDS if repainting else None)()
