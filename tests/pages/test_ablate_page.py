"""The Ablate and Geometry pages: every view is a link, runs finish and are found again, refusals in words, ways to the Steer page."""

from __future__ import annotations

import shlex
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.cli import make_parser
from codi_core.steering.flags import methods_of
from codi_core.ui.steer.link import Setup
from tests.pages.conftest import Open, computed
from tests.pages.test_inspect_page import sent
from tests.pages.test_inspect_page import words as escaped

SMALL = {"n": "64", "passes": "2"}
MAP = {**SMALL, "view": "Every latent", "replace": "zeros", "spaces": ["z", "KV slot"]}
PROMPT = {"view": "One prompt", "passes": "2", "draws": "20"}
LATENTS = {"means-n": "100", "passes": "2"}


def finished(app: AppTest, label: str = "Run") -> AppTest:
    """Press Run if there is such a button, and wait: the work is in a thread of its own."""
    for button in app.button:
        if button.label == label:
            button.click().run()
            break
    app = computed(app)
    assert not app.exception
    return app


def words(app: AppTest) -> str:
    return escaped(app).replace("\\", "")


def commands(app: AppTest) -> list[list[str]]:
    return [shlex.split(code.value)[3:] for code in app.code if code.value.startswith("python")]


def links(app: AppTest) -> list[str]:
    return [element.proto.query_string for element in app.get("page_link")]


def test_early_stop_runs_and_is_found_again(open_page: Open) -> None:
    app = finished(open_page("ablate", **SMALL))
    assert not app.error
    assert "after 2 passes" in words(app) and "n = 64" in words(app)
    assert len(app.get("plotly_chart")) == 1
    again = open_page("ablate", **SMALL, lines="Steps", table="true")
    assert not any(button.label == "Run" for button in again.button), "stored"
    assert set(again.dataframe[0].value["passes"]) == {0, 1, 2}
    for words_ in commands(again):
        make_parser().parse_args(words_)


def test_every_latent_is_measured_and_opens_on_the_steer_page(open_page: Open) -> None:
    app = finished(open_page("ablate", **MAP))
    assert not app.error
    grid = sent(app, "heatgrid")
    assert [row["label"] for row in grid["rows"]] == ["zeros · z", "zeros · KV slot"]
    refused = grid["cells"][0][2]
    assert refused["text"] == "–" and "never consumed" in refused["facts"][0] and refused["edge"] == "quiet"
    chosen = open_page("ablate", **MAP, site="zero.kv.2", measure="Gold margin")
    assert "KV slot at index 2" in words(chosen)
    (query,) = links(chosen)
    assert "steer=replacement" in query and "n=64" in query and "passes=2" in query
    for words_ in commands(chosen):
        make_parser().parse_args(words_)


def test_a_refused_site_says_why(open_page: Open) -> None:
    finished(open_page("ablate", **MAP))
    app = open_page("ablate", **MAP, site="zero.z.2")
    assert any("never consumed" in caption.value for caption in app.caption)


@pytest.mark.parametrize("site", ["nonsense", "zero.z.99", "content.z.1", "<b>.z.1"])
def test_a_link_to_no_site_shows_one_there_is(open_page: Open, site: str) -> None:
    finished(open_page("ablate", **MAP))
    app = open_page("ablate", **MAP, site=site)
    assert not app.exception and not app.error


def test_means_from_the_evaluated_questions_are_refused(open_page: Open) -> None:
    app = open_page("ablate", **{**MAP, "replace": "mean latent", "set": "means"})
    assert not app.exception
    assert any("share" in error.value for error in app.error)


def test_the_latents_of_one_prompt(open_page: Open) -> None:
    app = finished(open_page("ablate", **PROMPT, space="KV slot", gold="25"))
    assert not app.error
    assert "Its own answer" in words(app) and "correct: 25" in words(app), "as given in the address"
    assert len(app.get("plotly_chart")) == 1 and len(app.dataframe[0].value) == 7
    (line,) = commands(app)
    assert make_parser().parse_args(line).draws == 20


@pytest.mark.parametrize("colour", ["Index", "Odd / even", "Step value", "Answered right"])
def test_latents_along_their_components(open_page: Open, colour: str) -> None:
    app = open_page("geometry", **LATENTS, by=colour)
    assert not app.exception
    assert not app.error
    assert len(app.get("plotly_chart")) == 2
    assert "PC1 holds" in words(app)
    (query,) = links(app)
    assert "source%3Dcomponent" in query or "source=component" in query
    for line in commands(app):
        make_parser().parse_args(line)


@pytest.mark.parametrize(
    ("params", "method"),
    [
        ({"latents": "h", "at": "1"}, "hidden source=component coefficient=1 indices=1 space=h"),
        ({"latents": "K", "at": "2"}, "kv source=component coefficient=1 indices=2 value_weight=0"),
        ({"latents": "residual", "depth": "2", "at": "2"}, "hidden source=component coefficient=1 indices=2 space=resid layer=2"),
    ],
)
def test_a_component_becomes_a_steering_vector(open_page: Open, params: dict[str, str], method: str) -> None:
    app = open_page("geometry", **LATENTS, **params)
    assert not app.exception
    (query,) = links(app)
    given = parse_qs(query)
    setup = Setup.of(lambda name: given.get(name, []))
    assert setup.methods == methods_of(method)
    assert (setup.means_set, setup.means_n) == ("means", 100)


def test_one_layer_has_no_steering_source(open_page: Open) -> None:
    app = open_page("geometry", **LATENTS, latents="V", layer="1")
    assert not app.exception
    assert not links(app)
    assert any("no such steering source" in caption.value for caption in app.caption)


def test_tables_stand_in_for_every_figure(open_page: Open) -> None:
    app = open_page("geometry", **LATENTS, **{"table": "true", "scree-table": "true", "cosine-table": "true"})
    assert not app.exception
    assert not app.get("plotly_chart") and len(app.dataframe) == 3
