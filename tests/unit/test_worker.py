"""The line before the model: order, superseding, errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from codi_core.backend.worker import Check, Job, Worker
from codi_core.errors import Cancelled

WAIT = 10.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.close()


class Gate:
    """Work that says when it has started and ends when told, checking as the engine does between passes."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.opened = threading.Event()

    def __call__(self, check: Check) -> str:
        self.started.set()
        while not self.opened.wait(0.002):
            check()
        return "through"


def occupied(worker: Worker, viewer: str = "someone") -> tuple[Gate, Job[str]]:
    gate = Gate()
    job = worker.submit(gate, viewer)
    assert gate.started.wait(WAIT)
    return gate, job


def noting(order: list[str], name: str) -> Callable[[Check], None]:
    return lambda check: order.append(name)


def test_work_runs_on_one_other_thread(worker: Worker) -> None:
    threads = {worker.submit(lambda check: threading.get_ident(), f"viewer {i}").result(WAIT) for i in range(3)}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_viewers_are_served_in_order_of_arrival(worker: Worker) -> None:
    gate, _ = occupied(worker)
    order: list[str] = []
    jobs = [worker.submit(noting(order, name), name) for name in "abc"]
    assert [job.place() for job in jobs] == [1, 2, 3]
    gate.opened.set()
    for job in jobs:
        job.result(WAIT)
    assert order == ["a", "b", "c"]
    assert [job.place() for job in jobs] == [0, 0, 0]


def test_newer_request_takes_the_place_of_the_viewers_queued_one(worker: Worker) -> None:
    gate, _ = occupied(worker)
    order: list[str] = []
    old = worker.submit(noting(order, "a, old"), "a")
    other = worker.submit(noting(order, "b"), "b")
    new = worker.submit(noting(order, "a, new"), "a")
    assert (new.place(), other.place()) == (1, 2)
    with pytest.raises(Cancelled):
        old.result(WAIT)
    gate.opened.set()
    new.result(WAIT)
    other.result(WAIT)
    assert order == ["a, new", "b"]


def test_newer_request_stops_the_viewers_running_one(worker: Worker) -> None:
    _, running = occupied(worker, "a")
    assert worker.submit(lambda check: "newer", "a").result(WAIT) == "newer"
    with pytest.raises(Cancelled):
        running.result(WAIT)


def test_a_viewer_cannot_stop_another_ones_work(worker: Worker) -> None:
    gate, running = occupied(worker, "a")
    other = worker.submit(lambda check: "b", "b")
    gate.opened.set()
    assert running.result(WAIT) == "through"
    assert other.result(WAIT) == "b"


def test_errors_reach_the_one_who_waits_and_the_worker_goes_on(worker: Worker) -> None:
    def fail(check: Check) -> None:
        raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        worker.submit(fail, "a").result(WAIT)

    def time_out(check: Check) -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="itself"):
        worker.submit(time_out, "a").result(WAIT)
    assert worker.submit(lambda check: 1, "a").result(WAIT) == 1


def test_a_waiting_script_that_is_rerun_gives_up_its_job(worker: Worker) -> None:
    class Rerun(BaseException):
        pass

    def rerun() -> None:
        raise Rerun

    _, job = occupied(worker, "a")
    with pytest.raises(Rerun):
        job.result(poke=rerun)
    with pytest.raises(Cancelled):
        job.result(WAIT)


def test_timeout_gives_up_the_job(worker: Worker) -> None:
    _, job = occupied(worker)
    with pytest.raises(TimeoutError):
        job.result(timeout=0.01)
    with pytest.raises(Cancelled):
        job.result(WAIT)


def test_cancelled_job_leaves_the_line(worker: Worker) -> None:
    gate, _ = occupied(worker)
    first, second = (worker.submit(lambda check: "ran", name) for name in "ab")
    first.cancel()
    assert second.place() == 1
    gate.opened.set()
    assert second.result(WAIT) == "ran"
    with pytest.raises(Cancelled):
        first.result(WAIT)


def test_closing_cancels_what_is_left() -> None:
    worker = Worker()
    _, running = occupied(worker)
    queued = worker.submit(lambda check: None, "b")
    worker.close()
    for job in (running, queued):
        with pytest.raises(Cancelled):
            job.result(WAIT)
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(lambda check: None, "b")
