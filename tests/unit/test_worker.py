"""The line before the model: order, superseding, errors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from codi_core.backend.worker import PATIENCE, Job, Worker
from codi_core.errors import Cancelled
from codi_core.values.callbacks import CheckCancelled

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

    def __call__(self, check_cancelled: CheckCancelled) -> str:
        self.started.set()
        while not self.opened.wait(0.002):
            check_cancelled()
        return "through"


def occupied(worker: Worker, viewer: str = "someone") -> tuple[Gate, Job[str]]:
    gate = Gate()
    job = worker.submit(gate, viewer)
    assert gate.started.wait(WAIT)
    return gate, job


def noting(order: list[str], name: str) -> Callable[[CheckCancelled], None]:
    return lambda check_cancelled: order.append(name)


def test_work_runs_on_one_other_thread(worker: Worker) -> None:
    threads = {worker.submit(lambda check_cancelled: threading.get_ident(), f"viewer {i}").result(WAIT) for i in range(3)}
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
    assert worker.submit(lambda check_cancelled: "newer", "a").result(WAIT) == "newer"
    with pytest.raises(Cancelled):
        running.result(WAIT)


def test_a_viewer_cannot_stop_another_ones_work(worker: Worker) -> None:
    gate, running = occupied(worker, "a")
    other = worker.submit(lambda check_cancelled: "b", "b")
    gate.opened.set()
    assert running.result(WAIT) == "through"
    assert other.result(WAIT) == "b"


def test_errors_reach_the_one_who_waits_and_the_worker_goes_on(worker: Worker) -> None:
    def fail(check_cancelled: CheckCancelled) -> None:
        raise ValueError("seven")

    with pytest.raises(ValueError, match="seven"):
        worker.submit(fail, "a").result(WAIT)

    def time_out(check_cancelled: CheckCancelled) -> None:
        raise TimeoutError("of the work itself")

    with pytest.raises(TimeoutError, match="itself"):
        worker.submit(time_out, "a").result(WAIT)
    assert worker.submit(lambda check_cancelled: 1, "a").result(WAIT) == 1


def test_a_waiting_script_that_is_rerun_gives_up_its_job(worker: Worker) -> None:
    class Rerun(BaseException):
        pass

    def rerun() -> None:
        raise Rerun

    _, job = occupied(worker, "a")
    with pytest.raises(Rerun):
        job.result(on_wait=rerun)
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
    first, second = (worker.submit(lambda check_cancelled: "ran", name) for name in "ab")
    first.cancel()
    assert second.place() == 1
    gate.opened.set()
    assert second.result(WAIT) == "ran"
    with pytest.raises(Cancelled):
        first.result(WAIT)


def test_closing_cancels_what_is_left() -> None:
    worker = Worker()
    _, running = occupied(worker)
    queued = worker.submit(lambda check_cancelled: None, "b")
    worker.close()
    for job in (running, queued):
        with pytest.raises(Cancelled):
            job.result(WAIT)
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit(lambda check_cancelled: None, "b")


def served(worker: Worker, gate: Gate, jobs: list[tuple[str, bool]]) -> list[str]:
    """The order in which jobs run that came while the worker was busy; each is where its place said."""
    order: list[str] = []
    queued = [worker.submit(noting(order, viewer), viewer, behind) for viewer, behind in jobs]
    places = {job.viewer: job.place() for job in queued}
    gate.opened.set()
    for job in queued:
        job.result(WAIT)
    assert sorted(places, key=places.__getitem__) == order and sorted(places.values()) == list(range(1, len(jobs) + 1))
    return order


def test_an_answer_passes_the_work_behind_pages(worker: Worker) -> None:
    gate, _ = occupied(worker)
    assert served(worker, gate, [("a/~detect", True), ("b/~map", True), ("c/inspect", False)]) == ["c/inspect", "a/~detect", "b/~map"]


def test_people_take_turns(worker: Worker) -> None:
    gate, _ = occupied(worker)
    jobs = [("a/1", False), ("a/2", False), ("a/3", False), ("b/1", False), ("c/1", False)]
    assert served(worker, gate, jobs) == ["a/1", "b/1", "c/1", "a/2", "a/3"]
    gate, _ = occupied(worker)
    assert served(worker, gate, [("a/1", False), ("d/1", False), ("b/1", False)]) == ["d/1", "b/1", "a/1"], "served longest ago first"


def test_work_behind_a_page_gets_on_however_many_ask(worker: Worker) -> None:
    gate, _ = occupied(worker)
    order = served(worker, gate, [("a/~detect", True), *((f"{n}/inspect", False) for n in range(2 * PATIENCE))])
    assert order.index("a/~detect") == PATIENCE


def test_who_waits_is_told_where_they_stand(worker: Worker) -> None:
    assert worker.waiting("a") is None
    for _ in range(3):
        worker.submit(lambda check_cancelled: None, "x").result(WAIT)
    gate, _ = occupied(worker)
    assert worker.waiting("someone") is None, "it runs"
    worker.submit(lambda check_cancelled: None, "b/inspect")
    job = worker.submit(lambda check_cancelled: None, "a/inspect")
    told = worker.waiting("a")
    assert told is not None and told.place == job.place() == 2 and told.seconds >= 0 and told.since >= 0
    gate.opened.set()
    job.result(WAIT)
    assert worker.waiting("a") is None


def test_an_idle_worker_gives_back_once_what_it_kept() -> None:
    given = threading.Semaphore(0)
    worker = Worker(on_idle=given.release, idle_seconds=0.01)
    try:
        for _ in range(2):
            assert given.acquire(timeout=WAIT)
            assert not given.acquire(timeout=0.1), "once until somebody comes"
            worker.submit(lambda check_cancelled: None, "a").result(WAIT)
    finally:
        worker.close()
