"""The Steer page: three answers and an effect on arrival, everything from the URL, refusals in words, no number without its baseline."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from codi_core.cli import make_parser
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.services.shared.requests import MeansRequest, SteerRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.services.sweeps.stored import stored_sweeps
from codi_core.settings import Settings
from codi_core.steering.flags import methods_of, text_of
from codi_core.steering.presets import PRESETS
from codi_core.store import Store
from codi_core.ui.steer.lens import reached
from codi_core.values.sweep import Grid
from codi_core.values.verdict import points
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import words

SMALL = {"n": "12", "means-n": "20", "controls": "0"}
HIDDEN = "hidden source=difference a=2 b=4 coefficient=1 indices=3"


def sent(app: AppTest, name: str) -> list[dict[str, Any]]:
    """What our components of that name were given to draw, in their order on the page."""
    return [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == f"codi_{name}"]


def html(app: AppTest) -> str:
    """Without tooltips."""
    return re.sub(r"</?abbr[^>]*>", "", "\n".join(element.proto.body for element in app.get("html")))


def test_three_answers_and_an_effect_are_there_on_arrival(open_page: Open) -> None:
    app = open_page("steer", **{**SMALL, "controls": "3"})
    assert not app.exception
    assert not app.error
    for title in ("Baseline", "Steered", "Random control"):
        assert f"**{title}**" in words(app)
    assert len(sent(app, "ranking")) == 5, "three panes, and the chosen cell twice"
    assert "complete: 12 of 12 questions, 3 of 3 random directions" in words(app)
    for fact in ("fixed", "only in form", "gold margin", "McNemar&#x27;s p", "effective n", "clusters", "too few: a percentile takes 20"):
        assert fact in html(app), fact
    for bar in ("Baseline", "Steered", "3 random"):
        assert f'aria-label="{bar}: ' in html(app), bar
    figure = json.loads(app.get("plotly_chart")[-1].proto.spec)
    assert {trace["name"] for trace in figure["data"]} == {"Baseline", "Random directions", "Steered"}


def test_where_nothing_is_added_no_random_direction_stands_beside(open_page: Open) -> None:
    app = open_page("steer", **{**SMALL, "controls": "3", "steer": "replacement by=zero indices=2 space=z"})
    assert not app.exception and not app.error
    assert "complete: 12 of 12 questions" in words(app) and "random directions" not in words(app).split("complete:")[1][:60]


@pytest.mark.parametrize("do", ["steer", "ablate", "swap"])
def test_token_directions_stand_beside_random_ones(open_page: Open, do: str) -> None:
    method = f"token token=3 indices=2 layer=1 do={do} {'into=4 ' if do == 'swap' else ''}lens=logit"
    app = open_page("steer", **{**SMALL, "controls": "2", "steer": method})
    assert not app.exception and not app.error
    assert "**Random control**" in words(app)
    assert "complete: 12 of 12 questions, 2 of 2 random directions" in words(app)
    assert 'aria-label="2 random: ' in html(app)


def test_the_grids_show_where_the_edit_is_and_what_it_reaches(open_page: Open) -> None:
    baseline, steered, change = (
        grid for grid in sent(open_page("steer", **SMALL, steer=HIDDEN), "heatgrid") if "logit lens" in grid["label"]
    )
    assert not any(cell["edge"] for row in baseline["cells"] for cell in row)
    for grid in (steered, change):
        assert grid["cells"][-1][4]["edge"] == "site left", "z3 enters index 4 as its embedding"
        assert grid["cells"][0][4]["edge"] == "left"
    assert all(cell["text"] == "·" for row in change["cells"] for cell in row[:4])


def test_pairs_are_coloured_by_the_stored_sweep_and_its_coefficients_are_on_the_scale(open_page: Open) -> None:
    """What the cell says is the table's own number, with the sign that the order of the pair asks for."""
    small = {**SMALL, "means-n": "100"}
    app = open_page("steer", **small, model="bundled-steps", steer="kv source=difference a=4 b=2 coefficient=-0.7 indices=3")
    assert not app.exception and not app.error
    (grid,) = (grid for grid in sent(app, "heatgrid") if grid["label"].startswith("A by B"))
    assert grid["label"] == "A by B: Points at α = −0.5, stored sweep: 200 of 'select'"
    table = next(
        table for table in stored_sweeps(Store(Settings())) if (table.model_name, table.eval_set.name) == ("bundled-steps", "select")
    )
    row = Grid(table, "kv-corrected").rows[2, 4, 3, 0.5]
    assert grid["cells"][4][2]["text"] == points(row["delta"]), "B − A turned round at −0.5 is A − B at 0.5"
    assert grid["chosen"] == [2, 4]
    assert [line[0]["text"] for line in grid["cells"]] == ["", *"······"], "index 0 is no part of the sweep"
    assert html(app).count('class="tick"') == len(Grid(table, "kv-corrected").coefficients)
    app = open_page("steer", **small, model="bundled-steps", steer="kv source=difference a=2 b=4 coefficient=1 indices=3 layers=1")
    assert "‖mean B − mean A‖" in next(grid["label"] for grid in sent(app, "heatgrid") if grid["label"].startswith("A by B"))


def test_presenting_leaves_the_setup_out(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN, present="yes")
    assert not app.exception and not app.error
    assert not [box for box in app.selectbox if box.key == "steer-preset"]
    assert app.slider("steer-slider").value == 1.0 and app.button_group("steer-kind").value == "hidden"
    app.toggle("url-present").set_value(False).run()
    assert app.selectbox("steer-preset") and app.query_params["present"] == "no"
    assert app.query_params["steer"] == HIDDEN


def test_coefficient_zero_is_the_baseline_bit_for_bit(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN.replace("coefficient=1", "coefficient=0"))
    assert not app.error
    assert "identical to the baseline, bit for bit" in words(app)
    assert "Identical to the baseline on all 12 questions, bit for bit." in html(app)
    assert "complete: 12 of 12 questions" in words(app)


def test_the_slider_the_box_and_the_buttons_write_the_url(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN)
    app.slider("steer-slider").set_value(-1.0).run()
    assert app.query_params["steer"] == HIDDEN.replace("coefficient=1", "coefficient=-1")
    assert app.number_input("steer-number").value == -1.0
    app.number_input("steer-number").set_value(0.3).run()
    assert app.slider("steer-slider").value == 0.3
    app.button("steer-flip").click().run()
    assert "coefficient=-0.3" in app.query_params["steer"]
    app.button("steer-zero").click().run()
    assert "coefficient=0" in app.query_params["steer"]
    assert not app.error
    assert len(json.loads(app.get("plotly_chart")[-1].proto.spec)["data"][-1]["x"]) > 3, "the curve keeps what was visited"


def test_a_click_made_before_the_browser_has_followed_undoes_nothing(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN)
    app.slider("steer-slider").set_value(-1.0).run()
    app.query_params["steer"] = HIDDEN  # the address the browser still has
    app.button_group("steer-field-a").set_value(1).run()
    pushed = HIDDEN.replace("coefficient=1", "coefficient=-1").replace("a=2", "a=1")
    assert app.query_params["steer"] == pushed
    app.query_params["steer"] = HIDDEN
    app.button_group("url-n").set_value("50").run()
    assert app.query_params["steer"] == pushed
    assert app.slider("steer-slider").value == -1.0


def test_doses_are_relative_to_what_stands_at_the_site(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN)
    line = next(caption.value for caption in app.caption if "‖αv‖" in caption.value)
    dose = float(line.split("dose ")[1].split()[0])
    app = open_page("steer", **SMALL, steer=HIDDEN, unit="dose")
    assert app.slider("steer-slider").value == pytest.approx(dose, abs=0.01)
    app.slider("steer-slider").set_value(0.0).run()
    assert "coefficient=0" in app.query_params["steer"]


@pytest.mark.parametrize(
    ("steer", "message"),
    [
        ("hidden source=difference a=2 b=4 coefficient=1 indices=6", "never consumed"),
        ("hidden source=difference a=3 b=3 coefficient=1 indices=2", "A and B are both 3"),
        ("kv source=difference a=2 b=4 coefficient=1 indices=", "No index"),
        ("hidden source=difference a=2 b=4 coefficient=1 indices=2 space=resid layer=9", "layer from 1 to 3"),
        ("hidden source=content index=3 value=123456 coefficient=1 indices=3", "123,456|123456|1.23456e"),
    ],
)
def test_what_cannot_be_done_is_refused_once_with_its_reason(open_page: Open, steer: str, message: str) -> None:
    app = open_page("steer", **SMALL, steer=steer)
    assert not app.exception
    assert len(app.error) == 1
    assert any(part in app.error[0].value.replace("\\", "") for part in message.split("|")), app.error[0].value
    assert app.slider("steer-slider"), "the controls to change it stay"


@pytest.mark.parametrize(
    "steer",
    [
        "kv a=2",
        "wave source=difference a=1 b=2 coefficient=1 indices=3",
        "kv a='",
        "",
        "x" * 3_000,
        "hidden + +",
        HIDDEN.replace("coefficient=1", "coefficient=nan"),
        HIDDEN.replace("coefficient=1", "coefficient=-inf"),
        HIDDEN.replace("coefficient=1", "coefficient=1e9"),
    ],
)
def test_an_unreadable_intervention_is_said_and_replaced(open_page: Open, steer: str) -> None:
    app = open_page("steer", **SMALL, steer=steer)
    assert not app.exception
    assert len(app.error) == 1
    assert "Shown instead" in app.error[0].value
    assert "complete" in words(app)


@pytest.mark.parametrize("name", ["upload-0123456789ab.jsonl", "upload-../../etc/passwd"])
def test_an_uploaded_file_that_is_gone_is_said_to_be(open_page: Open, name: str) -> None:
    app = open_page("steer", **{**SMALL, "set": name})
    assert not app.exception
    assert len(app.error) == 1
    assert "**Steered**" in words(app), "the prompt is still answered"


def test_means_and_evaluation_may_not_share_questions(open_page: Open) -> None:
    shared = {"set": "templates", "means": "templates", "n": "12", "means-n": "0", "controls": "0"}
    app = open_page("steer", **shared)
    assert "share" in app.error[0].value
    assert "**Steered**" in words(app), "the prompt is still answered"
    app = open_page("steer", **shared, overlap="yes")
    assert not app.error
    assert "optimistic" in words(app)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_everything_it_stands_for(open_page: Open, name: str) -> None:
    app = open_page("steer", **SMALL, steer="kv source=difference a=1 b=5 coefficient=-0.5 indices=4")
    app.selectbox("steer-preset").select(name).run(timeout=240)
    assert not app.exception
    assert all("GSM8k" in error.value for error in app.error), "of a model that is not ours the posts' means come from the hub"
    assert app.query_params["steer"] == text_of([PRESETS[name].make(1, 5, 4, -0.5)])
    assert app.selectbox("steer-preset").value == name
    assert ("optimistic" in words(app)) is PRESETS[name].overlap


def test_every_field_of_the_form_writes_the_intervention(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer="kv source=difference a=2 b=4 coefficient=1 indices=5")
    app.button_group("steer-kind").set_value("hidden").run()
    assert app.query_params["steer"].startswith("hidden source=difference a=2 b=4 coefficient=1 indices=5")
    app.button_group("steer-field-space").set_value("resid").run()
    app.button_group("steer-field-layer").set_value(3).run()
    app.button_group("steer-field-a").set_value(1).run()
    app.button_group("steer-field-sign").set_value("A-B").run()
    assert not app.error
    (method,) = methods_of(app.query_params["steer"])
    assert text_of([method]) == "hidden source=difference a=1 b=4 sign=A-B coefficient=1 indices=5 space=resid layer=3"
    app.selectbox("steer-field-source").select("random").run()
    assert "source=random like=difference a=1 b=4 sign=A-B" in app.query_params["steer"]
    app.button_group("steer-kind").set_value("replacement").run()
    assert not app.exception
    assert app.query_params["steer"].startswith("replacement by=mean indices=5")


def test_a_combination_of_interventions_is_shown_and_scaled_together(open_page: Open) -> None:
    both = "hidden source=difference a=2 b=4 coefficient=1 indices=2 + kv source=difference a=1 b=3 coefficient=1 indices=5"
    app = open_page("steer", **SMALL, steer=both)
    assert not app.error
    app.slider("steer-slider").set_value(0.5).run()
    assert app.query_params["steer"] == both.replace("coefficient=1", "coefficient=0.5")


def test_the_command_lines_say_what_is_on_screen(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer=HIDDEN, prompt=seed_prompt().question)
    prompt, eval_set = (block.value for block in app.code if "codi_core" in block.value)
    assert f"--condition '{HIDDEN}'" in prompt
    assert "600 employees" in prompt
    assert "-n 12" in eval_set
    assert "--means-n 20" in eval_set
    for line in (prompt, eval_set):
        arguments = make_parser().parse_args(shlex.split(line)[3:])
        assert methods_of(arguments.condition) == methods_of(HIDDEN)


def test_an_answer_nobody_knows_is_neither_right_nor_wrong(open_page: Open) -> None:
    app = open_page("steer", **SMALL, prompt="What is the capital of France?")
    assert not app.error
    assert "P(gold) unknown" in words(app)
    assert "no known answer" in words(app)


@pytest.mark.parametrize(
    "params",
    [{"n": "-5"}, {"n": "999999"}, {"set": "/etc/passwd"}, {"means": "x"}, {"controls": "1e3"}, {"control-seed": "²"}],
)
def test_values_the_url_cannot_have_fall_back(open_page: Open, params: dict[str, str]) -> None:
    app = open_page("steer", **{**SMALL, **params})
    assert not app.exception
    assert not app.error


@pytest.fixture(scope="module")
def workbench(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(cache_dir=tmp_path_factory.mktemp("steer-cache"), model=str(tiny), device="cpu", dtype="float32", threads=1))
    yield bench
    bench.close()


@pytest.mark.parametrize(
    "text",
    [
        "hidden source=difference a=2 b=4 coefficient=3 indices=2",
        "hidden source=difference a=2 b=4 coefficient=3 indices=4 space=h",
        "hidden source=difference a=2 b=4 coefficient=3 indices=6 space=resid layer=2",
        "hidden source=difference a=2 b=4 coefficient=3 indices=3 space=resid layer=1",
        "kv source=difference a=2 b=4 coefficient=3 indices=3",
        "kv source=difference a=2 b=4 coefficient=3 indices=4 layers=1",
        "kv source=difference a=2 b=4 coefficient=3 indices=5 then=stop",
        "replacement by=zero indices=2,4",
    ],
)
def test_what_is_drawn_as_reached_is_exactly_what_changes(workbench: Workbench, text: str) -> None:
    request = SteerRequest(workbench.settings.model, team_prompt().question, methods_of(text), MeansRequest(n=40))
    found = steer(workbench, request, "test")
    changed = found.steered.change["logit"] > 0
    area = reached(found)
    assert not (changed & ~area.cells).any(), "nothing changes outside"
    for index in np.flatnonzero(area.cells.any(1)):
        assert changed[index].any(), "and every index inside does"
    assert replace(request, control_seed=1).key != request.key


@pytest.mark.parametrize(("asked", "shown"), [("tuned:all", "tuned:all"), ("tuned:none", "logit"), ("../x", "logit")])
def test_the_grids_are_read_with_the_lens_of_the_url(open_page: Open, asked: str, shown: str) -> None:
    app = open_page("steer", **SMALL, model="bundled-steps", lens=asked)
    assert not app.exception
    assert not app.error
    labels = [grid["label"] for grid in sent(app, "heatgrid")]
    assert [label for label in labels if label.endswith(" lens")] == [
        f"{pane}: {shown} lens" for pane in ("Baseline", "Steered", "Difference")
    ]
    assert ("--lens tuned:all" in app.code[0].value) == (shown != "logit")


def test_ones_own_answer_is_scored(open_page: Open) -> None:
    own = {"model": "bundled-steps", "prompt": "A shop has 12 lamps. Then 5 more lamps arrive. How many lamps are there?"}
    small = {"n": "12", "means-n": "100", "controls": "0"}
    app = open_page("steer", **own, **small)
    assert any("P(gold) unknown" in caption.value for caption in app.caption)
    app = open_page("steer", **own, **small, gold="17")
    assert not app.exception and not app.error
    scores = [caption.value for caption in app.caption if caption.value.startswith("P(gold) ")]
    assert len(scores) == 3 and not any("unknown" in score for score in scores)
    assert any("--gold 17" in code.value for code in app.code)
