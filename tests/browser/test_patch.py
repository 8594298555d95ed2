"""Patching in a browser: a cell is dragged across, by mouse and by keyboard; the address says it, and a map's cell opens."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import settled


def test_a_cell_is_put_into_the_other_prompt(page: Page, address: str) -> None:
    page.goto(f"{address}/patch?model=bundled-steps")
    clean, corrupt = (page.get_by_role("grid", name=re.compile(f"^{name} prompt")) for name in ("Clean", "Corrupt"))
    expect(corrupt).to_be_visible()
    expect(page.get_by_text("z4 · layer 6 → z4 · layer 6")).to_be_visible()
    for name in ("Clean into corrupt: Recovery R", "Corrupt into clean: Recovery R", re.compile("^Control:")):
        expect(page.get_by_role("grid", name=name)).to_be_visible()  # what ships is there without computing
    page.get_by_text("Beside its control").click()
    expect(page.get_by_text(re.compile("Recovery, clean into corrupt: more than in its control"))).to_be_visible()
    expect(page.get_by_role("button", name="Patch every cell")).to_be_hidden()
    page.get_by_text("Beside its control").click()

    settled(page)  # nothing moves under the mouse
    cell = clean.get_by_role("gridcell", name=re.compile("^z4 · layer 4"))
    cell.drag_to(corrupt.get_by_role("gridcell", name=re.compile("^z5 · layer 3")))
    expect(page.get_by_text("z4 · layer 4 → z5 · layer 3")).to_be_visible()
    expect(page).to_have_url(re.compile(r"from=4\.4"))
    settled(page)
    corrupt.get_by_role("gridcell", name=re.compile("^z5 · layer 2")).drag_to(
        clean.get_by_role("gridcell", name=re.compile("^z2 · layer 1"))
    )
    expect(page.get_by_text("z5 · layer 2 → z2 · layer 1")).to_be_visible()
    expect(page).to_have_url(re.compile("way=noising"))
    settled(page)

    target = page.get_by_role("grid", name=re.compile("put in")).get_by_role("gridcell", selected=True)
    target.focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_text("z5 · layer 2 → z2 · layer 2")).to_be_visible()
    page.get_by_role("grid", name="Clean into corrupt: Recovery R").get_by_role("gridcell", name=re.compile("^z3 · layer 5")).click()
    expect(page.get_by_text("z3 · layer 5 → z3 · layer 5")).to_be_visible()
