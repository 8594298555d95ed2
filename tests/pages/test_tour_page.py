"""The Tour: links, each of which opens what it promises."""

from __future__ import annotations

import pytest

from codi_core.models.presets import PRESETS
from codi_core.ui.tour.stops import Stop, stops
from tests.pages.conftest import Open


def test_the_tour_is_its_links_and_three_minutes(open_page: Open) -> None:
    app = open_page("tour")
    assert not app.exception
    assert not app.error
    links = [element.proto for element in app.get("page_link")]
    assert [link.label for link in links] == [stop.link for stop in stops()]
    assert sum(stop.seconds for stop in stops()) <= 180


@pytest.mark.parametrize("stop", stops(), ids=lambda stop: stop.setup.page)
def test_every_link_opens(open_page: Open, stop: Stop) -> None:
    assert stop.setup.model in PRESETS and PRESETS[stop.setup.model].hub_id is None
    app = open_page(stop.setup.page, **stop.setup.query())
    assert not app.exception
    assert not app.error
    assert app.selectbox("url-model").value == stop.setup.model
