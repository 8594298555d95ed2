"""The Inspect page: a result on arrival, state from the URL, readable words for unusable input, nothing interpreted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.problems.generate import seed_prompt, team_prompt
from tests.pages.conftest import Open


def sent(app: AppTest, name: str) -> dict[str, Any]:
    """What our component of that name was given to draw."""
    data: dict[str, Any] = next(json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == f"codi_{name}")
    return data


def words(app: AppTest) -> str:
    """Everything Streamlit itself was given to show."""
    shown = [*app.text, *app.caption, *app.markdown, *app.error, *app.warning, *app.info]
    return "\n".join(str(element.value) for element in shown)


def test_a_result_is_there_on_arrival(open_page: Open) -> None:
    app = open_page()
    assert not app.exception
    assert not app.error
    grid = sent(app, "heatgrid")
    assert [column["label"] for column in grid["columns"]] == ["prompt (bot)", "z1", "z2", "z3", "z4", "z5", "z6"]
    assert [row["label"] for row in grid["rows"]] == ["3", "2", "1", "0"]
    assert grid["axis"] == "Layer (0 = embeddings … 3 = output)"
    assert len(grid["cells"][0][0]["top"]) == 10
    box = sent(app, "promptbox")
    assert box["value"] == box["shown"] == team_prompt().question
    assert box["tokens"][-1] == {"text": "<|bocot|>", "special": True}
    assert "8 → 16 → 24" in words(app)


def test_the_condition_of_the_numbers_is_named(open_page: Open) -> None:
    line = next(caption.value for caption in open_page(passes="3").caption if "key" in caption.value)
    for fact in ("tiny", "float32", "answer\\-only prompt", "3 passes", "greedy", "logit lens"):
        assert fact in line


def test_the_state_comes_from_the_url(open_page: Open) -> None:
    app = open_page(prompt=seed_prompt().question, passes="2", cell="1.2", by="Rank(target)", flip="true", track=["5", "id:7"])
    assert not app.error
    assert sent(app, "promptbox")["value"] == seed_prompt().question
    grid = sent(app, "heatgrid")
    assert len(grid["columns"]) == 3
    assert grid["chosen"] == [1, 2]
    assert [row["label"] for row in grid["rows"]] == ["0", "1", "2", "3"]
    assert grid["legend"]["title"] == "Rank(target)"
    assert app.multiselect[0].value == ["5", "id:7"]


@pytest.mark.parametrize("cell", ["9.9", "1", "-1.2", "<b>", "999999999999.1"])
def test_a_cell_outside_the_grid_is_the_output_of_the_last_pass(open_page: Open, cell: str) -> None:
    assert sent(open_page(cell=cell), "heatgrid")["chosen"] == [6, 3]


@pytest.mark.parametrize("params", [{"passes": "99"}, {"passes": "x"}, {"by": "Beauty"}, {"model": "/etc/passwd"}, {"flip": "perhaps"}])
def test_values_the_url_cannot_have_fall_back(open_page: Open, params: dict[str, str]) -> None:
    app = open_page(**params)
    assert not app.exception
    assert not app.error
    assert len(sent(app, "heatgrid")["columns"]) == 7


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t", "x" * 20_001, "many words " * 1_800])
def test_unusable_prompts_are_answered_with_words(open_page: Open, prompt: str) -> None:
    app = open_page(prompt=prompt or " ")
    assert not app.exception
    message = app.error[0].value
    assert "empty" in message or "shorten" in message
    assert len(app.error) == 1
    assert sent(app, "promptbox")["value"] == (prompt or " "), "what was typed stays, to be corrected"


@pytest.mark.parametrize(
    "prompt",
    ["<script>alert(1)</script> 3 + 4?", "$x^2$ ![a](https://example.org/a.png) :red[b]", "עברית ‮abc‬ 5", "a\x00b\x07 7", "👩‍👩‍👧 has 3 🍎"],
)
def test_any_text_is_only_text(open_page: Open, prompt: str) -> None:
    app = open_page(prompt=prompt)
    assert not app.exception
    assert not app.error
    assert sent(app, "heatgrid")["cells"]
    tokens = "".join(token["text"] for token in sent(app, "promptbox")["tokens"])
    assert "\u202e" not in tokens
    assert "\x07" not in tokens
    assert "<script>" not in "".join(html.proto.body for html in app.get("html"))


def test_unusable_tracked_tokens_are_answered_with_words(open_page: Open) -> None:
    app = open_page(track=["id:99999999"])
    assert "vocabulary has ids" in app.error[0].value
    assert app.multiselect[0].value == ["id:99999999"], "the box to remove it must still be there"


def test_an_unexpected_failure_shows_an_id_and_no_traceback(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("codi_core.ui.lens_panel.paint", broken)
    app = open_page()
    assert not app.exception
    message = app.error[0].value
    assert "secret" not in message
    assert message.split("**")[1] in caplog.text


def test_the_table_shows_the_same_tokens(open_page: Open) -> None:
    grid, app = sent(open_page(), "heatgrid"), open_page(table="true")
    frame = app.dataframe[0].value
    assert list(frame["Layer"]) == [int(row["label"]) for row in grid["rows"]]
    assert list(frame["z2"]) == [row[2]["text"] for row in grid["cells"]]


def test_the_trajectory_follows_the_chosen_cells_token(open_page: Open) -> None:
    app = open_page(cell="2.1")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    top_share = sent(app, "heatgrid")["cells"][2][2]["top"][0][1]
    over_layers = next(trace for trace in figure["data"] if trace["name"] == "z2" and trace["line"]["width"] == 3)
    assert len(over_layers["x"]) == 4
    assert top_share.endswith("%")


def test_an_example_replaces_the_prompt(open_page: Open) -> None:
    app = open_page()
    app.button("example-600 employees → 360").click().run()
    assert sent(app, "promptbox")["value"] == seed_prompt().question
    assert app.query_params["prompt"] == seed_prompt().question
