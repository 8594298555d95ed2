"""Checkpoints of other families on the pages: looked at, pushed, swept and ablated as CODI's are."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
import streamlit as st

from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.run import sweep
from codi_core.settings import Settings
from tests.checkpoints import FIXTURES
from tests.pages.conftest import Open
from tests.pages.test_ablate_page import finished
from tests.pages.test_heatmaps_page import grids
from tests.pages.test_inspect_page import sent
from tests.pages.test_steer_page import SMALL
from tests.pages.test_steer_page import sent as sent_all

TOKENS = {"coconut-gpt2": "<|start-latent|>", "latenttts-codi": "<|start-latent|>"}
CELLS = tuple(("kv-as-in-the-post", a, b, 5, 2.0) for a, b in ((1, 2), (2, 4)))


@pytest.fixture(scope="module", params=TOKENS)
def name(request: pytest.FixtureRequest, package_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The fixture as the app's model: one folder with weights, configuration and tokenizer."""
    folder = tmp_path_factory.mktemp("families") / request.param
    shutil.copytree(FIXTURES / request.param / "base", folder)
    shutil.copytree(FIXTURES / request.param / "checkpoint", folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODI_MODEL", str(folder))
        patch.setenv("CODI_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        st.cache_resource.clear()
        st.cache_data.clear()
        yield request.param
    st.cache_resource.clear()
    st.cache_data.clear()


def test_inspect_reads_its_latents(open_page: Open, name: str) -> None:
    app = open_page()
    assert not app.exception and not app.error
    assert sent(app, "promptbox")["tokens"][-1] == {"text": TOKENS[name], "special": True}
    assert len(sent(app, "heatgrid")["columns"]) == 7
    assert app.selectbox("url-passes").options[6] == "6 passes (assumed)"


def test_steer_pushes_it(open_page: Open, name: str) -> None:
    app = open_page("steer", **SMALL)
    assert not app.exception and not app.error
    assert len(sent_all(app, "ranking")) == 5, "three panes, and the chosen cell twice"


def test_a_small_sweep_is_a_heatmap(open_page: Open, name: str) -> None:
    settings = Settings.from_env()
    bench = Workbench(settings)
    try:
        table = sweep(bench, SweepRequest(settings.model, "post-kv", n=6, randoms=1, shuffled=0, means_n=12, only=CELLS))
    finally:
        bench.close()
    assert (table.cells["role"] == "cell").sum() >= len(CELLS)
    app = open_page("heatmaps")
    assert not app.exception and not app.error
    assert grids(app)


def test_ablate_stops_it_early(open_page: Open, name: str) -> None:
    app = finished(open_page("ablate", n="64", passes="2"))
    assert not app.error
    assert app.get("plotly_chart")


def test_the_model_page_says_what_it_is_and_what_was_assumed(open_page: Open, name: str) -> None:
    app = open_page("model")
    assert not app.exception and not app.error
    shown = "".join(element.proto.body for element in app.get("html"))
    assert {"coconut-gpt2": "Coconut", "latenttts-codi": "LatentTTS"}[name] in shown
    assert {"coconut-gpt2": "not stated", "latenttts-codi": "6 (assumed)"}[name] in shown
    can = any(button.label == "Verify" for button in app.button)
    assert can == (name != "coconut-gpt2"), "nothing says how many passes Coconut runs"
    (trains,) = (code.value for code in app.code if "train-lens" in code.value)
    assert trains.count("--passes K") == (0 if can else len(trains.splitlines())), "where no file says it, the command line has to"
    assert can or any("cannot be verified from here" in box.value for box in app.info)
    assert can or any("--passes K" in code.value for code in app.code)
