"""Influence in a browser: an edge is cut by a click, by a key, and in the address; the eval set that ships is there."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def test_an_edge_is_cut(page: Page, address: str) -> None:
    page.goto(f"{address}/influence?model=bundled-steps")
    grid = page.get_by_role("grid", name=re.compile("^Attention"))
    expect(grid).to_be_visible()
    expect(page.get_by_text("Cut: answer no longer sees slot 5")).to_be_visible()
    expect(page.get_by_text("another one")).to_be_visible()  # the latent that holds the answer

    grid.get_by_role("gridcell", name=re.compile("^answer · slot 2:")).click()
    expect(page.get_by_text("Cut: answer no longer sees slot 2")).to_be_visible()
    expect(page.get_by_text("the same", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile(r"cut=7\.47"))
    grid.get_by_role("gridcell", selected=True).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Cut: answer no longer sees slot 3")).to_be_visible()

    page.get_by_text("Over an eval set").click()
    expect(page.get_by_text(re.compile("Hiding slot 5 from the answer alone costs most"))).to_be_visible()
