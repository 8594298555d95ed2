"""“Beside its control” on every page that has it, with a model trained for a few steps and its twin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.lenses.training import LensTrainSpec
from codi_core.services.evaluate import EvalRequest, evaluate
from codi_core.services.lenses import train_lens
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.ui.shell import calls
from tests.pages.conftest import Open, computed


@pytest.fixture(scope="module")
def model(package_environment: None, pair: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The chosen model of the app: one that has a control."""
    root = tmp_path_factory.mktemp("named")
    trained, _ = (shutil.copytree(folder, root / name) for folder, name in zip(pair, ("model", "model-pause"), strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODI_MODEL", str(trained))
        st.cache_resource.clear()
        st.cache_data.clear()
        yield trained
    st.cache_resource.clear()
    st.cache_data.clear()


def finish(app: AppTest) -> AppTest:
    """Presses Run until there is nothing left to run."""
    while buttons := [button for button in app.button if button.label.startswith(("Run", "Go on"))]:
        for button in buttons:
            button.click()
        app = computed(app.run())
        assert not app.error
    return app


def test_detect_shows_the_controls_map_and_the_difference(model: Path, open_page: Open) -> None:
    app = finish(open_page("detect", n="32", twin="yes"))
    assert not app.exception and not app.error
    assert any("than in its control" in text.value for text in app.markdown)
    assert any(text.value.startswith("**Control") for text in app.markdown)
    plain = open_page("detect", n="32")
    assert any(toggle.label == "Beside its control" for toggle in plain.toggle)
    assert not any("than in its control" in text.value for text in plain.markdown)
    for view in ("Token set", "Entropy", "Probability"):
        other = open_page("detect", n="32", twin="yes", view=view)
        assert not other.exception and not other.error
        assert any("Model − control" in text.value for text in other.markdown), view


def test_geometry_shows_both_and_says_why_z_cannot_be_compared(model: Path, open_page: Open) -> None:
    app = open_page("geometry", means="select", twin="yes", latents="h", **{"means-n": "100"})
    assert not app.exception and not app.error
    assert any("of the variance\\, in the control" in text.value for text in app.markdown)
    z = open_page("geometry", means="select", twin="yes", latents="z", **{"means-n": "100"})
    assert any("one learned vector in every pass" in error.value for error in z.error)


def test_the_model_page_shows_both_accuracies_and_what_a_lens_is_worth_in_either(model: Path, open_page: Open) -> None:
    app = open_page("model", twin="yes")
    assert any("codi_core eval --model" in code.value and "model-pause" in code.value for code in app.code)
    bench, twin = Workbench(Settings.from_env()), model.with_name("model-pause")
    for name in (str(model), str(twin)):
        evaluate(bench, EvalRequest(name, n=12))
        train_lens(bench, name, LensTrainSpec(n_questions=8, n_held_out=6, steps=2, batch=8), "me", lambda what, done, total: None)
    bench.close()
    st.cache_data.clear()
    calls._lens_menu.clear()
    app = open_page("model", twin="yes")
    assert not app.exception and not app.error
    assert any("its control in" in text.value and "n \\= 12" in text.value for text in app.markdown)
    assert any("of tuned:all" in text.value.replace("\\", "") and "than in its control" in text.value for text in app.markdown)


def test_influence_over_an_eval_set_is_told_beside_the_control(model: Path, open_page: Open) -> None:
    app = finish(open_page("influence", view="Over an eval set", n="16", passes="2", twin="yes"))
    assert not app.exception and not app.error
    assert any("mean attention" in text.value.lower() and "than in its control" in text.value for text in app.markdown)
    assert any("control" in frame.value.columns for frame in app.dataframe)
