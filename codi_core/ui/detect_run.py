"""A detection run of this session, in the background; what was read is kept whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

from codi_core.keys import key_of
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.workbench import Poke
from codi_core.types import LensReadings
from codi_core.ui import background, calls
from codi_core.ui.background import Run


def run_of(request: DetectRequest) -> Run[LensReadings]:
    """This session's run of a request; stored results are found at once. A run of another request stops."""
    return background.run_of("detect", key_of(request), lambda: calls.stored_detection(request))


def controls(request: DetectRequest, run: Run[LensReadings]) -> None:
    """Start, go on or stop, and how far it is. Raises what ended the run."""
    workbench, viewer, readings = calls.workbench(), f"{calls.viewer()}/detect", run.value

    def work(poke: Poke) -> Iterator[LensReadings]:
        return workbench.stream(detect, request, viewer, poke=poke, done=run.value)

    done = len(readings.questions) / readings.total if readings else 0.0
    said = f"{len(readings.questions):,} of {readings.total:,} questions read" if readings else "Reading the first questions …"
    background.controls(run, work, done, said, "detect")
