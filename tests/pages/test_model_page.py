"""The Model page: the card, and what is said when there is no model to show."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import streamlit as st

from codi_core.disk import sha256_of
from codi_core.settings import Settings
from tests.pages.conftest import Open
from tests.pages.test_ablate_page import finished


def facts(app: object) -> str:
    return "".join(element.proto.body for element in app.get("html"))  # type: ignore[attr-defined]


def test_the_card_names_weights_device_and_format(open_page: Open, tiny: Path) -> None:
    app = open_page("model")
    assert not app.exception
    assert not app.error
    shown = facts(app)
    for fact in (sha256_of(tiny / "model.safetensors"), "&#x27;cpu&#x27; was asked for", "float32", "answer-only", "<dd>tiny</dd>"):
        assert fact in shown
    assert str(tiny) not in shown, "no folder of the server"


def test_without_stored_evaluations_the_command_is_shown(open_page: Open, tiny: Path) -> None:
    assert any("codi_core eval" in code.value and str(tiny) in code.value for code in open_page("model").code)


def test_the_learning_curve_is_drawn(open_page: Open, tiny: Path) -> None:
    row = {
        "step": 100.0,
        "student": 2.0,
        "teacher": 1.0,
        "distill": 0.5,
        "steps": 0.0,
        "teacher_right": 0.5,
        "right_0": 0.1,
        "right_6": 0.3,
    }
    card = {
        "training": {"name": "tiny", "steps": 200},
        "curve": [row, {**row, "step": 200.0, "right_6": 0.9}],
        "wall_seconds": 60,
        "device": "cpu",
    }
    (tiny / "codi.json").write_text(json.dumps(card))
    st.cache_data.clear()
    st.cache_resource.clear()
    app = open_page("model")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    names = [trace["name"] for trace in figure["data"]]
    assert "6 passes" in names
    assert "steps" not in names, "a loss that was never used has no line"


@pytest.mark.parametrize("page", ["", "model"])
def test_a_model_that_is_not_here_is_fetched_only_when_asked(open_page: Open, page: str) -> None:
    app = open_page(page, model="codi-qwen3-8b")
    assert not app.exception
    assert "not on this machine" in app.info[0].value
    assert "Download and open" in [button.label for button in app.button]
    assert "bundled" in app.selectbox("url-model").options


@pytest.mark.parametrize("page", ["", "model"])
def test_a_broken_model_is_explained_and_the_picker_stays(open_page: Open, page: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tiny.parent / "truncated").mkdir(exist_ok=True)
    for file in tiny.iterdir():
        (tiny.parent / "truncated" / file.name).write_bytes(file.read_bytes()[: 5_000 if file.suffix == ".safetensors" else None])
    monkeypatch.setenv("CODI_MODEL", str(tiny.parent / "truncated"))
    st.cache_resource.clear()
    app = open_page(page)
    st.cache_resource.clear()
    assert not app.exception
    assert len(app.error) == 1
    assert "safetensors" in app.error[0].value
    assert "bundled" in app.selectbox("url-model").options


def test_lenses_are_shown_index_by_index(open_page: Open) -> None:
    app = open_page("model", model="bundled-steps", lens="tuned:odd", **{"card-measure": "Same top token"})
    assert not app.exception
    assert not app.error
    drawn = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]
    assert [data["label"].partition(":")[0] for data in drawn] == ["Logit", "Tuned (odd)", "Difference"]
    assert [column["label"] for column in drawn[0]["columns"]] == ["prompt (bot)", "z1", "z2", "z3", "z4", "z5", "z6"]
    top = [cell["text"] for cell in drawn[0]["cells"][0]]
    assert top == ["100"] * 7, "at the last depth a lens is the output"
    facts = [cell["facts"][0] for cell in drawn[1]["cells"][0]]
    assert facts[1] == "trained on this index"
    assert facts[2] == "not trained on this index"


def test_the_passport_that_ships_is_shown(open_page: Open) -> None:
    app = open_page("model", model="bundled")
    assert not app.exception and not app.error
    assert any(box.value.startswith("Reproduced") for box in app.success)
    shown = facts(app)
    assert "8 of 8 prompts token for token" in shown and "docs/bundled-results.md" in shown
    assert any("62 tensors" in box.label.replace("The ", "") for box in app.expander)


def test_a_model_without_a_passport_is_named_in_the_log_and_the_command_shown(
    open_page: Open, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    st.cache_data.clear()
    app = open_page("model")
    assert f"{tiny} has no passport" in caplog.text
    assert any(f"codi_core verify {tiny}" in code.value for code in app.code)


def test_a_button_makes_the_passport_and_shows_it(open_page: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its questions (GSM8K) cannot be had here, so that it says why nothing was measured. A trained model: six passes of random weights
    make of one rounding, which differs between processors, more than the passport lets pass."""
    shutil.copytree(Settings().bundled_dir / "models" / "bundled-steps", tmp_path / "others", ignore=shutil.ignore_patterns("codi.json"))
    monkeypatch.setenv("CODI_MODEL", str(tmp_path / "others"))
    st.cache_resource.clear()
    st.cache_data.clear()
    app = finished(open_page("model"), "Verify").run()
    assert not app.error
    assert "8 of 8 prompts token for token" in facts(app)
    assert "Passport (JSON)" in [button.proto.label for button in app.get("download_button")]
    st.cache_data.clear()
    again = open_page("model")
    assert "8 of 8 prompts token for token" in facts(again), "stored"
    assert "Verify again" in [button.label for button in again.button]
    st.cache_resource.clear()


def test_how_the_server_is_on_request(open_page: Open) -> None:
    app = open_page("model")
    assert "Jobs in line" not in facts(app)
    next(button for button in app.button if button.label == "How this server is").click().run()
    assert not app.exception and not app.error
    assert "Jobs in line" in facts(app) and "torch" in facts(app) and "Not answered" in facts(app)
