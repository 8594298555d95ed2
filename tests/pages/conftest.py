"""The real app on a tiny real checkpoint, without a browser (Streamlit's AppTest)."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from codi_core.settings import ROOT
from tests import checkpoints

Open = Callable[..., AppTest]


class Everything(set[str]):
    """Without a window nothing comes in sight by itself, so all charts are."""

    def __contains__(self, name: object) -> bool:
        return True


def computed(app: AppTest) -> AppTest:
    """The page again once its work, which is in a thread of its own, has ended; looked at now and then, or the work would be given up."""
    while running := [thread for thread in threading.enumerate() if thread.name == "background"]:
        running[0].join(60)
        app.run()
    return app


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with random weights, which end an answer now and then."""
    return checkpoints.write(tmp_path_factory.mktemp("models") / "tiny", checkpoints.ending(checkpoints.tensors_of(lora=False)))


@pytest.fixture(scope="package")
def package_environment(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        # Streamlit calls each script `__main__`, and leaves it so: processes that later tests spawn would run the whole app first.
        patch.setitem(sys.modules, "__main__", sys.modules["__main__"])
        patch.setenv("CODI_MODEL", str(tiny))
        patch.setenv("CODI_DEVICE", "cpu")
        patch.setenv("CODI_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        # Every AppTest reads the metadata of every package that is installed, for components we have none of there: half of a test's time.
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(manifest_scanner.scan_component_manifests))
        st.cache_resource.clear()
        st.cache_data.clear()
        yield
        st.cache_resource.clear()


@pytest.fixture
def open_page(package_environment: None) -> Open:
    """Open a page as a link would: its path below the root, and what the URL says."""

    def open_(path: str = "", **params: str | list[str]) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=240)
        app.session_state["in-sight"] = Everything()
        app.session_state["steer-setup"] = app.session_state["cell-command"] = True  # folds that are empty until they are open
        for name, value in params.items():
            app.query_params[name] = value
        if path:
            app.session_state["goto"] = (f"pages/{path}.py", params)  # AppTest's own switch_page runs the page without app.py
        return app.run()

    return open_
