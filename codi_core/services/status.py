"""How the server is: who waits, what it holds, what it did. Asks no model, so it answers while one is busy."""

from __future__ import annotations

import time
from dataclasses import dataclass

from codi_core.device import available_memory, choose_device
from codi_core.services.doctor import libraries
from codi_core.services.shared.meter import Tally
from codi_core.services.shared.workbench import Workbench
from codi_core.version import code_version, version


@dataclass(frozen=True)
class Status:
    up: float
    """Seconds since the server was started."""
    line: int
    """Jobs in line, the running one included."""
    device: str
    held: int | None
    """Bytes of this process; None where its system does not say."""
    free: int
    """Bytes on the device."""
    kept: dict[str, int]
    """Entries of the caches, by what they hold."""
    requests: tuple[Tally, ...]
    versions: str


def status(workbench: Workbench) -> Status:
    """Of a server's workbench: one with a meter."""
    assert workbench.meter is not None
    device = choose_device(workbench.settings.device).device
    return Status(
        up=time.time() - workbench.meter.started,
        line=workbench.worker.length,
        device=str(device),
        held=workbench.meter.memory,
        free=available_memory(device),
        kept=workbench.kept,
        requests=tuple(workbench.meter.tallies()),
        versions=f"codi-explorer {version()} ({code_version()}), {libraries().found}",
    )
