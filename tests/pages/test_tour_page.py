"""The Tour: five links, each of which opens what it promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from codi_core.models.presets import PRESETS
from codi_core.settings import ROOT
from codi_core.ui.tour import Stop, stops
from tests.pages.conftest import Open


def test_the_tour_is_five_links_and_three_minutes(open_page: Open) -> None:
    app = open_page("tour")
    assert not app.exception
    assert not app.error
    links = [element.proto for element in app.get("page_link")]
    assert [link.label for link in links] == [stop.link for stop in stops()]
    assert len(links) == 5
    assert sum(stop.seconds for stop in stops()) <= 180


@pytest.mark.parametrize("stop", stops(), ids=lambda stop: Path(stop.page).stem)
def test_every_link_opens(open_page: Open, stop: Stop) -> None:
    assert (ROOT / stop.page).is_file() and f'"{stop.page}"' in (ROOT / "app.py").read_text()
    assert stop.query["model"] in PRESETS and PRESETS[stop.query["model"]].hub_id is None
    app = open_page(Path(stop.page).stem.replace("inspect", ""), **stop.query)
    assert not app.exception
    assert not app.error
    assert app.selectbox("model").value == stop.query["model"]
