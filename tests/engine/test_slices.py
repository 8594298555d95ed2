"""Served in slices: answers come before other people's long work, which yields the very same numbers; what is called off ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codi_core.backend.worker import Job
from codi_core.errors import Cancelled
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.differences import DifferenceRequest, read_differences
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.directions import collect_in_turns, means_samples, means_spec
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.steering.means import ARRAYS, collect_samples
from codi_core.values.lens import LensReadings

MODEL = "bundled-steps"
DETECT = DetectRequest(MODEL, "templates", 80)
MEANS = MeansRequest(n=70)
WAIT = 120.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    bench = Workbench(Settings(model=MODEL, device="cpu", threads=1, cache_dir=tmp_path))
    yield bench
    bench.close()


@pytest.fixture
def finished(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Viewers of jobs in the order they end, noted in the worker's own thread."""
    order: list[str] = []
    submit = bench.worker.submit

    def noted(work: Callable[..., Any], viewer: str, behind: bool = False) -> Job[Any]:
        job = submit(work, viewer, behind)
        job._future.add_done_callback(lambda _: order.append(viewer))
        return job

    monkeypatch.setattr(bench.worker, "submit", noted)
    return order


def held(bench: Workbench) -> threading.Event:
    """The worker is busy until the event is set."""
    started, gate = threading.Event(), threading.Event()
    bench.worker.submit(lambda _: (started.set(), gate.wait(WAIT)), "gate")
    assert started.wait(WAIT)
    return gate


def queued(bench: Workbench, count: int) -> None:
    deadline = threading.Event()
    while len(bench.worker._line) < count:
        deadline.wait(0.005)


def in_thread(results: dict[str, Any], name: str, work: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: results.update({name: work()}), daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_an_answer_comes_before_others_detections_which_find_the_same(bench: Workbench, finished: list[str]) -> None:
    *_, alone = detect(bench, replace(DETECT, n=79), "warm")  # the model is open
    bench.store.tidy()
    *_, expected = detect(bench, DETECT, "alone")
    finished.clear()
    bench.store = type(bench.store)(replace(bench.settings, cache_dir=bench.settings.cache_dir / "other"))
    gate, results = held(bench), dict[str, Any]()
    threads = [in_thread(results, name, lambda name=name: [*detect(bench, DETECT, f"{name}/~detect")][-1]) for name in "abc"]
    queued(bench, 3)
    threads.append(in_thread(results, "d", lambda: inspect(bench, InspectRequest(MODEL, "What is 2 plus 3?"), "d")))
    queued(bench, 4)
    gate.set()
    for thread in threads:
        thread.join(WAIT)
    assert finished[:2] == ["gate", "d"], "before any of the work that waited longer"
    turns = [viewer for viewer in finished if "~" in viewer]
    assert set(turns[:3]) == {"a/~detect", "b/~detect", "c/~detect"}, "turn by turn, not one detection after the other"
    for name in "abc":
        same(results[name], expected)
    assert results["d"].rollout.answer and alone.complete


def same(found: LensReadings, expected: LensReadings) -> None:
    for name in ("values", "token_ids", "top_ids", "entropy", "prob", "correct"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=name)


def test_means_made_in_turns_are_those_made_at_once(bench: Workbench, finished: list[str]) -> None:
    progress: list[tuple[int, int]] = []
    collect_in_turns(bench, MODEL, MEANS, 6, "a", progress=lambda *told: progress.append(told))
    assert progress == [(64, 70), (70, 70)] and finished.count("a/~means") == 4, "what it is, two blocks, and together"
    questions = load_eval_set(MEANS.eval_set, MEANS.n, MEANS.seed)[1]

    def both(engine: Any, _: object) -> tuple[Any, Any]:
        return means_samples(bench, engine, MEANS, 6), collect_samples(engine, means_spec(engine, MEANS), questions)

    kept, whole = bench.run(MODEL, both, "test")
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(kept, name), getattr(whole, name), err_msg=name)


def test_means_that_several_ask_for_are_made_once(bench: Workbench, finished: list[str]) -> None:
    gate, results = held(bench), dict[str, Any]()
    threads = [in_thread(results, name, lambda name=name: collect_in_turns(bench, MODEL, MEANS, 6, name)) for name in "abc"]
    queued(bench, 1)
    gate.set()
    for thread in threads:
        thread.join(WAIT)
    assert set(results) == set("abc") and len(finished) == 1 + 4


def test_means_can_be_called_off_between_turns(bench: Workbench, finished: list[str]) -> None:
    def leave(done: int, total: int) -> None:
        raise Cancelled("The tab was closed.")

    with pytest.raises(Cancelled):
        read_differences(bench, DifferenceRequest(MODEL, n=70), "a", progress=leave)
    assert finished.count("a/~means") == 2 and not bench.worker._line, "one block, and no more"
