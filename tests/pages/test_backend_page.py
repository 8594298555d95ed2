"""The dashboard when its backend cannot be had."""

from __future__ import annotations

import sys

import pytest
import streamlit as st

from tests.pages.conftest import Open


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CODI_BACKEND": "ray"}, "pip install -r requirements-cluster.txt"),
        ({"CODI_BACKEND": "slurm"}, "use local or ray"),
        ({"CODI_WORKERS": "many"}, "CODI_WORKERS is 'many'"),
    ],
)
def test_the_page_says_what_to_do(open_page: Open, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    st.cache_resource.clear()
    app = open_page()
    assert not app.exception
    assert [words in box.value.replace("\\", "") for box in app.error] == [True]
    assert not app.text_area
    st.cache_resource.clear()
