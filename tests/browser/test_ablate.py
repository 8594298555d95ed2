"""Ablation in a browser: a map of replaced latents stops half-way and goes on; a cell, and a component, open on the Steer page."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def measured(page: Page) -> tuple[int, int]:
    """How many of how many."""
    found = re.search(r"(\d+) of (\d+) replacements measured", page.get_by_text(re.compile("replacements measured")).first.inner_text())
    assert found
    return int(found[1]), int(found[2])


def steered_with(page: Page, passes: str) -> None:
    """On the Steer page, whose setup is folded."""
    page.locator(".st-key-steer-setup summary").first.click()
    expect(page.get_by_role("radiogroup", name="Latent passes").get_by_role("radio", name=passes)).to_be_checked()


def test_a_map_is_stopped_goes_on_and_opens_on_the_steer_page(page: Page, address: str) -> None:
    main = page.get_by_test_id("stMain")
    page.goto(f"{address}/ablate?view=Every+latent&n=96&replace=zeros&replace=mean+latent&passes=3")
    main.get_by_role("button", name="Run").click()
    grid = page.get_by_role("grid", name=re.compile("^Latents replaced"))
    expect(grid).to_be_visible()
    main.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("stopped; everything below is about these")).to_be_visible()
    done, asked = measured(page)
    assert 0 < done < asked

    main.get_by_role("button", name="Go on").click()
    expect(page.get_by_text(re.compile(r"\b(\d+) of \1 replacements measured"))).to_be_visible()
    expect(main.get_by_role("button", name="Stop")).to_be_hidden()
    page.get_by_role("gridcell", name=re.compile(r"^z2 · mean latent · KV slot:")).click()
    expect(page.get_by_text("KV slot at index 2 ← mean latent")).to_be_visible()
    expect(page).to_have_url(re.compile(r"site=mean\.kv\.2"))

    page.get_by_role("link", name="Open live on the Steer page").click()
    expect(page.get_by_text("complete: 96 of 96 questions").or_(page.get_by_text("running: 96 of 96 questions"))).to_be_visible()
    expect(page).to_have_url(re.compile("steer=replacement"))
    steered_with(page, passes="3")


def test_a_link_is_followed_while_results_come_in(page: Page, address: str) -> None:
    page.goto(f"{address}/ablate?view=Every+latent&n=64&replace=zeros&replace=mean+latent&passes=4")
    page.get_by_test_id("stMain").get_by_role("button", name="Run").click()
    page.get_by_role("gridcell", name=re.compile(r"^z1 · zeros · z:")).click()
    page.get_by_role("link", name="Open live on the Steer page").click()
    expect(page.get_by_text("complete: 64 of 64 questions").or_(page.get_by_text("running: 64 of 64 questions"))).to_be_visible()
    expect(page).to_have_url(re.compile("steer=replacement"))
    steered_with(page, passes="4")


def test_a_component_is_steered_along(page: Page, address: str) -> None:
    page.goto(f"{address}/geometry?means-n=100&y=PC3&cosines=Difference+vectors")
    expect(page.get_by_text("PC1 holds")).to_be_visible()
    expect(page.get_by_role("grid", name="Cosines between difference vectors")).to_be_visible()
    page.get_by_role("link", name=re.compile("Use PC1 of z as a steering vector at index 3")).click()
    expect(page).to_have_url(re.compile("source"))
    expect(page.get_by_text("Dose and response")).to_be_visible()
