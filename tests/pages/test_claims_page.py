"""The Claims page: a verdict in every row, from what is stored; the command where nothing is."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.services.sweeps.claims import POST_CLAIMS
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.ui.claims.link import STEPS
from tests import sweep_tables
from tests.pages.conftest import Open

ABSENT = "codi-gpt2"
SMALL = {"randoms": 8, "shuffled": 2, "coefficients": (-1.0, 0.5, 1.0)}

MEASURED = (("kv-stop", 2, 4, 5, 0.5), ("k-stop", 2, 4, 5, 0.5))
"""Cells of the factorial that have a band."""


@pytest.fixture(scope="module")
def stored(package_environment: None) -> None:
    store, model = Store(Settings.from_env()), replace(sweep_tables.MODEL, name=ABSENT)
    sweep_tables.store_made_up(store, sweep_tables.spec("post-kv", 100, model, indices=(5,), **SMALL))
    sweep_tables.store_made_up(store, sweep_tables.spec("factorial", 100, model, indices=(5,), bands=MEASURED, **SMALL))
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
    assert len(found) == len(POST_CLAIMS)
    assert set(found) <= {"reproduced", "not reproduced", "reversed", "not testable"}
    assert found[-2:] == ["not testable"] * 2, "no hidden-state sweep is stored"
    assert any("--preset post-hidden" in code.value for code in app.code)
    assert "Keys only" in html(app), "the matched factorial"
    assert "heatmaps?model=" in html(app)


def test_without_any_sweep_every_row_says_what_is_needed(open_page: Open, stored: None) -> None:
    app = open_page("claims", setting="corrected")
    assert not app.error
    assert set(verdicts(app)) == {"not testable"}
    commands = [code.value for code in app.code if "codi_core sweep" in code.value and "corrected" in code.value]
    assert len(commands) == len(set(commands)) < len(POST_CLAIMS), "each is said once"
    assert any("codi_core confirm" in code.value for code in app.code)


@pytest.mark.parametrize("step", list(STEPS))
def test_every_step_says_what_came_out_and_where_to_look(open_page: Open, stored: None, step: str) -> None:
    app = open_page("claims", part=step)
    assert not app.exception
    assert not app.error
    assert any(element.value.startswith("**Here:** ") for element in app.markdown)
    links = [element.proto for element in app.get("page_link")]
    assert [link.label for link in links] == ["Open live"]


def test_what_a_model_cannot_show_is_said_in_its_place(open_page: Open) -> None:
    app = open_page("claims", part="therefore", model="bundled")
    (said,) = [element.value for element in app.markdown if element.value.startswith("**Here:** ")]
    assert "no token for “therefore”" in said and "cannot be tested" in said
    assert "entropy peaks" in said
