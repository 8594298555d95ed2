"""A detection run of this session: it reads in a thread of its own, so that the page stays free; what was read is kept whatever happens."""

from __future__ import annotations

import threading
import time

import streamlit as st

from codi_core.errors import Cancelled
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.remote import RemoteWorkbench
from codi_core.services.workbench import Workbench
from codi_core.types import LensReadings
from codi_core.ui import calls

KEPT = 4
"""Requests whose readings a session remembers."""
ABANDONED_SECONDS = 30.0
"""A run whose page nobody looks at any more stops after this long."""


class Run:
    """Readings of one request, so far."""

    def __init__(self, readings: LensReadings | None) -> None:
        self.readings = readings
        self.error: Exception | None = None
        """What ended the last attempt, to be raised on the page."""
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._seen = 0.0

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def seen(self) -> None:
        """Someone looks at it."""
        self._seen = time.monotonic()

    def start(self, workbench: Workbench | RemoteWorkbench, request: DetectRequest, viewer: str) -> None:
        """Read on from what there is."""
        if self.running:
            return
        self.error = None
        self.seen()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(workbench, request, viewer, self._stop), name="detect", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After the batch being read, which is then left out."""
        self._stop.set()

    def _read(self, workbench: Workbench | RemoteWorkbench, request: DetectRequest, viewer: str, stop: threading.Event) -> None:
        def leave_when_stopped() -> None:
            if stop.is_set() or time.monotonic() - self._seen > ABANDONED_SECONDS:
                stop.set()
                raise Cancelled("The run was stopped.")

        try:
            for readings in workbench.stream(detect, request, viewer, poke=leave_when_stopped, done=self.readings):
                if stop.is_set():
                    return
                self.readings = readings
        except Cancelled:
            stop.set()
        except Exception as error:  # shown on the page, which is another thread
            self.error = error


def run_of(request: DetectRequest) -> Run:
    """This session's run of a request; stored results are found at once. A run of another request stops."""
    runs: dict[DetectRequest, Run] = st.session_state.setdefault("detections", {})
    for other, run in runs.items():
        if other != request:
            run.stop()
    if request not in runs:
        with st.spinner("Looking for stored results …"):
            runs[request] = Run(calls.stored_detection(request))
        for old in list(runs)[:-KEPT]:
            del runs[old]
    return runs[request]


def controls(request: DetectRequest, run: Run) -> None:
    """Start, go on or stop, and how far it is. Raises what ended the run."""
    run.seen()
    readings = run.readings
    if readings is not None and readings.complete:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.running:
            st.button("Stop", icon=":material/stop:", key="detect-stop", on_click=run.stop)
        else:
            start = (calls.workbench(), request, f"{calls.viewer()}/detect")
            label = "Run" if readings is None else "Go on"
            st.button(label, icon=":material/play_arrow:", type="primary", key="detect-run", on_click=run.start, args=start)
        if readings is not None:
            words = f"{len(readings.questions):,} of {readings.total:,} questions read"
            words += "" if run.running else " · stopped; everything below is about these"
            st.progress(len(readings.questions) / readings.total, text=words)
        elif run.running:
            st.caption("Reading the first questions …")
    if run.error is not None:
        raise run.error
