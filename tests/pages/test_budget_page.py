"""A link that asks for more than the server gives is refused in words, with the command line, and starts nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st

from codi_core.settings import Settings
from codi_core.store import Store
from tests.pages.conftest import Open
from tests.pages.test_ablate_page import finished


@pytest.fixture
def little(package_environment: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODI_MOST_WORK", "100")
        st.cache_resource.clear()
        yield
    st.cache_resource.clear()


def test_a_link_never_starts_work_above_the_budget(little: None, open_page: Open) -> None:
    before = Store(Settings.from_env()).keys("runs")
    app = open_page("steer", **{"n": "24", "means-n": "16", "controls": "20"})
    assert not app.exception
    said = [error.value.replace("\\", "") for error in app.error]
    assert any("24 questions × 22 directions × 6 passes" in text and "python -m codi_core eval" in text for text in said), said
    assert Store(Settings.from_env()).keys("runs") == before


def test_a_refused_run_is_not_called_stopped(little: None, open_page: Open) -> None:
    app = finished(open_page("patch", n="16", passes="2"), "Patch every cell")
    said = [error.value.replace("\\", "") for error in app.error]
    assert any("candidate questions × 1 direction × 2 passes" in text and "python -m codi_core patch" in text for text in said), said
    assert not app.get("progress"), "nothing was begun, so nothing has come anywhere"
