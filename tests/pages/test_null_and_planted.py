"""Sweeps whose truth is known, on the Heatmaps page: where nothing was planted nothing is marked, and else exactly what was planted."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.sweeps.spec import Cell
from tests import sweep_tables
from tests.pages.conftest import Open

NULL, PLANTED = "codi-gpt2", "codi-llama1b-answer-only"
"""Presets whose files are not on this machine."""
GAIN = {(1, 2, 4, 1.0): 0.3, (3, 5, 5, 1.0): -0.3, (3, 5, 5, -1.0): 0.25}


def planted(cell: Cell) -> float:
    return GAIN.get((cell.a, cell.b, cell.index, cell.coefficient), 0.0) if cell.role == "cell" else 0.0


@pytest.fixture(scope="module", autouse=True)
def stored(package_environment: None) -> None:
    axes = {"indices": (4, 5), "coefficients": (-1.0, 1.0), "randoms": 8, "shuffled": 2}
    store = Store(Settings.from_env())
    for name, change in ((NULL, sweep_tables.nothing), (PLANTED, planted)):
        spec = sweep_tables.spec("post-kv", 300, replace(sweep_tables.MODEL, name=name), **axes)
        sweep_tables.store_made_up(store, spec, change)
    st.cache_resource.clear()


def marked(app: AppTest) -> set[tuple[str, str]]:
    """Panel and cell of what is not grey."""
    grids = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]
    assert len(grids) == 2, "one a coefficient"
    cells: list[dict[str, Any]] = [cell for grid in grids for row in grid["cells"] for cell in row]
    assert len(cells) == 60
    return {(cell["title"], cell["text"][0]) for cell in cells if cell["edge"] != "quiet"}


def said(app: AppTest) -> str:
    """Without tooltips."""
    return re.sub(r"</?abbr[^>]*>", "", "\n".join(element.proto.body for element in app.get("html")))


@pytest.mark.parametrize("mask", ["max", "holm", "bh"])
def test_nothing_is_marked_where_nothing_was_planted(open_page: Open, mask: str) -> None:
    app = open_page("heatmaps", model=NULL, alpha="-1,1", mask=mask)
    assert not app.error and marked(app) == set()


@pytest.mark.parametrize("mask", ["max", "holm", "bh"])
def test_exactly_what_was_planted_is_marked(open_page: Open, mask: str) -> None:
    app = open_page("heatmaps", model=PLANTED, alpha="-1,1", mask=mask)
    assert not app.error
    assert marked(app) == {
        ("A1−B2 · KV slot 4 · α = +1", "+"),
        ("A3−B5 · KV slot 5 · α = +1", "−"),
        ("A3−B5 · KV slot 5 · α = −1", "+"),
    }


def test_the_largest_cell_of_a_null_is_no_effect(open_page: Open) -> None:
    text = said(open_page("heatmaps", model=NULL, alpha="-1,1"))
    assert "No effect on accuracy is seen" in text or "but not after correction for 60 cells" in text


def test_a_planted_cell_is_said_to_be_one(open_page: Open) -> None:
    text = said(open_page("heatmaps", model=PLANTED, alpha="-1,1", pick="3,5,5,1"))
    assert re.search(r"Accuracy falls [23]\d\.\d points \([\d.]+ to [\d.]+, n = 300\); none of 20 random directions falls as far\.", text)
    assert "percentile 0 among 20" in text and re.search(r"by triple \(\d+\), by template \(20\)", text)
