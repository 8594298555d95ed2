"""Pages run as many passes as the chosen model was trained with, unless the address names a number."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest
import streamlit as st

from tests.checkpoints import FIXTURES
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import sent

OWN = 10


@pytest.fixture(scope="module", autouse=True)
def trained_with_ten(package_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("passes") / "ten"
    shutil.copytree(FIXTURES / "simcot-coconut" / "base", folder)
    shutil.copytree(FIXTURES / "simcot-coconut" / "checkpoint", folder, dirs_exist_ok=True)
    (folder / "codi.json").write_text(json.dumps({"passes": OWN}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODI_MODEL", str(folder))
        st.cache_resource.clear()
        st.cache_data.clear()
        yield
    st.cache_resource.clear()
    st.cache_data.clear()


def test_without_a_number_the_models_own_is_run(open_page: Open) -> None:
    app = open_page()
    assert not app.exception and not app.error
    assert len(sent(app, "heatgrid")["columns"]) == OWN + 1
    assert app.selectbox("url-passes").value == str(OWN)
    assert "passes" not in app.query_params
    assert not any("assumed" in option for option in app.selectbox("url-passes").options)


def test_a_number_in_the_address_wins(open_page: Open) -> None:
    app = open_page("inspect", passes="2")
    assert len(sent(app, "heatgrid")["columns"]) == 3
