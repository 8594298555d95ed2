"""What only a browser can show: typing, clicking a cell, arrow keys, and a link that brings the same state back."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

PROMPT = "A shop has 12 lamps. Then 5 more lamps arrive. How many lamps are there?"


def cell(page: Page, index: str, layer: int) -> Locator:
    return page.get_by_role("gridcell", name=re.compile(rf"^{re.escape(index)} · layer {layer}:"))


def test_a_prompt_is_typed_inspected_and_found_again(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_text("Values of the steps: 8 → 16 → 24")).to_be_visible()

    box = page.get_by_role("textbox", name="Prompt")
    box.fill(PROMPT)
    expect(page.get_by_text("Edited: the result is for the earlier text")).to_be_visible()
    expect(page.get_by_label("Tokens of the prompt")).to_contain_text("lamps")
    expect(page.get_by_text(re.compile(rf"\d+ tokens · {len(PROMPT)} characters"))).to_be_visible()
    box.press("Control+Enter")
    expect(page.get_by_text("no known answer")).to_be_visible()
    expect(page.get_by_text("Edited: the result is for the earlier text")).to_be_hidden()
    answer = page.locator(".st-key-answer-text").inner_text()
    assert answer.strip()
    for index in ("prompt (bot)", "z1", "z6"):
        expect(cell(page, index, 0)).to_have_text(re.compile(r"\S"))

    cell(page, "z2", 3).click()
    expect(page.get_by_role("strong").filter(has_text="z2 · layer 3")).to_be_visible()
    expect(cell(page, "z2", 3)).to_have_attribute("aria-selected", "true")
    page.get_by_role("list", name="Top tokens at z2, layer 3").get_by_role("button").nth(1).click()
    expect(page).to_have_url(re.compile("track="))
    page.get_by_text("P(target)").click()
    expect(page).to_have_url(re.compile(r"by=P%28target%29"))
    expect(page).to_have_url(re.compile(r"cell=2\.3"))

    link, tracked = page.url, page.locator(".st-key-track-box").inner_text().split()[-1]
    page.goto("about:blank")
    page.goto(link)
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(PROMPT)
    expect(page.locator(".st-key-answer-text")).to_have_text(answer.strip())
    expect(cell(page, "z2", 3)).to_have_attribute("aria-selected", "true")
    expect(page.locator(".st-key-track-box")).to_contain_text(tracked)
    expect(page.get_by_role("grid")).to_contain_text("z6")
    expect(page.get_by_text("P(target)", exact=True).last).to_be_visible()


def test_the_grid_works_from_the_keyboard(page: Page, address: str) -> None:
    page.goto(f"{address}/?cell=2.3")
    cell(page, "z2", 3).focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    expect(cell(page, "z3", 4)).to_be_focused()
    expect(page.get_by_role("status").filter(has_text="z3 · layer 4")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"cell=3\.4"))
    expect(page.get_by_role("strong").filter(has_text="z3 · layer 4")).to_be_visible()


def test_markup_in_a_prompt_stays_text(page: Page, address: str) -> None:
    page.goto(address)
    box = page.get_by_role("textbox", name="Prompt")
    box.fill("<img src=x onerror=alert(1)><script>alert(2)</script> $x$ 3 + 4 ‮ 👩‍🍳")
    box.press("Control+Enter")
    expect(page.get_by_text("no known answer")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0
    expect(page.get_by_label("Tokens of the prompt")).to_contain_text("script")


def test_an_example_and_the_other_page(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="600 employees → 360").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(re.compile("600 employees"))
    page.get_by_role("link", name="Model").click()
    expect(page.get_by_text("Weights, SHA-256", exact=True)).to_be_visible()
    page.get_by_role("link", name="Inspect").click()
    expect(page.get_by_role("textbox", name="Prompt")).to_have_value(re.compile("600 employees"))
