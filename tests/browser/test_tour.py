"""Links in a browser: the address, the picker and the numbers agree, whichever model was looked at before."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from codi_core.ui.pages import page_of
from codi_core.ui.tour.stops import stops
from tests.browser.conftest import settled


@pytest.mark.parametrize("before", ["bundled", "bundled-steps"])
def test_every_stop_of_the_tour_shows_the_model_it_names(page: Page, address: str, before: str) -> None:
    for stop in stops():
        page.goto(f"{address}/tour?model={before}")
        page.get_by_role("link", name=stop.link).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(page_of(stop.setup.page).title)
        expect(page).to_have_title(f"{page_of(stop.setup.page).title} · CODI Explorer")
        expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(stop.setup.model)
        assert parse_qs(urlparse(page.url).query)["model"] == [stop.setup.model], page.url
        settled(page)
        expect(page.locator("[data-testid=stException], [data-testid=stAlertContentError]")).to_have_count(0)
        if stop.setup.page != "detect":  # nothing is computed there yet
            line = page.get_by_text(re.compile(rf"^{stop.setup.model} · (weights|model) ")).first
            expect(line).to_be_visible()


def test_the_model_of_the_picker_goes_along_and_a_number_follows(page: Page, address: str) -> None:
    page.goto(f"{address}/?model=bundled")
    expect(page.get_by_text(re.compile("^bundled · weights"))).to_be_visible()
    page.get_by_role("combobox", name="Model", exact=True).click()
    page.get_by_role("option", name="bundled-steps", exact=True).click()
    expect(page.get_by_text(re.compile("^bundled-steps · weights"))).to_be_visible()
    expect(page).to_have_url(re.compile("model=bundled-steps"))
    page.get_by_role("link", name="Model", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Model")
    expect(page).to_have_url(re.compile("model=bundled-steps"))
    page.go_back()
    expect(page.get_by_text(re.compile("^bundled-steps · weights"))).to_be_visible()
