"""What a server refuses its viewers, and what the command line does all the same."""

from __future__ import annotations

import logging
import os
import re
import runpy
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit

from codi_core.engine.engine import Engine
from codi_core.errors import ArtifactError, BudgetError, DataError, ModelError
from codi_core.problems import evalsets
from codi_core.services import patch_maps
from codi_core.services.ablate import AblateRequest, EarlyStopRequest, ImportanceRequest, ablate, early_stop, importance
from codi_core.services.catalog import download, model_choices
from codi_core.services.detect import DetectRequest, batches_of, detect, stored_detection
from codi_core.services.differences import DifferenceRequest, read_differences
from codi_core.services.effects import compare_conditions, evaluate_condition, visited
from codi_core.services.geometry import GeometryRequest, geometry
from codi_core.services.influence import InfluenceRequest, influence
from codi_core.services.influence_sets import InfluenceSetRequest, influence_set
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.patch_maps import PatchMapRequest, patch_map
from codi_core.services.shared.interventions import KV, Difference
from codi_core.services.shared.meter import Meter
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest, VectorRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.services.uploads import save_upload
from codi_core.services.vectors import vector_info
from codi_core.settings import ROOT, Settings
from codi_core.steering.vectors import VectorSpace
from codi_core.store import Store
from codi_core.ui.shell import calls
from codi_core.ui.shell.calls import within
from codi_core.ui.shell.errors import said, shown_errors
from codi_core.values.questions import Question

MODEL = "bundled-steps"
TWO = ("Ann has 3 cups and buys 4. How many cups?", "Ann has 3 cups and buys 5. How many cups?")
MANY = MeansRequest("means", 5_000)
MEANS_N = r"5,000 questions: .* up to 10 .*codi_core geometry .*--means-n 5000"
CONDITION = ConditionRequest(MODEL, (KV(Difference(2, 4), 1.0, (5,)),), "templates", n=20, controls=40)


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    bench = Workbench(replace(settings, model=MODEL, device="cpu", threads=1, most_questions=10, most_work=1_000), served=True)
    yield bench
    bench.close()


def nothing_runs(*asked: object, **how: object) -> None:
    raise AssertionError("work was started")


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (lambda bench: next(evaluate_condition(bench, CONDITION, "a")), r"20 questions: .* up to 10 .*codi_core eval .*--controls 40"),
        (lambda bench: next(evaluate_condition(bench, replace(CONDITION, n=9), "a")), "9 questions × 42 directions × 6 passes = 2,268"),
        (lambda bench: next(detect(bench, DetectRequest(MODEL, "templates", 20), "a")), r"codi_core detect .*--n 20"),
        (lambda bench: next(influence_set(bench, InfluenceSetRequest(MODEL, n=20), "a")), "codi_core influence"),
        (lambda bench: next(early_stop(bench, EarlyStopRequest(MODEL, "templates", 20), "a")), "codi_core eval"),
        (
            lambda bench: next(early_stop(bench, EarlyStopRequest(MODEL, "select", 5_000), "a", compute=False)),
            "5,000 questions: .*--n 5000",
        ),
        (lambda bench: next(influence_set(bench, InfluenceSetRequest(MODEL, "select", 0), "a", compute=False)), "1,000 questions"),
        (lambda bench: stored_detection(bench, DetectRequest(MODEL, "select", 5_000), "a"), "5,000 questions"),
        (lambda bench: visited(bench, replace(CONDITION, eval_set="select", n=5_000), [1.0], "a"), "5,000 questions"),
        (lambda bench: compare_conditions(bench, CONDITION, replace(CONDITION, passes=3), "a"), "20 questions"),
        (lambda bench: read_differences(bench, DifferenceRequest(MODEL, n=20), "a"), r"codi_core geometry .*--means-n 20"),
        (lambda bench: geometry(bench, GeometryRequest(MODEL, means=MANY), "a"), MEANS_N),
        (lambda bench: next(evaluate_condition(bench, replace(CONDITION, n=9, controls=0, means=MANY), "a")), MEANS_N),
        (lambda bench: next(importance(bench, ImportanceRequest(MODEL, TWO[0], means=MANY), "a")), MEANS_N),
        (lambda bench: next(influence_set(bench, InfluenceSetRequest(MODEL, n=1, by="mean", means=MANY), "a")), MEANS_N),
        (lambda bench: influence(bench, InfluenceRequest(MODEL, TWO[0], "mean", means=MANY), "a"), MEANS_N),
        (lambda bench: steer(bench, SteerRequest(MODEL, TWO[0], CONDITION.interventions, MANY), "a"), MEANS_N),
        (lambda bench: vector_info(bench, VectorRequest(MODEL, Difference(2, 4), VectorSpace("h"), MANY), "a"), MEANS_N),
    ],
)
def test_a_request_above_the_budget_is_refused_with_its_command_before_a_question_is_drawn(
    bench: Workbench, start: Callable[[Workbench], Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evalsets, "_drawn_once", nothing_runs)
    monkeypatch.setattr(bench, "engine", nothing_runs)
    with pytest.raises(BudgetError, match=says):
        start(bench)


def test_many_directions_at_once_are_refused_too(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evalsets, "_drawn_once", nothing_runs)
    with pytest.raises(BudgetError, match="directions × 6 passes"):
        next(ablate(bench, AblateRequest(MODEL, ("zero", "mean"), eval_set="templates", n=10), "a"))
    with pytest.raises(BudgetError, match=MEANS_N):
        next(ablate(bench, AblateRequest(MODEL, n=1, means=MANY), "a", compute=False))


@pytest.mark.parametrize(
    "look",
    [
        lambda bench: stored_detection(bench, DetectRequest(MODEL, "templates", 4), "a"),
        lambda bench: list(influence_set(bench, InfluenceSetRequest(MODEL, "templates", 4, passes=1), "a", compute=False)),
        lambda bench: list(patch_map(bench, PatchMapRequest(MODEL, eval_set="templates", n=4, passes=1), "a", compute=False)),
    ],
)
def test_questions_are_drawn_while_the_model_is_free_for_others(
    bench: Workbench, look: Callable[[Workbench], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn, threads = evalsets._drawn_once, []

    def draw(*asked: Any) -> Any:
        threads.append(threading.current_thread())
        return drawn(*asked)

    monkeypatch.setattr(evalsets, "_drawn_once", draw)
    assert not look(bench)
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize(
    ("limits", "asked", "says"),
    [
        ({"most_questions": 100}, PatchMapRequest(MODEL, n=4), r"160 candidate questions: .* up to 100 .*codi_core patch .*--n 4"),
        ({"most_work": 900}, PatchMapRequest(MODEL, n=4), r"160 candidate questions × 1 direction × 6 passes = 960: .*codi_core patch"),
        ({"most_work": 1_000}, PatchMapRequest(MODEL, n=16), r"16 pairs × \d+ cells × 6 passes = .*codi_core patch .*--n 16"),
        ({"most_work": 100}, PatchMapRequest(MODEL, *TWO), r"1 pair × \d+ cells × 6 passes = .*codi_core patch .*--into"),
    ],
)
def test_a_map_of_patches_has_a_budget_too(
    bench: Workbench, limits: dict[str, int], asked: PatchMapRequest, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.settings = replace(bench.settings, **{"most_questions": 0, "most_work": 0, **limits})
    monkeypatch.setattr(Engine, "rollout", nothing_runs)
    monkeypatch.setattr(patch_maps, "PairSet", nothing_runs)
    assert list(patch_map(bench, asked, "a", compute=False)) == [], "what is stored would come all the same"
    with pytest.raises(BudgetError, match=says):
        next(patch_map(bench, asked, "a"))


def test_the_command_line_is_not_bounded(settings: Settings) -> None:
    bench = Workbench(replace(settings, most_questions=1, most_work=1, device="cpu", threads=1))
    try:
        assert next(detect(bench, DetectRequest(MODEL, "templates", 2), "a")).complete
    finally:
        bench.close()


def test_long_questions_are_read_a_few_at_a_time() -> None:
    questions = [Question(str(n), "?", 1.0, "", (), ()) for n in range(200)]
    assert [len(batch) for batch in batches_of(questions, [50] * 200)] == [64, 64, 64, 8]
    assert [len(batch) for batch in batches_of(questions[:8], [6_000] * 8)] == [2, 2, 2, 2]
    assert [len(batch) for batch in batches_of(questions[:2], [40_000] * 2)] == [1, 1], "one is always read"


def test_a_file_above_the_limit_is_refused(settings: Settings) -> None:
    with pytest.raises(DataError, match=r"big.csv has 1\.0 MB.*up to 0 MB.*codi_core eval --eval-set big.csv"):
        save_upload(replace(settings, most_upload_mb=0), "big.csv", b"question,answer\n" + b"x" * 2**20)
    assert not (settings.cache_dir / "uploads").exists()


@pytest.mark.parametrize("address", ["0.0.0.0", "", None, "192.168.0.2", "::"])
def test_where_others_reach_it_only_what_was_named_is_opened(address: str | None) -> None:
    assert within(Settings(), address).models == ("bundled-steps", "bundled", "bundled-pause", "bundled-steps-pause")
    assert within(Settings(model="owner/repo"), address).models[0] == "owner/repo"
    assert within(Settings(models=("bundled",)), address).models == ("bundled",)
    assert within(Settings(models=("*",)), address).models == ()


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1"])
def test_where_nobody_else_does_any_is(address: str) -> None:
    assert within(Settings(), address).models == () and within(Settings(models=("bundled",)), address).models == ("bundled",)


@pytest.mark.parametrize(("address", "fetches"), [("0.0.0.0", False), (None, False), ("127.0.0.1", True)])
def test_where_others_reach_it_nothing_is_fetched(address: str | None, fetches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "to be put back")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(streamlit, "get_option", lambda _: address)
    runpy.run_path(str(ROOT / "server.py"))
    assert os.environ.get("HF_HUB_OFFLINE") == (None if fetches else "1")


def test_a_model_that_was_not_named_is_neither_listed_nor_opened_nor_fetched(settings: Settings) -> None:
    bench = Workbench(replace(settings, model="bundled", models=("bundled",)), served=True)
    try:
        assert [choice.name for choice in model_choices(bench)] == ["bundled"]
        for refused in (lambda: bench.run("bundled-steps", nothing_runs, "a"), lambda: download(bench, "codi-gpt2")):
            with pytest.raises(ModelError, match="CODI_MODELS"):
                refused()
    finally:
        bench.close()


def test_no_folder_of_the_server_is_shown(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    monkeypatch.setenv("CODI_CACHE_DIR", str(tmp_path))
    error = ArtifactError(f"{tmp_path}/evals/x has changed", f"delete {tmp_path}/evals/x and run again; {ROOT}/cache, {Path.home()}/.cache")
    assert said(error) == (
        "cache/evals/x has changed: whoever runs this server can delete cache/evals/x and run again; codi/cache, ~/.cache"
    )
    assert said(DataError("'delete it and run' is no number.")) == "'delete it and run' is no number.", "what people type is no repair"
    broken = Store(replace(Settings.from_env(), cache_dir=tmp_path))
    folder = broken.path("means", "0123456789abcdef")
    folder.mkdir(parents=True)
    with pytest.raises(ArtifactError) as caught:
        broken.read("means", folder.name)
    assert str(caught.value).endswith(f": delete {folder} and run again to make it anew")
    assert said(caught.value).endswith(": whoever runs this server can delete cache/means/0123456789abcdef and run again to make it anew")
    with caplog.at_level(logging.INFO), shown_errors():
        raise error
    (record,) = [record for record in caplog.records if record.name.startswith("codi_core")]  # Streamlit misses its server
    assert record.exc_info is None and "\n" not in record.getMessage() and str(tmp_path) in record.getMessage(), "the operator sees where"


def test_counters_are_served_and_hold_nothing_that_people_type(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Workbench(replace(settings, model=MODEL, device="cpu", threads=1), served=True, meter=Meter())
    monkeypatch.setattr(calls, "opened", lambda: bench)
    try:
        bench.call(inspect, InspectRequest(MODEL, "My secret is 7 plus 8."), "a-secret-name")
        answer = runpy.run_path(str(ROOT / "server.py"))["metrics"](None)
    finally:
        bench.close()
    text = answer.body.decode()
    assert answer.media_type.startswith("text/plain") and 'codi_requests_total{kind="inspect",outcome="ok"} 1.0' in text
    assert "codi_line 0.0" in text
    assert not re.search(f"secret|{re.escape(str(settings.cache_dir))}|{re.escape(str(ROOT))}", text)
