"""The same questions, passes and model give the same answers, whoever asks: eval, early stop, a condition, a sweep, every page."""

from __future__ import annotations

import dataclasses
import re

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.services.ablate import EarlyStopRequest, early_stop
from codi_core.services.effects import evaluate_condition
from codi_core.services.evaluate import EvalRequest, evaluate, stored_evals
from codi_core.services.shared.requests import ConditionRequest, SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.run import sweep
from codi_core.services.sweeps.stored import cell_outcomes
from codi_core.settings import Settings
from codi_core.values.outcomes import Outcomes
from tests.pages.conftest import Open

N, PASSES = 24, 1
"""After one pass the bundled model writes equations: of many answers it depends on the token limit what becomes of them."""
NO_PUSH = "kv source=difference a=0 b=1 coefficient=0 indices=1"


@pytest.fixture(scope="module")
def measured(package_environment: None) -> tuple[dict[str, Outcomes], str]:
    """By who asked, and the key of the sweep; all of it stored where the pages look."""
    bench = Workbench(dataclasses.replace(Settings.from_env(), dtype="float32", threads=1))
    found = {"eval": evaluate(bench, EvalRequest("bundled", "templates", N, passes=PASSES))}
    shown = [report for report in stored_evals(bench, found["eval"].spec.model) if report.spec == found["eval"].spec]
    *_, curve = early_stop(bench, EarlyStopRequest("bundled", "templates", N, passes=2), "me")
    stopped = next(point for point in curve.points if (point.group, point.passes) == ("all", PASSES))
    *_, effect = evaluate_condition(bench, ConditionRequest("bundled", (), "templates", N, passes=PASSES), "me")
    only = (("kv-as-in-the-post", 1, 2, PASSES, 0.5),)
    table = sweep(bench, SweepRequest("bundled", "post-kv", "templates", N, passes=2, randoms=0, shuffled=0, means_n=N, only=only))
    unsteered = table.cells[(table.cells["role"] == "baseline") & (table.cells["passes"] == PASSES)].iloc[0]
    swept = cell_outcomes(bench.store, table)[int(unsteered["place"])]
    assert float(unsteered["accuracy"]) == pytest.approx(swept.correct / N)
    bench.close()
    st.cache_resource.clear()
    outcomes = {"eval": found["eval"].outcomes, "stored": shown[0].outcomes, "early stop": stopped.outcomes, "sweep": swept}
    return outcomes | {"baseline": effect.baseline_outcomes, "condition": effect.steered_outcomes}, table.key


def test_whoever_asks_gets_the_same_answers(measured: tuple[dict[str, Outcomes], str]) -> None:
    outcomes, _ = measured
    assert len(set(outcomes.values())) == 1, outcomes
    assert outcomes["eval"].n == N and outcomes["eval"].correct < N and outcomes["eval"].cut_off + outcomes["eval"].spelled_out > 0


def bar(app: AppTest, name: str) -> str:
    """What is said of a bar, but for its name."""
    assert not app.exception and not app.error
    html = "\n".join(element.proto.body for element in app.get("html"))
    (label,) = set(re.findall(rf'aria-label="{name}: ([^"]*)"', html))
    return label


def test_every_page_shows_them(measured: tuple[dict[str, Outcomes], str], open_page: Open) -> None:
    outcomes, sweep_key = measured
    asked = {"model": "bundled", "set": "templates", "n": str(N), "passes": str(PASSES)}
    shown = {
        "Steer": bar(open_page("steer", **asked, controls="0", steer=NO_PUSH, **{"means-n": "20"}), "Baseline"),
        "Ablate": bar(open_page("ablate", **{**asked, "passes": "2"}), "1 pass"),
        "Heatmaps": bar(open_page("heatmaps", model="bundled", sweep="post-kv", set="templates", run=sweep_key), "Baseline"),
        "Model": bar(open_page("model", model="bundled"), "templates, 1 latent pass"),
    }
    assert len(set(shown.values())) == 1, shown
    assert next(iter(shown.values())).endswith(outcomes["eval"].words())
