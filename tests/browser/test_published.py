"""The static pages as somebody opens them: from disk, with no server, wide and narrow, light and dark."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from codi_core.errors import InputError
from codi_core.publish.field import field_section
from codi_core.publish.folder import MOST_BYTES, RECORD, USUAL, publish
from codi_core.services.claims import CLAIMS, verdicts
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.store import Store
from tests.browser.conftest import PATIENCE

pytestmark = pytest.mark.timeout(1800)  # the folder is written within the first test: a minute, on a busy machine several
SWEEP = "heatmap-bundled-post-kv-templates.html"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu", threads=1))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def folder(bench: Workbench, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return publish(bench, tmp_path_factory.mktemp("site")).folder


@pytest.fixture(params=["light 1280", "dark 390"])
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Nothing fails, nothing is fetched but the folder's own files."""
    scheme, width = request.param.split()
    context = browser.new_context(viewport={"width": int(width), "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda sent: None if sent.url.startswith("file://") else trouble.append(f"a request to {sent.url}"))
    page.on("requestfailed", lambda sent: trouble.append(f"nothing at {sent.url}"))
    yield page
    context.close()
    assert not trouble


def test_the_folder_is_small_and_says_what_made_it(folder: Path) -> None:
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    assert set(record["files"]) == {path.name for path in folder.iterdir()} - {RECORD}
    assert len(record["sweeps"]) == 8
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    assert len([name for name in pages if name.startswith("prompt-")]) == 12
    for name, text in pages.items():
        assert not re.search(r"(src|href)=\"(https?:)?//", text), name
        assert set(re.findall(r"(?:src|href)=\"([^\"]+)\"", text)) <= {path.name for path in folder.iterdir()}, name
        if 'id="data"' in text:
            assert re.search(r"n = [\d,]+|[\d,]+ questions", text) and "interval" in text, name


def test_a_folder_with_other_things_is_left_alone(bench: Workbench, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="has other things in it"):
        publish(bench, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def fits(page: Page) -> None:
    """Nothing is wider than the window, and the theme is the reader's."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert background == ("rgb(18, 24, 27)" if dark else "rgb(255, 255, 255)")


def test_from_the_tour_to_a_cell_of_a_prompt(folder: Path, page: Page) -> None:
    page.goto((folder / "index.html").as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Tour")
    expect(page.get_by_role("table")).to_contain_text("bundled-steps")
    fits(page)
    page.get_by_role("link", name="Open the team prompt").click()
    grids = page.get_by_role("grid")
    expect(grids).to_have_count(2)
    fits(page)
    cell = grids.first.get_by_role("gridcell", name="z2 · layer 6", exact=False)
    cell.click()
    details = page.locator("#details")
    expect(details).to_contain_text("z2 · layer 6")
    expect(details.locator("li", has_text="%").first).to_be_visible()
    expect(cell).to_have_attribute("aria-selected", "true")


def test_a_cell_of_a_sweep_has_its_numbers_and_its_questions(folder: Path, page: Page) -> None:
    page.goto((folder / SWEEP).as_uri())
    fits(page)
    details = page.locator("#details")
    expect(page.get_by_role("grid")).to_have_count(1)
    expect(details).to_contain_text("n 150")
    page.get_by_label("Variant and coefficient").select_option(label="α = −1")
    cell = page.get_by_role("gridcell", name=re.compile("^A2−B4 · KV slot 5"))
    cell.focus()
    page.keyboard.press("Enter")
    expect(details.get_by_role("heading").first).to_have_text(re.compile("^A2−B4 · KV slot 5 · α = −1"))
    expect(details).to_contain_text("points (")
    broken = details.get_by_text(re.compile(r"^Questions it broke \(\d+\)$"))
    broken.click()
    expect(details.locator(".flip:visible").first).to_contain_text("unsteered")


def test_claims_have_effect_interval_n_and_verdict(folder: Path, page: Page) -> None:
    page.goto((folder / "claims.html").as_uri())
    fits(page)
    expect(page.get_by_role("table")).to_have_count(5)
    row = page.get_by_role("row").filter(has_text="150").first
    expect(row).to_contain_text(" to ")
    expect(row).to_contain_text(re.compile("reproduced|reversed|not testable"))


def test_claims_of_the_field_are_the_stored_verdicts(bench: Workbench, folder: Path) -> None:
    body = re.findall(r'class="claims field">(.*?)</table>', (folder / "claims.html").read_text(encoding="utf-8"), re.DOTALL)[0]
    rows = [re.findall(r"<td>(.*?)</td>", row, re.DOTALL) for row in re.findall(r"<tr>(.*?)</tr>", body, re.DOTALL)[1:]]
    cells = {html.unescape(row[0]).split()[0]: [html.unescape(cell) for cell in row[1:]] for row in rows}
    assert set(cells) == {claim.key for claim in CLAIMS} and len(rows) == len(CLAIMS)
    stored, measured = verdicts(bench.store, USUAL), 0
    for place, model in enumerate(USUAL):
        for verdict in stored[model]:
            said = cells[verdict.claim.key][place]
            assert re.search(rf'class="verdict">\S {verdict.ruling}<', said) and verdict.why in said and verdict.line in said, verdict
            measured += verdict.key != "" and verdict.key in said
    assert measured > len(CLAIMS), "what ships is measured"


def test_what_is_not_measured_says_how_and_is_not_computed(tmp_path: Path) -> None:
    said = field_section({"nobody": verdicts(Store(Settings(cache_dir=tmp_path)), ["nobody"])["nobody"]})
    assert said.count("… not measured<") == said.count("--model nobody --measure") == len(CLAIMS)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_of_the_field_opens(folder: Path, page: Page) -> None:
    page.goto((folder / "claims.html").as_uri())
    row = page.get_by_role("table").first.get_by_role("row").filter(has_text=re.compile(r"^\s*C1 "))
    expect(row).to_contain_text(re.compile(r"points \(.* to .*\), n = 512"))
    evidence = row.get_by_text("On templates, evidence").first
    expect(evidence).to_be_hidden()
    row.get_by_text("What was tested").first.click()
    expect(evidence).to_be_visible()
    fits(page)


def test_detection_stands_beside_chance(folder: Path, page: Page) -> None:
    page.goto((folder / "detection.html").as_uri())
    fits(page)
    expect(page.get_by_role("grid")).to_have_count(2)
    expect(page.locator("#details")).to_contain_text("95 % interval")
    expect(page.get_by_role("heading", name="By chance, n = 512", exact=True)).to_be_visible()
