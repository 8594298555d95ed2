"""Steering in a browser: the answer follows the slider, the eval set the answer, Stop keeps what is there, a link brings it back."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, expect

STEER = "steer=kv+source%3Ddifference+a%3D2+b%3D4+coefficient%3D1+indices%3D5&means-n=100"
DONE = re.compile(r"complete: 100 of 100 questions")


def pane(page: Page, name: str) -> str:
    return page.locator(f".st-key-pane-{name}").inner_text()


def bars(page: Page) -> str:
    """Without spaces: where a line breaks depends on when the style sheet came."""
    return "".join(page.locator(".shares").inner_text().split())


def push(page: Page, key: str, shown: str) -> None:
    page.get_by_role("slider", name="Coefficient α").press(key)
    expect(page.locator(".st-key-pane-steered")).to_contain_text(f"coefficient {shown}")


def test_the_slider_moves_the_answer_and_the_accuracy(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&eval-n=100&controls=0")
    expect(page.get_by_text(DONE)).to_be_visible()
    expect(page.get_by_text("Random control").first).to_be_visible()
    first, first_bars = pane(page, "steered"), bars(page)

    push(page, "End", "5")
    expect(page.get_by_text(DONE)).to_be_visible()
    assert pane(page, "steered") != first, "another push, other probabilities"
    expect(page.get_by_text("coefficients visited: 2")).to_be_visible()
    pushed, pushed_bars = pane(page, "steered"), bars(page)
    assert first_bars.startswith("Baseline") and first_bars.split("Steered")[0] == pushed_bars.split("Steered")[0]
    link = page.url
    assert "coefficient%3D5" in link

    page.locator(".st-key-steer-number input").fill("1")
    page.locator(".st-key-steer-number input").press("Enter")
    started = time.monotonic()
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient 1\n")
    expect(page.get_by_text(DONE)).to_be_visible()
    assert time.monotonic() - started < 10, "a visited coefficient is not computed again"
    while pane(page, "steered") != first and time.monotonic() - started < 20:
        page.wait_for_timeout(100)  # the label is painted before the numbers
    assert pane(page, "steered") == first
    assert bars(page) == first_bars

    page.get_by_role("button", name="0", exact=True).and_(page.locator(".st-key-steer-zero button")).click()
    expect(page.locator(".st-key-pane-steered").get_by_text("identical to the baseline, bit for bit")).to_be_visible()
    expect(page.get_by_text("Identical to the baseline on all 100 questions, bit for bit.")).to_be_visible()

    fresh = page.context.browser.new_context()  # type: ignore[union-attr]
    other = fresh.new_page()
    other.goto(link)
    expect(other.get_by_text(DONE)).to_be_visible(timeout=60_000)
    assert pane(other, "steered") == pushed
    assert bars(other) == pushed_bars
    expect(other.get_by_text(re.compile(r"coefficients visited: [23]"))).to_be_visible()  # from the store: nobody computed them here
    fresh.close()


def test_stop_keeps_the_part_that_is_there_and_continue_goes_on(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&eval-n=1000&controls=24")
    expect(page.get_by_text(re.compile(r"running: [\d,]+ of 1,000 questions"))).to_be_visible()
    page.get_by_role("button", name="Stop here").click(force=True)
    stopped = page.get_by_text(re.compile(r"stopped: [\d,]+ of 1,000 questions"))
    expect(stopped).to_be_visible()
    kept = bars(page)
    page.wait_for_timeout(1_500)
    assert bars(page) == kept, "nothing goes on behind the page"
    expect(page.get_by_text("n (effective)")).to_be_visible()
    page.get_by_role("button", name="Continue", exact=True).click(force=True)
    expect(page.get_by_text(re.compile(r"running: 1,000 of 1,000 questions"))).to_be_visible(timeout=90_000)
    push(page, "ArrowRight", "1.1")  # abandons what was running
    expect(page.get_by_text(re.compile(r"running: [\d,]+ of 1,000 questions"))).to_be_visible()
    page.get_by_role("button", name="Stop here").click(force=True)
    expect(stopped).to_be_visible()


def test_a_pair_is_chosen_in_the_matrix_and_a_cell_in_the_grid(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&eval-n=50&controls=0")
    page.get_by_text("Lengths of all differences").click()
    page.get_by_role("gridcell", name=re.compile(r"^A = 1, B = 6:")).click()
    expect(page).to_have_url(re.compile(r"a%3D1\+b%3D6"))
    expect(page.get_by_role("radiogroup", name="B").get_by_role("radio", name="6")).to_be_checked()
    steered = page.get_by_role("grid", name="Steered: logit lens")
    steered.get_by_role("gridcell", name=re.compile(r"^z6 · layer 2:")).click()
    expect(page).to_have_url(re.compile(r"cell=6\.2"))
    expect(page.get_by_text("z6 · layer 2").first).to_be_visible()


def test_an_edit_that_would_do_nothing_is_refused_in_words(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&eval-n=50&controls=0")
    expect(page.get_by_text(re.compile(r"complete: 50 of 50 questions"))).to_be_visible()
    page.get_by_role("radio", name="Hidden state").click()
    page.get_by_role("toolbar", name="At index").get_by_role("button", name="6").click()  # at once: before the page has followed
    expect(page.get_by_role("alert").filter(has_text="never consumed")).to_be_visible()
    page.get_by_role("toolbar", name="At index").get_by_role("button", name="6").click()
    expect(page.get_by_role("alert").filter(has_text="never consumed")).to_be_hidden()
    expect(page.locator(".st-key-pane-steered")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("alert").filter(has_text="never consumed")).to_be_visible()


def test_a_link_means_what_it_says_whatever_was_set_before(page: Page, address: str) -> None:
    page.goto(f"{address}/tour")
    for _ in range(2):
        page.get_by_role("link", name="Open the slider").click()
        expect(page).to_have_url(re.compile("steer=kv"))
        page.get_by_role("radio", name="Hidden state").click()
        expect(page).to_have_url(re.compile("steer=hidden"))
        page.get_by_role("link", name="Tour", exact=True).click()
