"""The Influence page: one prompt with an edge cut, an eval set that is stored, command lines that parse."""

from __future__ import annotations

import pytest

from codi_core.cli import make_parser
from tests.pages.conftest import Open
from tests.pages.test_ablate_page import commands, finished, words


def test_one_prompt_with_an_edge_cut(open_page: Open) -> None:
    app = open_page("influence", passes="2", cut="3.1", edge="direct", **{"in-layer": "1", "in-head": "0"})
    assert not app.error and not app.exception
    assert "Cut: answer no longer sees" in words(app)
    assert len(app.dataframe) == 3 and "None of these maps is causal" in words(app)
    lines = commands(app)
    assert any("--cut" in line and "--query" in line for line in lines) and len(lines) == 2
    for line in lines:
        make_parser().parse_args(line)
    refused = open_page("influence", passes="2", cut="3.1", how="z")
    assert any("belongs to one index" in error.value.replace("\\", "") for error in refused.error) and not refused.exception


@pytest.mark.parametrize("share", ["value-weighted", "rollout"])
def test_another_map_says_what_it_is(open_page: Open, share: str) -> None:
    app = open_page("influence", passes="2", share=share)
    assert not app.error and not app.exception
    said = {"value-weighted": "what the head would write", "rollout": "half of each staying where it is"}[share]
    assert said in words(app) and "None of these maps is causal" in words(app)
    assert any(box.label == "Layer" for box in app.selectbox) == (share != "rollout"), "a rollout is of all layers"


def test_an_eval_set_runs_and_is_found_again(open_page: Open) -> None:
    params = {"view": "Over an eval set", "n": "16", "passes": "2"}
    app = finished(open_page("influence", **params))
    assert not app.error
    again = open_page("influence", **params)
    assert not any(button.label == "Run" for button in again.button), "stored"
    assert "from the answer alone" in words(again) and "n = 16" in words(again)


@pytest.mark.parametrize("passes", ["0", "1"])
def test_with_too_few_passes_there_is_no_graph(open_page: Open, passes: str) -> None:
    app = open_page("influence", passes=passes)
    assert not app.error and not app.exception
    assert "no later latent" in words(app)
