"""One line a request in the log, and counters: what was asked, how long it waited and ran, how it ended. Nothing of what people type."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from codi_core.errors import Cancelled, CodiError, ModelError
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.meter import Meter
from codi_core.services.shared.workbench import Workbench
from codi_core.services.status import status
from codi_core.settings import Settings

MODEL = "bundled-steps"
SECRET = "My name is Ada and I have 3 marbles."
WAIT = 120.0
LINE = re.compile(r"viewer=(\S+) kind=(\w+) key=(\S+) questions=(\S+) turns=(\d+) wait=(\d+\.\d{3}) run=(\d+\.\d{3}) outcome=(\w+)")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    bench = Workbench(Settings(model=MODEL, device="cpu", threads=1, cache_dir=tmp_path), served=True, meter=Meter())
    yield bench
    bench.close()


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[list[re.Match[str]]]:
    found: list[re.Match[str]] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(LINE.fullmatch(record.getMessage()) or pytest.fail(record.getMessage()))

    log, handler = logging.getLogger("codi_core.services.shared.meter"), Kept()
    caplog.set_level(logging.INFO, log.name)
    log.addHandler(handler)
    yield found
    log.removeHandler(handler)


def test_a_request_is_one_line_and_one_count(bench: Workbench, lines: list[re.Match[str]]) -> None:
    request = InspectRequest(MODEL, SECRET)
    bench.call(inspect, request, "ada's browser/inspect")
    (line,) = lines
    viewer, kind, key, questions, turns, _, ran, outcome = line.groups()
    assert (kind, key, questions, outcome) == ("inspect", request.key, "1", "ok")
    assert int(turns) >= 1 and float(ran) > 0
    assert "ada" not in line[0] and "marbles" not in line[0] and len(viewer) == 8
    assert 'codi_requests_total{kind="inspect",outcome="ok"} 1.0' in bench.meter.text().decode()  # type: ignore[union-attr]


def test_one_person_is_one_viewer_and_two_are_two(bench: Workbench, lines: list[re.Match[str]]) -> None:
    for viewer in ("a/inspect", "a/other", "b/inspect"):
        bench.call(inspect, InspectRequest(MODEL, SECRET), viewer)
    first, second, third = (line[1] for line in lines)
    assert first == second != third


def test_a_stream_is_one_request_in_many_turns(bench: Workbench, lines: list[re.Match[str]]) -> None:
    values = list(bench.stream(detect, DetectRequest(MODEL, "templates", 70), "a"))
    (line,) = lines
    assert values[-1].complete and line[2] == "detect" and line[4] == "70" and int(line[5]) > 1


def test_a_stream_that_is_left_says_so_and_counts_nothing_later(bench: Workbench, lines: list[re.Match[str]]) -> None:
    values = bench.stream(detect, DetectRequest(MODEL, "templates", 70), "a")
    next(values)
    bench.call(inspect, InspectRequest(MODEL, SECRET), "b")  # between two values: a request of its own
    values.close()  # type: ignore[attr-defined]
    assert [(line[2], line[8]) for line in lines] == [("inspect", "ok"), ("detect", "left")]


def test_time_in_line_is_told_from_time_at_the_model(bench: Workbench, lines: list[re.Match[str]]) -> None:
    gate = threading.Event()
    bench.worker.submit(lambda _: gate.wait(WAIT), "somebody else")
    threading.Timer(0.5, gate.set).start()
    bench.call(inspect, InspectRequest(MODEL, SECRET), "a")
    assert float(lines[0][6]) >= 0.4


@pytest.mark.parametrize(
    ("error", "outcome"), [(Cancelled("newer"), "superseded"), (ModelError("no"), "refused"), (KeyError("bug"), "failed")]
)
def test_how_it_ended(error: Exception, outcome: str, bench: Workbench, lines: list[re.Match[str]]) -> None:
    def service(bench: Workbench) -> None:
        raise error

    with pytest.raises(type(error)):
        bench.call(service)
    assert [line[8] for line in lines] == [outcome]


def test_what_never_was_at_the_model_is_not_counted(bench: Workbench, lines: list[re.Match[str]]) -> None:
    bench.call(status)
    assert not lines


def test_the_status_says_what_was_done_and_answers_while_the_model_is_busy(bench: Workbench) -> None:
    bench.call(inspect, InspectRequest(MODEL, SECRET), "a")
    with pytest.raises(CodiError):
        bench.call(inspect, replace(InspectRequest(MODEL, SECRET), passes=-1), "a")
    gate = threading.Event()
    bench.worker.submit(lambda _: gate.wait(WAIT), "somebody")
    found = bench.call(status)
    gate.set()
    assert [(tally.kind, tally.count, tally.not_ok) for tally in found.requests] == [("inspect", 2, 1)]
    assert found.line == 1 and found.kept["models"] == 1 and found.up > 0 and "torch" in found.versions
