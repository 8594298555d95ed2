"""Detection in a browser: start, stop half-way, keep what was computed, go on; and from a question to its latents."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE, choose_first_row


def questions_read(page: Page) -> int:
    found = re.search(r"([\d,]+) of 5,000 questions", page.get_by_text(re.compile("of 5,000 questions")).first.inner_text())
    assert found
    return int(found[1].replace(",", ""))


def test_a_run_is_stopped_half_way_and_keeps_what_it_has(page: Page, address: str) -> None:
    page.goto(f"{address}/detect?set=wordings&n=5000")  # as many as there may be: 1,000 may be read before Stop is found
    page.get_by_test_id("stMain").get_by_role("button", name="Run").click()
    expect(page.get_by_text(re.compile(r"of 5,000 questions read")).first).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped; everything below is about these")).to_be_visible()
    read = questions_read(page)
    assert 0 < read < 5_000
    expect(page.get_by_role("grid", name=re.compile("^Found"))).to_be_visible()

    page.get_by_role("gridcell", name=re.compile(r"^z2 · layer 3:")).first.click()
    expect(page.get_by_role("strong").filter(has_text="z2 · layer 3")).to_be_visible()
    page.get_by_text("Entropy", exact=True).click()
    expect(page.get_by_role("grid", name=re.compile("^Entropy"))).to_be_visible()
    assert questions_read(page) == read

    page.get_by_test_id("stMain").get_by_role("button", name="Go on").click()
    deadline = time.monotonic() + PATIENCE / 1_000
    while questions_read(page) <= read and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    assert questions_read(page) > read
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped; everything below is about these")).to_be_visible()


def test_a_question_goes_from_the_data_to_its_latents(page: Page, address: str) -> None:
    page.goto(f"{address}/data?set=wordings&n=64")
    choose_first_row(page)
    page.get_by_role("link", name="Inspect this question").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_be_visible()
    expect(page).to_have_url(re.compile("prompt="))
    expect(page.get_by_text("Values of the steps:")).to_be_visible()
