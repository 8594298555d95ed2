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
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.backend import cluster as clusters
from codi_core.backend.cluster import Cluster
from codi_core.engine.engine import Engine
from codi_core.errors import Cancelled, InputError, SettingsError
from codi_core.problems.generate import team_prompt
from codi_core.services.effects import evaluate_condition, flips
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.remote import RemoteWorkbench, RemoteWorkbenches
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest, SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.services.sweeps.on_ray import sweep_by
from codi_core.services.sweeps.run import sweep
from codi_core.settings import ROOT, Settings
from codi_core.steering.kv import KV
from codi_core.steering.vectors import Difference
from codi_core.store import Store
from codi_core.sweeps.local import SweepProgress
from codi_core.ui.shell import calls
from codi_core.values.evals import SteeringEffect

pytestmark = pytest.mark.slow

MEANS = MeansRequest(n=10)
STEERED = (KV(Difference(2, 4), 3.0, (5,), then="stop"),)
NOT_VALUES = ("milliseconds",)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, folder: str) -> Settings:
    return Settings(
        cache_dir=tmp_path_factory.mktemp("far-cache"),
        model=folder,
        device="cpu",
        dtype="float32",
        threads=1,
        ray_address=os.environ.get("CODI_RAY_ADDRESS", ""),
        workers=2,
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
    bench = Workbench(replace(settings, cache_dir=tmp_path / "near", workers=1))
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


# What actors are asked to do beside services


def process(held: Workbench) -> int:
    return os.getpid()


def idle(held: Workbench, viewer: str) -> bool:
    """Comes back once nothing runs before it."""
    return held.worker.submit(lambda check_cancelled: True, viewer).result()


def endless(held: Workbench, viewer: str, on_wait: Callable[[], None] | None = None) -> None:
    def work(check_cancelled: Callable[[], None]) -> None:
        while True:
            check_cancelled()
            time.sleep(0.01)

    held.worker.submit(work, viewer).result(on_wait=on_wait)


def slowly(held: Workbench, on_wait: Callable[[], None]) -> int:
    for _ in range(20):
        time.sleep(0.1)
        on_wait()
    return os.getpid()


def test_values_are_those_of_this_process(far: RemoteWorkbench, near: Workbench, asked: InspectRequest, folder: str) -> None:
    request = SteerRequest(folder, asked.prompt, STEERED, MEANS, max_new_tokens=4)
    assert_same(far.call(inspect, asked, "me"), near.call(inspect, asked, "me"))
    assert_same(far.call(steer, request, "me", on_wait=lambda: None), near.call(steer, request, "me"))


def test_partial_results_stream(far: RemoteWorkbench, near: Workbench, wanted: ConditionRequest) -> None:
    found = list(far.stream(evaluate_condition, wanted, "me", on_wait=lambda: None))
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


def test_pages_use_the_actors(actors: Cluster[Workbench], settings: Settings, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Engine, "__init__", None)
    monkeypatch.setattr(calls, "open_workbench", lambda _: RemoteWorkbenches(actors, settings))
    st.cache_resource.clear()
    st.cache_data.clear()
    small = {"n": "10", "means-n": "10", "controls": "0"}
    for page in ("inspect", "steer", "detect", "model"):
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=240)
        for name, value in small.items():
            app.query_params[name] = value
        app.session_state["goto"] = (f"pages/{page}.py", small)
        app.run()
        assert not app.exception and not app.error, page
    st.cache_resource.clear()
    st.cache_data.clear()


def test_whoever_leaves_stops_the_work(far: RemoteWorkbench, settings: Settings, wanted: ConditionRequest) -> None:
    class Rerun(BaseException):
        pass

    pokes: list[float] = []

    def leave() -> None:
        pokes.append(time.monotonic())
        if pokes[-1] - pokes[0] > 0.5:
            raise Rerun

    with pytest.raises(Rerun):
        far.call(endless, "leaver", on_wait=leave)
    assert far.call(idle, "someone else")
    partial = far.stream(evaluate_condition, replace(wanted, n=0, seed=5), "leaver")
    assert next(partial).done < 1000
    before = Store(settings).keys("runs")
    partial.close()  # type: ignore[attr-defined]
    assert far.call(idle, "someone else")
    assert Store(settings).keys("runs") == before


def test_a_newer_request_supersedes_the_older_one(far: RemoteWorkbench, asked: InspectRequest) -> None:
    ended: list[type[BaseException]] = []
    sent = threading.Event()

    def older() -> None:
        try:
            far.call(endless, "me", on_wait=sent.set)
        except BaseException as error:
            ended.append(type(error))

    thread = threading.Thread(target=older)
    thread.start()
    assert sent.wait(120)
    time.sleep(0.5)
    assert far.call(inspect, asked, "me").rollout.question == asked.prompt
    thread.join()
    assert ended == [Cancelled]


def test_calls_and_streams_survive_an_actor_that_dies(far: RemoteWorkbench, near: Workbench, wanted: ConditionRequest) -> None:
    request, pid = replace(wanted, seed=7), far.call(process)
    answered: list[int] = []
    thread = threading.Thread(target=lambda: answered.append(far.call(slowly, on_wait=lambda: None)))
    thread.start()
    found: list[SteeringEffect] = []
    for effect in far.stream(evaluate_condition, request, "me", on_wait=lambda: None):
        if not found:
            os.kill(pid, signal.SIGKILL)
        found.append(effect)
    assert_same(found[-1], list(near.stream(evaluate_condition, request, "me"))[-1])
    thread.join()
    assert len(answered) == 1 and answered[0] != pid


def test_a_sweep_with_a_killed_and_a_silent_actor_equals_the_local_one(
    actors: Cluster[Workbench], near: Workbench, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = tuple(("kv-as-in-the-post", a, b, index, 2.0) for a, b in ((1, 2), (2, 4), (3, 5)) for index in (3, 5))
    request = SweepRequest(folder, "post-kv", "bundled", 6, randoms=1, shuffled=1, means_n=8, only=only)
    expected = sweep(near, request)
    pids = [actors.call(place, process) for place in range(2)]
    done: list[int] = []

    def kill_one(progress: SweepProgress) -> None:
        done.append(progress.done)
        if len(done) == 1:
            os.kill(pids[0], signal.SIGKILL)

    stores = [Store(replace(near.settings, cache_dir=tmp_path / name)) for name in ("killed", "silent")]
    assert_same(sweep_by(actors, stores[0], request, kill_one).cells, expected.cells)
    assert done == list(range(1, len(done) + 1)) and len(done) > 3
    assert actors.call(0, process) != pids[0]

    monkeypatch.setattr(clusters, "PULSE_SECONDS", 0.2)
    monkeypatch.setattr(clusters, "PATIENCE", 10.0)
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
