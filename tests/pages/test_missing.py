"""What a link asks for that is not here is said at the head of the page, with what is shown instead; nothing is said of anything else."""

from __future__ import annotations

import importlib

import pytest
from streamlit.testing.v1 import AppTest

from codi_core.ui.pages import PAGES
from tests.pages.conftest import Open
from tests.pages.test_links import SMALL, follow

FREE = {"prompt", "into", "gold", "steps", "track", "words", "pin", "claim"}
"""Any text, or any number, is a value of these."""
SAID_THERE = {"steer"}
"""A page says by itself what is wrong with an intervention."""
SECONDS = {"steer": {name: SMALL[name] for name in ("n", "means-n")}}
"""What the defaults of these take to compute; in vain they are read as on every other page."""
LATER = {
    "inspect": {"target"},
    "detect": {"value", "cell", "subset"},
    "geometry": {"layer", "step"},
    "ablate": {"replace", "spaces", "site", "put", "space"},
    "influence": {"edge"},
    "heatmaps": {"sweep", "set", "run", "variant", "alpha"},
    "model": {"lens"},
}
"""Controls of what the plain page of a random model does not show: see the states below. `run` is asked for where there are several."""


def said(app: AppTest) -> dict[str, str]:
    """By parameter."""
    lines = [line for box in app.warning for line in box.value.replace("\\", "").split("  \n") if " is not among " in line]
    return {line.partition("“")[2].partition("”")[0] or "model": line for line in lines}


def in_vain(name: str) -> str:
    return "64.64" if name in ("cell", "cut", "from", "to", "pair") else "nowhere"


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_whatever_a_link_asks_for_in_vain_is_named(open_page: Open, page: str) -> None:
    params = importlib.import_module(f"codi_core.ui.{page}.link").Setup.params().values()
    given = SECONDS.get(page, {})
    names = {one.name for one in params} - FREE - SAID_THERE - given.keys()
    app = open_page(page, **given, **{name: in_vain(name) for name in names})
    assert not app.exception
    told = said(app)
    assert names - LATER.get(page, set()) <= told.keys() <= names
    assert all(line.startswith(f"'{in_vain(name)}' is not among ") for name, line in told.items())


@pytest.mark.parametrize(
    ("page", "state", "names"),
    [
        ("inspect", {"by": "P(target)", "track": "7"}, {"target"}),
        ("detect", {"model": "bundled-steps", "view": "Probability"}, {"value", "subset"}),
        ("detect", {"model": "bundled-steps"}, {"cell"}),
        ("geometry", {"latents": "K", "by": "Step value", "means-n": "100"}, {"layer", "step"}),
        ("ablate", {"view": "Every latent"}, {"replace", "spaces"}),
        ("ablate", {"view": "One prompt"}, {"put"}),
        ("heatmaps", {"model": "bundled"}, {"sweep", "set", "alpha", "pick"}),
        ("heatmaps", {"model": "bundled", "sweep": "factorial"}, {"variant"}),
        ("model", {"model": "bundled-steps"}, {"lens"}),
    ],
)
def test_and_so_is_what_stands_in_another_state_of_a_page(open_page: Open, page: str, state: dict[str, str], names: set[str]) -> None:
    app = open_page(page, **state, **{name: in_vain(name) for name in names})
    assert not app.exception
    assert said(app).keys() == names


def test_the_line_says_what_is_shown_and_goes_when_something_is_chosen(open_page: Open) -> None:
    app = open_page("inspect", by="Length", measure="Weight")
    assert said(app) == {
        "by": "'Length' is not among what “by” can be here: what is shown is Top-1 probability.",
        "measure": "'Weight' is not among what “measure” can be here: what is shown is Probability.",
    }
    app.button_group("url-by").set_value("Entropy").run()
    assert said(app).keys() == {"measure"}


def test_what_another_page_left_behind_is_no_link(open_page: Open) -> None:
    app = open_page("inspect", by="KL to output", **SMALL)
    assert not app.warning
    follow(app, "geometry")
    assert not app.warning, "nobody asked for a colour of Inspect here"
    follow(app, "tour")
    follow(app, "geometry", by="KL to output", **{"means-n": "100"})
    assert said(app).keys() == {"by"}
    follow(app, "tour")
    follow(app, "geometry")
    assert not app.warning
