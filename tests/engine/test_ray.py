"""Workbenches in Ray actors: the same values as here, whoever dies on the way. One Ray for all tests; they run last.

``CODI_RAY_ADDRESS`` names a cluster that is up already; else Ray is started here.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from codi_core.backend import cluster as clusters
from codi_core.backend.cluster import Cluster
from codi_core.engine.engine import Engine
from codi_core.errors import Cancelled, InputError, SettingsError
from codi_core.problems.generate import team_prompt
from codi_core.services.cluster_sweep import sweep_by
from codi_core.services.effects import ConditionRequest, evaluate_condition, flips
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.remote import RemoteWorkbench
from codi_core.services.steer import MeansRequest, SteerRequest, steer
from codi_core.services.sweeps import SweepRequest, sweep
from codi_core.services.workbench import Workbench
from codi_core.settings import Settings
from codi_core.steering.kv import KV
from codi_core.steering.vectors import Difference
from codi_core.store import Store
from codi_core.types import SteeringEffect
from tests.checkpoints import tensors_of, write

pytestmark = pytest.mark.late

MEANS = MeansRequest(n=10)
STEERED = (KV(Difference(2, 4), 3.0, (5,), then="stop"),)
NOT_VALUES = ("milliseconds",)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write(tmp_path_factory.mktemp("far") / "model", tensors_of(lora=False)))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    address = os.environ.get("CODI_RAY_ADDRESS", "")
    return Settings(
        cache_dir=tmp_path_factory.mktemp("far-cache"), device="cpu", dtype="float32", threads=1, ray_address=address, workers=2
    )


@pytest.fixture(scope="module")
def actors(settings: Settings) -> Iterator[Cluster[Workbench]]:
    found = Cluster(settings, Workbench)
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # actors cannot import tests
    yield found
    found.close()


@pytest.fixture
def far(actors: Cluster[Workbench], settings: Settings) -> RemoteWorkbench:
    return RemoteWorkbench(actors, 0, settings)


@pytest.fixture
def near(settings: Settings, tmp_path: Path) -> Iterator[Workbench]:
    bench = Workbench(replace(settings, cache_dir=tmp_path / "near"))
    yield bench
    bench.close()


@pytest.fixture
def asked(folder: str) -> InspectRequest:
    return InspectRequest(folder, team_prompt().question, tracked=("24",))


@pytest.fixture
def wanted(folder: str) -> ConditionRequest:
    return ConditionRequest(folder, STEERED, n=100, means=MEANS, max_new_tokens=4)


def assert_same(a: Any, b: Any) -> None:
    """Bit for bit, whatever it is made of."""
    assert type(a) is type(b)
    if dataclasses.is_dataclass(a):
        for field in dataclasses.fields(a):
            if field.name not in NOT_VALUES:
                assert_same(getattr(a, field.name), getattr(b, field.name))
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, dict):
        assert_same(list(a.items()), list(b.items()))
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b or a != a


def process(held: Workbench) -> int:
    return os.getpid()


def later(seconds: float, work: Callable[[], None]) -> threading.Thread:
    def wait() -> None:
        time.sleep(seconds)
        work()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_values_are_those_of_this_process(far: RemoteWorkbench, near: Workbench, asked: InspectRequest, folder: str) -> None:
    request = SteerRequest(folder, asked.prompt, STEERED, MEANS, max_new_tokens=4)
    assert_same(far.call(inspect, asked, "me"), near.call(inspect, asked, "me"))
    assert_same(far.call(steer, request, "me", poke=lambda: None), near.call(steer, request, "me"))


def test_partial_results_stream(far: RemoteWorkbench, near: Workbench, wanted: ConditionRequest) -> None:
    found = list(far.stream(evaluate_condition, wanted, "me", poke=lambda: None))
    assert len(found) > 1
    assert_same(found, list(near.stream(evaluate_condition, wanted, "me")))
    assert_same(far.call(flips, wanted, found[-1]), near.call(flips, wanted, found[-1]))  # answers are read where they were computed


def test_errors_are_those_of_this_process(far: RemoteWorkbench, asked: InspectRequest, wanted: ConditionRequest) -> None:
    with pytest.raises(InputError, match="The prompt is empty"):
        far.call(inspect, replace(asked, prompt=" "), "me")
    with pytest.raises(InputError, match="random directions"):
        next(far.stream(evaluate_condition, replace(wanted, controls=1_000), "me"))


def test_this_process_runs_no_model(far: RemoteWorkbench, asked: InspectRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "__init__", None)
    assert far.call(inspect, asked, "me").rollout.question == asked.prompt


def test_whoever_leaves_stops_the_work(far: RemoteWorkbench, settings: Settings, wanted: ConditionRequest) -> None:
    long = replace(wanted, n=0, seed=5)

    class Rerun(BaseException):
        pass

    def leave() -> None:
        raise Rerun

    with pytest.raises(Rerun):
        list(far.stream(evaluate_condition, long, "leaver", poke=leave))
    running = far.stream(evaluate_condition, long, "leaver")
    assert next(running).done < 1000
    before = Store(settings).keys("runs")
    running.close()  # type: ignore[attr-defined]
    assert far.call(idle, "someone else", poke=lambda: None)
    assert Store(settings).keys("runs") == before


def idle(held: Workbench, viewer: str, poke: Callable[[], None] | None = None) -> bool:
    """Gets its turn once nothing runs before it."""
    return held.run(lambda check: True, viewer, poke)


def test_a_newer_request_supersedes_the_older_one(far: RemoteWorkbench, asked: InspectRequest, wanted: ConditionRequest) -> None:
    older = far.stream(evaluate_condition, replace(wanted, n=0, seed=6), "me")
    next(older)
    far.call(inspect, asked, "me")
    with pytest.raises(Cancelled):
        list(older)


def test_calls_and_streams_survive_an_actor_that_dies(far: RemoteWorkbench, near: Workbench, wanted: ConditionRequest) -> None:
    request = replace(wanted, seed=7)
    found: list[SteeringEffect] = []
    for effect in far.stream(evaluate_condition, request, "me", poke=lambda: None):
        if not found:
            os.kill(far.call(process), signal.SIGKILL)
        found.append(effect)
    assert_same(found[-1], list(near.stream(evaluate_condition, request, "me"))[-1])
    killer = later(0.5, lambda: os.kill(pid, signal.SIGKILL)) if (pid := far.call(process)) else None
    assert far.call(slowly, poke=lambda: None) != pid
    assert killer is not None
    killer.join()


def slowly(held: Workbench, poke: Callable[[], None]) -> int:
    for _ in range(20):
        time.sleep(0.1)
        poke()
    return os.getpid()


def test_a_sweep_with_a_killed_and_a_silent_actor_equals_the_local_one(
    actors: Cluster[Workbench], near: Workbench, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = SweepRequest(folder, "layers", "bundled", 6, passes=3, randoms=1, shuffled=1, means_n=8)
    expected = sweep(near, request)
    pids = [actors.call(place, process) for place in range(2)]
    done: list[int] = []

    def kill_one(progress: Any) -> None:
        done.append(progress.done)
        if len(done) == 1:
            os.kill(pids[0], signal.SIGKILL)

    stores = [Store(replace(near.settings, cache_dir=tmp_path / name)) for name in ("killed", "silent")]
    assert_same(sweep_by(actors, stores[0], request, kill_one).cells, expected.cells)
    assert done == sorted(done) and done[-1] == len(done) > 4
    assert actors.call(0, process) != pids[0]

    monkeypatch.setattr(clusters, "PULSE_SECONDS", 0.2)
    monkeypatch.setattr(clusters, "PATIENCE", 5.0)
    os.kill(pids[1], signal.SIGSTOP)  # as if its machine were gone
    try:
        assert_same(sweep_by(actors, stores[1], request).cells, expected.cells)
    finally:
        os.kill(pids[1], signal.SIGCONT)
    rows = [store.read("sweeps", expected.key).file("rows.parquet").read_bytes() for store in (near.store, *stores)]
    assert rows[0] == rows[1] == rows[2]


def test_more_workers_than_there_is_room_for(actors: Cluster[Workbench], settings: Settings) -> None:
    with pytest.raises(SettingsError, match=r"10000 Ray workers were asked for.* room for \d+"):
        Cluster(replace(settings, workers=10_000), Workbench)
