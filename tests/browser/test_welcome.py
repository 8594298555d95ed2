"""The first minute: where am I, what are the ways in, and is what matters on the screen without scrolling."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from codi_core.ui.pages import GROUPS, PAGES
from tests.browser.conftest import settled

SMALL = ((1280, 720), (1024, 768))
"""Screens."""
SENTENCE = "thinks in six latent vectors instead of words"


@pytest.mark.parametrize("intro", ["", "&intro=closed"])
@pytest.mark.parametrize(("width", "height"), SMALL)
def test_the_answer_and_four_rows_of_the_lens_are_on_the_first_screen(
    page: Page, address: str, width: int, height: int, intro: str
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{address}/?model=bundled-steps{intro}")
    rows = page.get_by_role("grid").get_by_role("row").filter(has=page.get_by_role("gridcell"))
    expect(rows.nth(4)).to_be_in_viewport(ratio=1)  # the first is the head
    expect(page.locator(".st-key-answer-text")).to_be_in_viewport(ratio=1)
    expect(page.get_by_text(SENTENCE)).to_have_count(0 if intro else 1)


def test_the_first_screen_loads_no_charts_and_they_come_when_scrolled_to(page: Page, address: str) -> None:
    """Plotly is two thirds of all the script there is."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}/?model=bundled-steps")
    settled(page)
    expect(page.get_by_role("gridcell").first).to_be_visible()
    assert not any("plotly" in url.lower() for url in asked)
    place = page.get_by_role("figure", name=re.compile("^Probability, "))
    expect(place).to_contain_text("Drawn when it comes in sight")
    place.scroll_into_view_if_needed()
    expect(page.locator(".stPlotlyChart")).to_have_count(1)
    expect(page.get_by_text(re.compile("over indices ·"))).to_be_visible()
    assert any("plotly" in url.lower() for url in asked)


def test_every_page_is_in_the_navigation_of_a_small_screen(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    page.goto(f"{address}/data?n=64")
    navigation = page.get_by_role("navigation", name="App pages")
    for row in PAGES:
        expect(navigation.get_by_role("link", name=row.title, exact=True)).to_be_in_viewport(ratio=1)
    groups = navigation.locator(".rc-overflow-item").evaluate_all(
        "items => items.map(item => getComputedStyle(item, '::before').content).filter(text => text !== 'none')"
    )
    assert [text.strip('"') for text in groups] == list(GROUPS)


def test_the_three_ways_in_and_the_way_out(page: Page, address: str) -> None:
    page.goto(f"{address}/?model=bundled-steps")
    page.get_by_role("link", name="Take the tour").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Tour")
    page.go_back()
    page.get_by_role("link", name="Redo Sprint #3").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Claims")
    page.go_back()

    page.get_by_role("button", name="My own prompt").click()
    box = page.get_by_role("textbox", name="Prompt")
    expect(box).to_be_focused()
    expect(box).to_have_value("")
    expect(page.get_by_text(SENTENCE)).to_be_hidden()
    expect(page).to_have_url(re.compile("intro=closed"))
    page.get_by_role("link", name="Data", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Data")
    page.get_by_role("link", name="Inspect", exact=True).click()
    expect(page.get_by_role("grid")).to_be_visible()
    expect(page.get_by_text(SENTENCE)).to_be_hidden()
    page.get_by_role("button", name="What is this?").click()
    expect(page.get_by_text(SENTENCE)).to_be_visible()


@pytest.mark.parametrize("path", ["detect", "ablate"])
@pytest.mark.parametrize("model", ["bundled", "bundled-steps"])
def test_no_page_opens_blank(page: Page, address: str, path: str, model: str) -> None:
    page.goto(f"{address}/{path}?model={model}")
    expect(page.get_by_text("stored result").first).to_be_visible()
    expect(page.get_by_role("grid").or_(page.locator(".js-plotly-plot")).first).to_be_visible()
