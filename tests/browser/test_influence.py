"""Influence in a browser: an edge is cut by a click, by a key, and in the address; other maps; the eval set that ships is there."""

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
    above = page.get_by_role("grid", name="Mass on numbers beyond baselines")
    expect(above.get_by_role("gridcell", name=re.compile("− another order:"))).to_have_count(8)  # z0 to z6, answer
    page.get_by_text("Beside its control").click()
    expect(page.get_by_text(re.compile("nats in the model, in its control by"))).to_be_visible()
    expect(page.get_by_role("grid", name="Model − control: mean attention")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("^Run"))).to_be_hidden()  # what ships is there without computing


def test_another_map_is_chosen(page: Page, address: str) -> None:
    page.goto(f"{address}/influence?model=bundled-steps&cut=7.47")
    expect(page.get_by_role("grid", name="Attention: queries across, keys down")).to_be_visible()
    for name, said in (("value-weighted attention", "what the head would write of a key"), ("attention rollout", "half of each staying")):
        page.get_by_role("combobox", name="Map").click()
        page.get_by_role("option", name=name, exact=True).click()
        expect(page.get_by_role("grid", name=f"{name.capitalize()}: queries across, keys down")).to_be_visible()
        expect(page.get_by_text(re.compile(said))).to_contain_text("None of these maps is causal")
        expect(page.get_by_text("Cut: answer no longer sees slot 2")).to_be_visible()
    expect(page).to_have_url(re.compile("share=rollout"))
