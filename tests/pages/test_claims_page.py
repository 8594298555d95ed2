"""The Claims page: a verdict in every row, from what is stored; the command where nothing is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.services.claims import CLAIMS
from codi_core.settings import Settings
from codi_core.store import Store
from tests import sweep_tables
from tests.pages.conftest import Open

ABSENT = "codi-gpt2"
SMALL = {"randoms": 4, "shuffled": 1, "coefficients": (-1.0, 0.5, 1.0)}


@pytest.fixture(scope="module")
def stored(session_environment: None) -> None:
    store, model = Store(Settings.from_env()), replace(sweep_tables.MODEL, name=ABSENT)
    sweep_tables.store_made_up(store, sweep_tables.spec("post-kv", 100, model, indices=(5,), **SMALL))
    sweep_tables.store_made_up(store, sweep_tables.spec("factorial", 100, model, **SMALL))
    st.cache_resource.clear()


def html(app: AppTest) -> str:
    return "\n".join(element.proto.body for element in app.get("html"))


def verdicts(app: AppTest) -> list[str]:
    table = next(element.proto.body for element in app.get("html") if "As the text reads" in element.proto.body)
    return [" ".join(re.findall(r"verdict-badge[^>]*>. ([a-z ]+)<", row)) for row in table.split("<tr>")[2:]]


def test_every_row_has_a_verdict(open_page: Open, stored: None) -> None:
    app = open_page("claims", model=ABSENT)
    assert not app.exception
    assert not app.error
    found = verdicts(app)
    assert len(found) == len(CLAIMS)
    assert set(found) <= {"reproduced", "not reproduced", "reversed", "not testable"}
    assert found[-2:] == ["not testable"] * 2, "no hidden-state sweep is stored"
    assert "--preset post-hidden" in html(app)
    assert "Keys only" in html(app), "the matched factorial"
    assert "heatmaps?model=" in html(app)


def test_without_any_sweep_every_row_says_what_is_needed(open_page: Open, stored: None) -> None:
    app = open_page("claims", setting="corrected")
    assert not app.error
    assert set(verdicts(app)) == {"not testable"}
    assert html(app).count("codi_core sweep") == len(CLAIMS)
    assert any("codi_core confirm" in code.value for code in app.code)
