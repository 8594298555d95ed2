"""A detection run of this session: started, stopped, gone on with; what was read is kept whatever happens."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from codi_core.services.detect import DetectRequest
from codi_core.types import LensReadings
from codi_core.ui import calls

KEPT = 4
"""Requests whose readings a session remembers."""


@dataclass
class Run:
    """In the session's state under the request."""

    readings: LensReadings | None = None
    running: bool = False


def run_of(request: DetectRequest) -> Run:
    """This session's run of a request; stored results are found at once."""
    runs: dict[DetectRequest, Run] = st.session_state.setdefault("detections", {})
    if request not in runs:
        with st.spinner("Looking for stored results …"):
            runs[request] = Run(calls.stored_detection(request))
        for old in list(runs)[:-KEPT]:
            del runs[old]
    return runs[request]


def buttons(run: Run) -> None:
    """Start, go on, or stop. In a place of its own: while a batch runs, the button of the run before would stay beside it."""
    place = st.empty()
    if run.running:
        place.button("Stop", icon=":material/stop:", on_click=_set, args=(run, False))
    elif run.readings is None or not run.readings.complete:
        label = "Run" if run.readings is None else "Go on"
        place.button(label, icon=":material/play_arrow:", type="primary", on_click=_set, args=(run, True))


def _set(run: Run, running: bool) -> None:
    run.running = running


def progress(run: Run) -> None:
    readings = run.readings
    if readings is not None and not readings.complete:
        done = len(readings.questions)
        words = f"{done:,} of {readings.total:,} questions read" + ("" if run.running else " · stopped; everything below is about these")
        st.progress(done / readings.total, text=words)


def advance(request: DetectRequest, run: Run) -> None:
    """Read one more batch and show it. Comes last on the page: while it waits, everything above can be used."""
    if not run.running:
        return
    try:
        run.readings = next(calls.detection(request, run.readings), run.readings)
    except Exception:
        run.running = False
        raise
    run.running = run.readings is not None and not run.readings.complete
    st.rerun()
