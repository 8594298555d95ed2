"""The Inspect page: a result on arrival, state from the URL, readable words for unusable input, nothing interpreted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.services.inspect import Inspection, InspectRequest, inspect
from codi_core.services.shared.workbench import Workbench
from codi_core.ui.shell import calls
from codi_core.values.callbacks import OnWait
from tests.pages.conftest import Open


def sent(app: AppTest, name: str) -> dict[str, Any]:
    """What our component of that name was given to draw."""
    data: dict[str, Any] = next(json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == f"codi_{name}")
    return data


def words(app: AppTest) -> str:
    """Everything Streamlit itself was given to show, but for the place in the line: a busy machine says it, a quiet one does not."""
    shown = [*app.text, *app.caption, *app.markdown, *app.error, *app.warning, *app.info]
    return "\n".join(text for element in shown if "Waiting for the model" not in (text := str(element.value)))


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
    app = open_page(track=["id:99999999", "7"], by="P(target)", target="7")
    assert "vocabulary has ids" in app.error[0].value.replace("\\", "")
    assert app.multiselect[0].value == ["id:99999999", "7"], "the box to remove it must still be there"
    assert sent(app, "heatgrid")["legend"]["title"] == "P(target)", "and the other one is followed"


def test_a_view_of_the_page_asks_the_service_once(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[InspectRequest] = []

    def counted(workbench: Workbench, request: InspectRequest, viewer: str, on_wait: OnWait | None = None) -> Inspection:
        asked.append(request)
        return inspect(workbench, request, viewer, on_wait)

    monkeypatch.setattr(calls, "inspect", counted)
    view: dict[str, str | list[str]] = {
        "model": "bundled-steps",
        "prompt": "Only this test asks: how many are 2 and 3?",
        "track": ["7"],
        "lens": ["logit", "tuned:odd", "difference"],
    }
    app = open_page(**view, cell="2.1", by="P(target)")
    assert not app.exception
    assert not app.error
    assert len(asked) == 1
    app.run()
    open_page(**view, cell="2.1", by="Entropy")
    assert len(asked) == 1, "what was read is kept"
    open_page(**view, cell="3.1")
    assert len(asked) == 2


def labels(app: AppTest) -> list[str]:
    """Of the grids, left to right."""
    return [json.loads(e.proto.json)["label"] for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]


LOGIT, TUNED, BOTH = "Logit lens: top-1 token", "Tuned lens: top-1 token", "Difference lens: top-1 token"


@pytest.mark.parametrize(
    ("lenses", "shown", "read"),
    [
        ([], [LOGIT], "logit lens"),
        (["tuned:odd"], [TUNED], "tuned:odd lens"),
        (["tuned:odd", "logit"], [LOGIT, TUNED], "logit and tuned:odd lens"),
        (["difference"], [BOTH], "logit and tuned:all lens"),
        (["tuned:odd", "difference"], [TUNED, BOTH], "logit and tuned:odd lens"),
        (["Logit", "Tuned", "Difference"], [LOGIT, TUNED, BOTH], "logit and tuned:all lens"),
        (["tuned:none", "<b>", "../x"], [LOGIT], "logit lens"),
    ],
)
def test_the_lenses_of_the_url_are_shown(open_page: Open, lenses: list[str], shown: list[str], read: str) -> None:
    app = open_page(model="bundled-steps", lens=lenses)
    assert not app.exception
    assert not app.error
    assert [label for label in labels(app) if label.endswith("top-1 token")] == shown
    assert read in next(caption.value for caption in app.caption if "key" in caption.value).replace("\\", "")


def test_a_link_of_before_names_the_variant_apart(open_page: Open) -> None:
    app = open_page(model="bundled-steps", lens=["Tuned"], tuned="even")
    assert labels(app)[0] == TUNED
    assert app.selectbox("lens-variant-tuned").value == "even"


def test_a_variant_and_a_kind_are_chosen(open_page: Open) -> None:
    app = open_page(model="bundled-steps", lens=["logit", "tuned:odd"])
    app.selectbox("lens-variant-tuned").select("text").run()
    assert app.query_params["lens"] == ["logit", "tuned:text"]
    kinds = next(group for group in app.button_group if group.key == "lens-kinds")
    kinds.set_value(["tuned", "difference"]).run()
    assert app.query_params["lens"] == ["tuned:text", "difference"]
    assert labels(app)[:2] == [TUNED, BOTH]


def test_an_unexpected_failure_shows_an_id_and_no_traceback(
    open_page: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("codi_core.ui.inspect.panel.paint", broken)
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
    over_layers = next(trace for trace in figure["data"] if trace["name"].startswith("▸ "))
    assert len(over_layers["x"]) == 4
    assert top_share.endswith("%")


def test_an_example_replaces_the_prompt(open_page: Open) -> None:
    app = open_page()
    app.button("example-600 employees → 360").click().run()
    assert sent(app, "promptbox")["value"] == seed_prompt().question
    assert app.query_params["prompt"] == seed_prompt().question


def test_an_answer_in_words_is_judged_as_words(open_page: Open) -> None:
    asked = load_eval_set("who-has-more", 1)[1][0]
    app = open_page(prompt=asked.question)
    assert not app.exception and not app.error
    shown = " ".join(element.value for element in app.markdown)
    assert f"correct: {asked.gold}" in shown and "no number" not in shown


OWN = "A shop has 12 lamps. Then 5 more lamps arrive. How many lamps are there?"


def test_ones_own_answer_brings_marks_scores_and_goes_with_its_prompt(open_page: Open) -> None:
    app = open_page("inspect", model="bundled-steps", prompt=OWN, gold="17", steps="17", intro="closed")
    assert not app.exception and not app.error
    assert any("as given" in caption.value for caption in app.caption)
    assert any(badge in str(sent(app, "heatgrid")["cells"]) for badge in ("'mark': 'ans'", '"mark": "ans"'))
    app.button("example-600 employees → 360").click().run()
    assert not any(app.query_params.get(name) for name in ("gold", "steps")), "another prompt, another answer"
    assert any("correct: 360" in element.value for element in app.markdown)


def test_a_step_value_that_is_no_number_is_refused_in_words(open_page: Open) -> None:
    app = open_page("inspect", prompt=OWN, gold="17", steps="many")
    assert not app.exception
    assert "not a number" in app.error[0].value.replace("\\", "")


def test_the_first_prompt_of_the_posts_is_known_without_its_ending(open_page: Open) -> None:
    bare = seed_prompt().question.partition(" Output only")[0]
    app = open_page("inspect", model="bundled-steps", prompt=bare)
    assert any("known with another ending" in caption.value for caption in app.caption)


def test_the_chosen_cell_as_a_sum_of_token_directions(open_page: Open) -> None:
    app = open_page(cell="2.2", sparse="yes")
    assert not app.exception and not app.error
    assert "of its squared length" in words(app) and "Of random vectors" in words(app)
    assert any("codi_core sparse" in code.value and "--cell 2.2" in code.value for code in app.code)
    assert "of its squared length" not in words(open_page(cell="2.2")), "made on demand"
