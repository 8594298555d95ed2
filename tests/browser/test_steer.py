"""Steering in a browser: the answer follows the slider, the eval set the answer, Stop keeps what is there, a link brings it back."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE, settled

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


def test_the_slider_moves_the_answer_and_the_accuracy(page: Page, address: str, browser: Browser) -> None:
    page.goto(f"{address}/steer?{STEER}&n=100&controls=0")
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
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient 1\n")
    expect(page.get_by_text(DONE)).to_be_visible()
    deadline = time.monotonic() + PATIENCE / 1_000
    while pane(page, "steered") != first and time.monotonic() < deadline:
        page.wait_for_timeout(100)  # the label is painted before the numbers
    assert pane(page, "steered") == first
    assert bars(page) == first_bars

    page.get_by_role("button", name="0", exact=True).and_(page.locator(".st-key-steer-zero button")).click()
    expect(page.locator(".st-key-pane-steered").get_by_text("identical to the baseline, bit for bit")).to_be_visible()
    expect(page.locator("p.verdict")).to_have_text("Identical to the baseline on all 100 questions, bit for bit.")

    fresh = browser.new_context()
    other = fresh.new_page()
    other.goto(link)
    expect(other.get_by_text(DONE)).to_be_visible()
    assert pane(other, "steered") == pushed
    assert bars(other) == pushed_bars
    expect(other.get_by_text(re.compile(r"coefficients visited: [23]"))).to_be_visible()  # from the store: nobody computed them here
    fresh.close()


def test_stop_keeps_the_part_that_is_there_and_continue_goes_on(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&n=1000&controls=24")
    expect(page.get_by_text(re.compile(r"running: [\d,]+ of 1,000 questions"))).to_be_visible()
    page.get_by_role("button", name="Stop here").click(force=True)
    stopped = page.get_by_text(re.compile(r"stopped: [\d,]+ of 1,000 questions"))
    expect(stopped).to_be_visible()
    kept = bars(page)
    page.wait_for_timeout(1_500)
    assert bars(page) == kept, "nothing goes on behind the page"
    expect(page.locator("dl.effect dt", has_text="gold margin").first).to_be_visible()
    page.get_by_role("button", name="Continue", exact=True).click(force=True)
    expect(page.get_by_text(re.compile(r"running: 1,000 of 1,000 questions"))).to_be_visible()
    push(page, "ArrowRight", "1.1")  # abandons what was running
    expect(page.get_by_text(re.compile(r"running: [\d,]+ of 1,000 questions"))).to_be_visible()
    page.get_by_role("button", name="Stop here").click(force=True)
    expect(stopped).to_be_visible()


def test_a_pair_is_chosen_in_the_matrix_and_a_cell_in_the_grid(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&n=50&controls=0")
    page.get_by_role("gridcell", name=re.compile(r"^A = 1, B = 6:")).click()
    expect(page).to_have_url(re.compile(r"a%3D1\+b%3D6"))
    page.locator(".st-key-steer-setup summary").first.click()
    expect(page.get_by_role("radiogroup", name="B").get_by_role("radio", name="6")).to_be_checked()
    steered = page.get_by_role("grid", name="Steered: logit lens")
    steered.get_by_role("gridcell", name=re.compile(r"^z6 · layer 2:")).click()
    expect(page).to_have_url(re.compile(r"cell=6\.2"))
    expect(page.get_by_text("z6 · layer 2").first).to_be_visible()


def test_an_edit_that_would_do_nothing_is_refused_in_words(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&n=50&controls=0")
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
        expect(page.get_by_role("radio", name="KV cache")).to_be_checked()
        expect(page).to_have_url(re.compile("/steer.*prompt="))
        page.get_by_role("radio", name="Hidden state").click()
        expect(page).to_have_url(re.compile("steer=hidden"))
        page.get_by_role("link", name="Tour", exact=True).click()


def test_what_the_box_cannot_take_is_said_and_the_slider_keeps_its_range(page: Page, address: str) -> None:
    page.goto(f"{address}/steer?{STEER}&n=50&controls=0")
    slider, box = page.get_by_role("slider", name="Coefficient α"), page.locator(".st-key-steer-number input")
    expect(slider).to_be_visible()
    most = slider.get_attribute("aria-valuemax")
    box.fill("1000")
    box.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="1000 was not taken: α goes from −100 to 100.")).to_be_visible()
    expect(box).to_have_value("1")
    expect(page).to_have_url(re.compile(r"coefficient%3D1\+"))
    box.fill("100")
    box.press("Enter")
    expect(page.locator(".st-key-pane-steered")).to_contain_text("coefficient 100")
    assert slider.get_attribute("aria-valuemax") == most
    expect(page.get_by_text("complete: 50 of 50 questions")).to_be_visible()
    expect(page.get_by_text(re.compile("beyond the slider, which ends at"))).to_be_visible()
    page.locator(".st-key-steer-zero button").first.click()
    expect(page.get_by_text(re.compile("outside of the chart: α = 100"))).to_be_visible()
    page.get_by_role("radio", name="dose").click()
    expect(page.get_by_role("slider", name=re.compile("of the (keys|values)$"))).to_be_visible()
    fill = page.get_by_role("button", name=re.compile("^Fill the curve: dose = "))
    fill.click()
    expect(fill).to_be_hidden()
    expect(page.get_by_text(re.compile("coefficients visited: [789]"))).to_be_visible()


def test_an_error_stands_beside_its_control_and_an_equal_choice_is_not_offered(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}/steer?{STEER.replace('b%3D4', 'b%3D2')}&n=50&controls=0")
    alert = page.get_by_role("alert").filter(has_text="A and B are both 2")
    expect(alert).to_have_count(1)
    grid = page.get_by_role("grid", name=re.compile("^A by B"))
    settled(page)
    places = alert.bounding_box(), grid.bounding_box()
    assert places[0] and places[1]
    assert 0 <= places[1]["y"] - places[0]["y"] < 120 and abs(places[0]["x"] - places[1]["x"]) < 80
    same = grid.get_by_role("gridcell", name=re.compile("^A = 2, B = 2:"))
    expect(same).to_have_attribute("aria-disabled", "true")
    grid.get_by_role("gridcell", name=re.compile("^A = 2, B = 4:")).click()
    expect(alert).to_have_count(0)
    expect(page.locator(".st-key-pane-steered")).to_be_visible()


def test_the_cockpit_fits_a_small_screen_and_presents(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(f"{address}/steer?model=bundled-steps&{STEER.replace('coefficient%3D1', 'coefficient%3D-0.5')}&n=50&controls=20")
    expect(page.get_by_text("complete: 50 of 50 questions, 20 of 20 random directions")).to_be_visible()
    settled(page)
    matrix = page.get_by_role("grid", name="A by B: Points at α = −0.5, stored sweep: 200 of 'select'")
    slider, readout, lens = page.get_by_role("slider"), page.locator(".readout"), page.get_by_role("grid", name="Steered: logit lens")
    expect(readout).to_have_count(3)
    for whole in (matrix, slider, *readout.all(), page.get_by_role("toolbar", name="At index"), page.get_by_role("radio", name="KV cache")):
        box = whole.bounding_box()
        assert box and box["y"] >= 0 and box["y"] + box["height"] <= 720
    top = lens.bounding_box()
    assert top and top["y"] < 720, "the lenses begin on the same screen"
    assert re.fullmatch(r"\d+ of 20", readout.last.locator("strong").inner_text())
    assert page.locator(".steer-scale .band").count() == 1 and page.locator(".steer-scale .tick").count() >= 8
    expect(page.get_by_role("textbox", name="Prompt")).to_be_hidden()
    size = "parseFloat(getComputedStyle(document.querySelector('.readout strong')).fontSize)"
    before = page.evaluate(size)
    page.get_by_test_id("stCheckbox").filter(has_text="Present").locator("label").first.click()
    expect(page).to_have_url(re.compile("present=yes"))
    expect(page.locator(".st-key-steer-setup")).to_have_count(0)
    expect(page.get_by_text("A team starts with 3 members").first).to_be_visible()
    page.wait_for_function(f"{size} >= {1.2 * before}")
