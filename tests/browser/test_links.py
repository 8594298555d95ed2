"""Every link inside the app, followed from both models: the address, the picker and what is on screen are about the same model."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Page, expect

from codi_core.ui.compare.link import text_of
from codi_core.ui.inspect.link import Setup as InspectSetup
from codi_core.ui.pages import page_of
from tests.browser.conftest import choose_first_row, settled

PINNED = text_of(InspectSetup(model="bundled-steps", prompt="Ann has 3 apples and buys 4 more. How many apples does she have?"))
HAVE_LINKS = (
    "differences?model={}&means-n=100",
    "heatmaps?model={}&sweep=post-kv&alpha=2",
    "geometry?model={}&means-n=100",
    f"compare?model={{}}&{urlencode({'pin': PINNED})}",
)
"""Pages whose body has links as they open; those of the tour: test_tour."""
MORE = ("data", "detect", "ablate", "patch", "influence", "compare")
"""Other pages; what is chosen there first has a link of its own (see below, and test_ablate)."""


@pytest.mark.parametrize("before", ["bundled", "bundled-steps"])
def test_every_link_shows_the_model_of_its_address(page: Page, address: str, before: str) -> None:
    for path in HAVE_LINKS:
        page.goto(f"{address}/{path.format(before)}")
        settled(page)
        links = page.get_by_test_id("stMain").get_by_test_id("stPageLink").get_by_role("link")
        assert links.count(), path
        link = links.first  # they differ in their vector alone
        to = urlparse(link.get_attribute("href") or "")
        named = parse_qs(to.query).get("model", [before])
        assert len(named) == 1
        link.click()
        page.wait_for_url(re.compile(rf"/{to.path}\?.*model="))
        assert parse_qs(urlparse(page.url).query)["model"] == named, "the address has the link's model, once"
        expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(named[0])
        expect(page.get_by_text(re.compile(rf"^{named[0]} · (weights|model) ")).first).to_be_visible()


@pytest.mark.parametrize("model", ["bundled", "bundled-steps"])
def test_the_model_of_an_address_goes_along_from_every_other_page(page: Page, address: str, model: str) -> None:
    """From each to the next, by the navigation: address, picker and page agree."""
    page.goto(f"{address}/{MORE[0]}?model={model}&n=64")
    for name in (*MORE[1:], "inspect"):
        settled(page)
        page.get_by_role("link", name=page_of(name).title, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(page_of(name).title)
        expect(page.get_by_role("combobox", name="Model", exact=True)).to_have_value(model)
        expect(page).to_have_url(re.compile(rf"[?&]model={model}(&|$)"))
    expect(page.get_by_text(re.compile(f"^{model} · weights")).first).to_be_visible()


@pytest.mark.parametrize("model", ["bundled", "bundled-steps"])
def test_a_chosen_question_opens_on_the_model_it_was_chosen_with(page: Page, address: str, model: str) -> None:
    page.goto(f"{address}/data?model={model}&set=wordings&n=64")
    choose_first_row(page)
    page.get_by_role("link", name="Inspect this question").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inspect")
    assert parse_qs(urlparse(page.url).query)["model"] == [model]
    expect(page.get_by_text(re.compile(f"^{model} · weights")).first).to_be_visible()


def test_inspect_has_an_address_of_its_own_and_deep_links_ask_for_nothing_that_is_not_there(page: Page, address: str) -> None:
    missing: list[str] = []
    page.on("response", lambda response: missing.append(response.url) if response.status >= 400 else None)
    page.on("console", lambda message: missing.append(message.text) if message.type == "error" else None)
    page.goto(f"{address}/inspect?by=Entropy")
    settled(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Inspect")
    expect(page.get_by_role("radiogroup", name="Colour by").get_by_role("radio", name="Entropy")).to_be_checked()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    page.goto(f"{address}/data?set=bundled&n=64")
    settled(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Data")
    assert not missing


def test_what_a_link_asks_for_in_vain_is_named_until_something_is_chosen(page: Page, address: str) -> None:
    """The colours are a part of the page that runs by itself, the line is not."""
    page.goto(f"{address}/inspect?by=Length&measure=Weight")
    settled(page)
    line = page.get_by_test_id("stAlert")
    expect(line).to_contain_text("'Length' is not among what “by” can be here: what is shown is Top-1 probability.")
    page.get_by_role("radiogroup", name="Colour by").get_by_text("Entropy").click()
    settled(page)
    expect(line).not_to_contain_text("Length")
    expect(line).to_contain_text("'Weight' is not among what “measure” can be here: what is shown is Probability.")


def test_a_file_of_mine_is_everywhere_by_its_own_name(page: Page, address: str) -> None:
    page.goto(f"{address}/data")
    settled(page)
    page.get_by_role("combobox", name=re.compile("^Eval set")).click()
    page.get_by_role("option", name="A file of your own …").click()
    rows = "".join(f"How many are {n} and 2?,{n + 2}\n" for n in range(1, 13))
    file = {"name": "mine.csv", "mimeType": "text/csv", "buffer": f"question,answer\n{rows}".encode()}
    page.locator("input[type=file]").set_input_files(file)  # type: ignore[arg-type]
    expect(page.get_by_text(re.compile("^mine.csv · 12 questions"))).to_be_visible()
    for name in ("Detect", "Steer"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        if name == "Steer":  # its setup is folded
            page.locator(".st-key-steer-setup summary").first.click()
        expect(page.get_by_role("combobox", name=re.compile("^Eval set"))).to_have_value("mine.csv")
