"""Lenses in a browser: another lens beside the first, a token followed through both, the card of what it is worth, a J-lens and its
variants, and differences.
"""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect


def test_a_lens_is_switched_and_a_token_is_tracked(page: Page, address: str) -> None:
    page.goto(f"{address}/?model=bundled-steps&cell=3.4")
    expect(page.get_by_role("grid", name="Logit lens: top-1 token")).to_be_visible()
    page.get_by_role("button", name="Tuned", exact=True).click()
    tuned = page.get_by_role("grid", name="Tuned lens: top-1 token")
    expect(tuned).to_be_visible()
    expect(page).to_have_url(re.compile("lens=tuned(:|%3A)all"))
    expect(page.get_by_text(re.compile("tuned:all: trained on"))).to_be_visible()

    tuned.get_by_role("gridcell", name=re.compile(r"^z2 · layer 3:")).click()
    expect(page).to_have_url(re.compile(r"cell=2\.3"))
    tops = page.get_by_role("list", name="Top tokens at z2, layer 3, tuned:all lens")
    tops.get_by_role("button").nth(1).click()
    expect(page).to_have_url(re.compile("track="))
    page.get_by_text("P(target)").click()
    expect(page).to_have_url(re.compile(r"by=P%28target%29"))
    for name in ("Logit", "Tuned"):
        expect(page.get_by_role("grid", name=f"{name} lens: top-1 token")).to_be_visible()

    page.get_by_text(re.compile("Lens card of tuned:all")).click()
    card = page.get_by_role("grid", name="Difference: Δ Held-out KL (nats)")
    expect(card).to_be_visible()
    page.get_by_text("Same top token", exact=True).click()
    expect(page.get_by_role("grid", name=re.compile("Held-out agreement")).first).to_be_visible()


def test_a_j_lens_is_chosen_and_reads_something_else(page: Page, address: str) -> None:
    page.goto(f"{address}/?model=bundled-steps")
    logit = page.get_by_role("grid", name="Logit lens: top-1 token")
    expect(logit).to_be_visible()
    page.get_by_role("button", name="Jacobian", exact=True).click()
    jacobian = page.get_by_role("grid", name="Jacobian lens: top-1 token")
    expect(jacobian).to_be_visible()
    expect(page).to_have_url(re.compile("lens=jlens(:|%3A)local"))
    expect(page.get_by_text(re.compile("jlens:local: trained on"))).to_be_visible()

    early, last = (re.compile(rf"^z3 · layer {layer}:") for layer in (2, 6))
    output = logit.get_by_role("gridcell", name=last).get_attribute("aria-label")
    plain = logit.get_by_role("gridcell", name=early).get_attribute("aria-label")
    assert output and plain
    expect(jacobian.get_by_role("gridcell", name=last)).to_have_accessible_name(output)  # both end at the output
    expect(jacobian.get_by_role("gridcell", name=early)).not_to_have_accessible_name(plain)

    page.get_by_role("combobox", name="Jacobian lens").click()
    page.get_by_role("option", name="answer", exact=True).click()
    expect(page).to_have_url(re.compile("lens=jlens(:|%3A)answer"))
    expect(page.get_by_text(re.compile("jlens:answer: trained on"))).to_be_visible()
    expect(page.get_by_text(re.compile("moves every depth by the mean derivative"))).to_be_visible()


def test_a_difference_is_chosen_and_steered_with(page: Page, address: str) -> None:
    page.goto(f"{address}/differences?model=bundled-steps&means-n=100")
    column = page.get_by_role("grid", name="A = 1: first token of each difference")
    column.get_by_role("gridcell", name=re.compile(r"^B 6 · layer 3:")).click()
    expect(page.get_by_role("heading", name="1 → 6: mean 6 − mean 1")).to_be_visible()
    expect(page).to_have_url(re.compile(r"pair=1\.6"))
    expect(page).to_have_url(re.compile("depth=3"))
    page.get_by_role("link", name="after block 3").click()
    expect(page).to_have_url(re.compile(r"/steer\?.*a%3D1\+b%3D6"))
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient 1")
