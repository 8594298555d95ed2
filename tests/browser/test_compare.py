"""Comparing in a browser: two states are pinned on two pages, stand side by side, and a fresh visitor sees the same by the address."""

from __future__ import annotations

import csv
import io
import json
import re

from playwright.sync_api import Browser, Page, expect


def saved(page: Page, label: str) -> str:
    """What the open export menu gives under this name."""
    with page.expect_download() as download:
        page.get_by_role("button", name=label).click()
    return download.value.path().read_text(encoding="utf-8")


def test_two_states_are_pinned_and_the_address_shows_both(page: Page, address: str, browser: Browser) -> None:
    page.goto(f"{address}/?model=bundled-steps&intro=closed")
    page.get_by_role("button", name="Pin", exact=True).click()
    expect(page.get_by_role("button", name="Pinned")).to_be_disabled()
    page.get_by_role("button", name="600 employees → 360").click()
    expect(page.get_by_text("correct: 360")).to_be_visible()
    page.get_by_role("button", name="Pin", exact=True).click()
    page.get_by_role("link", name="Compare (2)").click()
    for letter in "AB":
        expect(page.get_by_role("grid", name=re.compile(f"^{letter} · bundled-steps"))).to_be_visible()
    expect(page.get_by_role("grid", name="B − A")).to_be_visible()
    link = page.url
    assert link.count("pin=") == 2

    page.get_by_role("button", name="Export").click()
    states = json.loads(saved(page, "Values and condition (JSON)"))["states"]
    assert [one["answer"].strip() for one in states] == [page.locator(f".st-key-answer-{letter}").inner_text() for letter in "AB"]
    assert all("pin" not in one["address"] and "model=bundled-steps" in one["address"] for one in states)
    rows = list(csv.DictReader(io.StringIO(saved(page, "Table (CSV)").removeprefix("\ufeff"))))
    assert {"lens", "index", "depth", "rank", "token"} <= rows[0].keys() and {row["state"][0] for row in rows} == {"A", "B"}

    fresh = browser.new_context()
    other = fresh.new_page()
    other.goto(link)
    expect(other.get_by_role("grid", name="B − A")).to_be_visible()
    fresh.close()
    page.get_by_role("button", name="Drop").first.click()
    expect(page.get_by_role("grid", name=re.compile("^B · "))).to_be_hidden()
    assert page.url.count("pin=") == 1
