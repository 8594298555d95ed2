"""A detection run of this session, in the background; what was read is kept whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

from codi_core.keys import key_of
from codi_core.services.detect import DetectRequest, detect
from codi_core.ui.shell import background, calls
from codi_core.ui.shell.background import Run
from codi_core.values.callbacks import OnWait
from codi_core.values.lens import LensReadings


def run_of(request: DetectRequest, purpose: str = "detect") -> Run[LensReadings]:
    """This session's run of a request; stored results are found at once. A run of another request for this purpose stops."""
    return background.run_of(purpose, key_of(request), lambda: calls.stored_detection(request))


def controls(request: DetectRequest, run: Run[LensReadings], purpose: str = "detect") -> None:
    """Start, go on or stop, and how far it is. Raises what ended the run."""
    workbench, viewer, readings = calls.workbench(), calls.behind(purpose), run.value

    def work(on_wait: OnWait) -> Iterator[LensReadings]:
        return workbench.stream(detect, request, viewer, on_wait=on_wait, done=run.value)

    done = len(readings.questions) / readings.total if readings else 0.0
    who = " by the control" if purpose == "control" else ""
    caption = (
        f"{len(readings.questions):,} of {readings.total:,} questions read{who}" if readings else f"Reading the first questions{who} …"
    )
    background.controls(run, work, done, caption, purpose, start="Run the control" if who else "Run")
