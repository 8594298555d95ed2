"""What a server did: one line in its log a request, and counters for whoever watches it.

Counters are in Prometheus' words and format (prometheus.io/docs/concepts/metric_types). Nothing of what people type or of the server's
folders is in either: a viewer is the hash of a random name, a request its kind and key.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, generate_latest

from codi_core.backend.worker import Worker
from codi_core.services.shared.entry import Entry, at, outcome_of

log = logging.getLogger(__name__)
Value = TypeVar("Value")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histograms' buckets."""
_END: Any = object()


@dataclass(frozen=True)
class Tally:
    """Of one kind of request since the server was started."""

    kind: str
    count: int
    not_ok: int
    waited: float
    """Mean seconds in line."""
    ran: float
    """Mean seconds at the model."""


@dataclass
class Meter:
    """Counters of one server."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    started: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter("codi_requests", "Requests, by kind and outcome.", ("kind", "outcome"), registry=self.registry)
        self._waited, self._ran = (
            Histogram(f"codi_{name}_seconds", f"Seconds of a request {where}.", ("kind",), buckets=SECONDS, registry=self.registry)
            for name, where in (("wait", "in line"), ("run", "at the model"))
        )

    def watch(self, worker: Worker) -> None:
        """How long the line is, asked whenever the counters are."""
        Gauge("codi_line", "Jobs in line, the running one included.", registry=self.registry).set_function(lambda: worker.length)

    def call(self, kind: str, args: tuple[Any, ...], work: Callable[[], Value]) -> Value:
        with self._request(kind, args) as entry, at(entry):
            return work()

    def stream(self, kind: str, args: tuple[Any, ...], work: Callable[[], Iterator[Value]]) -> Iterator[Value]:
        """One request, however many values come."""
        with self._request(kind, args) as entry:
            values: Iterator[Any] = work()
            while True:
                with at(entry):
                    value: Any = next(values, _END)
                if value is _END:
                    return
                yield value

    def tallies(self) -> list[Tally]:
        counts: dict[str, dict[str, int]] = {}
        for sample in (sample for metric in self._requests.collect() for sample in metric.samples if sample.name.endswith("_total")):
            counts.setdefault(sample.labels["kind"], {})[sample.labels["outcome"]] = int(sample.value)
        return [self._tally(kind, outcomes) for kind, outcomes in sorted(counts.items())]

    @property
    def memory(self) -> int | None:
        """Bytes this process holds; None where its system does not say."""
        held = self.registry.get_sample_value("process_resident_memory_bytes")
        return None if held is None else int(held)

    def text(self) -> bytes:
        """Prometheus' text format."""
        return generate_latest(self.registry)

    def _tally(self, kind: str, outcomes: dict[str, int]) -> Tally:
        count = sum(outcomes.values())
        return Tally(kind, count, count - outcomes.get("ok", 0), self._mean("wait", kind), self._mean("run", kind))

    def _mean(self, name: str, kind: str) -> float:
        total, count = (self.registry.get_sample_value(f"codi_{name}_seconds_{part}", {"kind": kind}) or 0.0 for part in ("sum", "count"))
        return total / max(count, 1.0)

    @contextmanager
    def _request(self, kind: str, args: tuple[Any, ...]) -> Iterator[Entry]:
        """Counted and logged when it was at the model, or came to nothing."""
        asked = args[0] if args else None
        entry = Entry(kind, str(getattr(asked, "key", "-")), str(getattr(asked, "n", 1) or "all"))
        try:
            yield entry
        except BaseException as error:
            entry.outcome = outcome_of(error)
            raise
        finally:
            if entry.turns or entry.outcome != "ok":
                self._requests.labels(kind, entry.outcome).inc()
                self._waited.labels(kind).observe(entry.waited)
                self._ran.labels(kind).observe(entry.ran)
                log.info(entry.line)
