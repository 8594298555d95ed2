"""Workbenches in Ray actors: the same services, called where the models are. This process loads none."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Concatenate

from codi_core.backend.cluster import Cluster
from codi_core.services.shared.meter import Meter
from codi_core.services.shared.workbench import Args, Value, Workbench
from codi_core.settings import Settings
from codi_core.store import Store


class RemoteWorkbench:
    """One viewer's way to the workbench of one actor."""

    def __init__(self, cluster: Cluster[Workbench], worker: int, settings: Settings) -> None:
        self.settings = settings
        self.store = Store(settings)
        """Of this process: what is stored here can be looked at without an actor."""
        self._cluster = cluster
        self._worker = worker

    def waiting(self, person: str) -> None:
        """The line is in the actor: nothing is known of it here."""

    def call(self, service: Callable[Concatenate[Workbench, Args], Value], *args: Args.args, **kwargs: Args.kwargs) -> Value:
        """A service by its name and arguments. ``on_wait``, given as a keyword, is called here while waiting. Raises what the service
        raises, WorkerDied and WorkerLost.
        """
        return self._cluster.call(self._worker, service, *args, **kwargs)  # type: ignore[arg-type]

    def stream(
        self, service: Callable[Concatenate[Workbench, Args], Iterator[Value]], *args: Args.args, **kwargs: Args.kwargs
    ) -> Iterator[Value]:
        """A service that yields ever better values; it starts again when the actor dies. Otherwise as `call`."""
        return self._cluster.stream(self._worker, service, *args, **kwargs)  # type: ignore[arg-type]


class RemoteWorkbenches:
    """One workbench an actor; a viewer keeps to one of them, where a newer request supersedes the older one."""

    meter = None
    """Requests are counted and logged where they are served: in the actors."""

    def __init__(self, cluster: Cluster[Workbench], settings: Settings) -> None:
        self.settings = settings
        self._cluster = cluster

    def session(self, viewer: str) -> RemoteWorkbench:
        return RemoteWorkbench(self._cluster, zlib.crc32(viewer.encode()), self.settings)

    def close(self) -> None:
        self._cluster.close()


def open_workbench(settings: Settings) -> Workbench | RemoteWorkbenches:
    """Where ``settings.backend`` says. Raises SettingsError without Ray, a cluster that answers, or room in it."""
    return RemoteWorkbenches(Cluster(settings, served), settings) if settings.backend == "ray" else served(settings)


def served(settings: Settings) -> Workbench:
    """One whose requests are bounded and counted."""
    return Workbench(settings, served=True, meter=Meter())
