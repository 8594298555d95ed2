"""Every page for everybody: axe-core finds nothing serious, text and axes stand out, nothing is cut, nothing is wider than a telephone.

Each page light on a laptop and dark on a small screen; some on a telephone, where the layout is another one.
"""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from codi_core.ui.pages import PAGES
from tests.browser.conftest import drawn, settled

SMALL = "means-n=100&n=50&controls=24"
STATES = {
    **{page.name: f"{page.name}?{SMALL}" for page in PAGES[1:]},
    "inspect": "?by=Entropy",
    "lenses": "?lens=logit&lens=tuned:all&lens=difference",
    "pairs": "heatmaps?model=bundled&view=pairs&alpha=2",
    "prompt": "ablate?view=One+prompt",
    **{name: f"{name}?twin=yes" for name in ("detect", "patch", "model")},  # with the control beside it there is more to see
    "geometry, control": "geometry?latents=h&twin=yes",
    "influence, control": "influence?view=Over+an+eval+set&twin=yes",
}
ON_A_TELEPHONE = ("inspect", "steer", "detect", "heatmaps", "compare")
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
CUT = """() => {
  const found = [];
  const look = (root) => root.querySelectorAll('*').forEach((one) => {
    if (one.shadowRoot) look(one.shadowRoot);
    const shown = one.matches('[role=gridcell]') && one.checkVisibility();
    if (shown && one.scrollWidth > one.clientWidth) found.push(one.getAttribute('aria-label'));
  });
  look(document);
  return found;
}"""
PALE = """() => {
  const linear = (share) => (share <= .03928 ? share / 12.92 : ((share + .055) / 1.055) ** 2.4);
  const light = (text) => {
    const [r, g, b] = text.match(/[\\d.]+/g).map((part) => linear(Number(part) / 255));
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const page = light(getComputedStyle(document.querySelector('.stApp')).backgroundColor);
  const words = [...document.querySelectorAll('.stPlotlyChart svg :is([class*=tick] text, [class*=title])')];
  return words.filter((one) => one.textContent).map((one) => {
    const ink = light(getComputedStyle(one).fill);
    return [one.textContent, (Math.max(ink, page) + .05) / (Math.min(ink, page) + .05)];
  }).filter(([, contrast]) => contrast < 4.5);
}"""
"""Words at axes that are below 4.5:1 on the page; axe does not look into charts."""

BARS = """[...document.querySelectorAll('.shares .track')].filter((one) => one.checkVisibility())
  .map((one) => one.clientWidth / one.parentElement.clientWidth)"""
"""How much of its row every bar has."""


def violations(page: Page) -> list[Any]:
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    return [(one["id"], node["html"][:200], node["failureSummary"]) for one in serious for node in one["nodes"]]


@pytest.mark.parametrize("state", STATES)
def test_a_page_is_for_everybody(page: Page, address: str, state: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}/{STATES[state]}")
    drawn(page)
    for scheme, width, height in (("light", 1280, 720), ("dark", 1024, 768)):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": height})
        settled(page)
        assert violations(page) == [], scheme
        assert page.evaluate(PALE) == [], scheme
        assert page.evaluate(CUT) == [], scheme
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    page.set_viewport_size({"width": 390, "height": 844})
    settled(page)
    assert page.evaluate(CUT) == []
    assert min(page.evaluate(BARS), default=1) > 0.9, "a bar beside its name is too short to be read"
    if state in ON_A_TELEPHONE:
        assert violations(page) == []
    wide = "document.querySelector('[data-testid=stMain]').scrollWidth - document.querySelector('[data-testid=stMain]').clientWidth"
    assert page.evaluate(wide) <= 0


def reach(page: Page, wanted: str) -> None:
    """Tab on until the focus is on what CSS calls ``wanted``."""
    found = f"document.activeElement?.matches({wanted!r}) ?? false"
    for _ in range(120):
        page.keyboard.press("Tab")
        if page.evaluate(found):
            return
    raise AssertionError(f"{wanted} is not reached with the keyboard")


def test_the_tour_is_taken_and_the_slider_moved_without_a_mouse(page: Page, address: str) -> None:
    page.goto(f"{address}/tour")
    settled(page)
    reach(page, "a[href*='steer?']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Steer")
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient 2")
    settled(page)
    before = page.locator("#codi-said-answer").inner_text()
    reach(page, "[role=slider], input[type=range]")
    page.keyboard.press("Home")
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient −5")
    expect(page.locator("#codi-said-answer")).not_to_have_text(before)
    expect(page.locator("#codi-said-effect")).to_contain_text("100 of 100 questions")
    expect(page.get_by_role("figure", name=re.compile("^Dose and response"))).to_be_visible()
