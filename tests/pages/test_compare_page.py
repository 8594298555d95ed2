"""The Compare page: what is pinned stands side by side on one scale, in the address, with the difference and one export."""

from __future__ import annotations

import json

import pytest

from codi_core.ui.compare.link import Setup, setup_of, text_of
from codi_core.ui.inspect.link import Setup as InspectSetup
from codi_core.ui.steer.link import Setup as SteerSetup
from tests.pages.conftest import Open
from tests.pages.test_links import follow

SHORT = "Ann has 3 apples and buys 4 more. How many apples does she have?"
PINS = (
    text_of(InspectSetup(model="bundled-steps", prompt=SHORT, gold="7")),
    text_of(SteerSetup(model="bundled-steps", prompt=SHORT, gold="7", means_n=100, n=50)),
)


@pytest.mark.parametrize("text", PINS)
def test_a_pinned_state_is_its_own_address(text: str) -> None:
    setup = setup_of(text)
    assert setup is not None and text_of(setup) == text


@pytest.mark.parametrize("text", ["", "tour?", "../x", "model?model=bundled"])
def test_other_addresses_are_no_states(text: str) -> None:
    assert setup_of(text) is None


def test_what_is_pinned_on_a_page_is_there_and_can_be_dropped(open_page: Open) -> None:
    app = open_page("inspect", prompt=SHORT)
    app.button("pin").click().run()
    assert [b.label for b in app.button if b.key == "pin"] == ["Pinned"]
    follow(app, "compare")
    assert not app.exception and not app.error
    assert "pin" in app.query_params
    assert any("Pin another state" in caption.value for caption in app.caption)
    app.button("drop-A").click().run()
    assert any("Nothing is pinned yet" in element.value for element in app.markdown)


def test_nothing_pinned_opens_on_the_example_which_cannot_be_dropped(open_page: Open) -> None:
    app = open_page("compare")
    assert not app.exception and not app.error
    assert len([e for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]) >= len(Setup.example().pins)
    assert [button.key for button in app.button if str(button.key).startswith("drop-")] == []
    assert "pin" not in app.query_params


def test_states_share_a_scale_and_differ_from_the_first(open_page: Open) -> None:
    app = open_page("compare", pin=list(PINS), by="Entropy")
    assert not app.exception and not app.error
    grids = [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]
    assert len(grids) == 3, "A, B and B − A"
    assert grids[0]["legend"]["ticks"] == grids[1]["legend"]["ticks"]
    assert any("to A)" in caption.value for caption in app.caption), "P(gold) of the same prompt"
    app.button("accuracy-B").click().run()
    assert any("of 50 questions of" in element.value.replace("\\", "") for element in app.markdown)
