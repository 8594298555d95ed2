"""The Tour: links to models that ship. That each opens what it promises: tests/browser/test_tour.py."""

from __future__ import annotations

from codi_core.models.presets import PRESETS
from codi_core.ui.tour.stops import stops
from tests.pages.conftest import Open


def test_the_tour_is_its_links_and_three_minutes(open_page: Open) -> None:
    app = open_page("tour")
    assert not app.exception
    assert not app.error
    links = [element.proto for element in app.get("page_link")]
    assert [link.label for link in links] == [stop.link for stop in stops()]
    assert all(PRESETS[stop.setup.model].hub_id is None for stop in stops())
    assert sum(stop.seconds for stop in stops()) <= 180
