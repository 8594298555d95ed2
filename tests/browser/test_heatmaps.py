"""Stored sweeps in a browser: a link into a server nobody has opened, a grid before any model is open, a cell, the same condition live,
and a verdict for every claim."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Page, expect

from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.run import sweep
from codi_core.settings import Settings
from tests.browser.conftest import running_server

CELLS = (("kv-corrected", 2, 4, 3, 2.0), ("kv-corrected", 1, 2, 3, 2.0), ("kv-corrected", 2, 4, 3, -2.0))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with a small real sweep of the model that ships."""
    cache = tmp_path_factory.mktemp("swept")
    workbench = Workbench(Settings(cache_dir=cache, device="cpu", threads=1))
    request = SweepRequest("bundled-steps", "corrected-kv", "bundled", n=24, randoms=2, shuffled=1, means_n=40, only=CELLS)
    sweep(workbench, request)
    workbench.close()
    return cache


def test_a_cell_opens_live_and_agrees(page: Page, swept: Path) -> None:
    with running_server(swept) as address:
        page.goto(f"{address}/heatmaps?model=bundled-steps&sweep=corrected-kv&set=bundled&alpha=2")
        cell = page.get_by_role("gridcell", name=re.compile(r"^A2−B4 · KV slot 3"))
        expect(cell).to_be_visible()
        expect(page.get_by_role("link", name="Inspect")).to_be_visible()
        assert parse_qs(urlparse(page.url).query)["set"] == ["bundled"]
        page.get_by_role("gridcell", name=re.compile(r"^A1−B2 · KV slot 3")).click()
        expect(page.get_by_text("A1−B2 at KV slot 3, α = +2").first).to_be_visible()
        cell.click()
        expect(page.get_by_text("A2−B4 at KV slot 3, α = +2").first).to_be_visible()
        assert parse_qs(urlparse(page.url).query)["pick"] == ["2,4,3,2"]

        page.get_by_role("button", name="Run 24 questions again").click()
        expect(page.get_by_text("24 of 24 outcomes and 24 of 24 answers are the same")).to_be_visible()

        steered = page.get_by_role("img", name=re.compile(r"^Steered: "))
        stored = steered.get_attribute("aria-label")
        page.get_by_text("How sure?").click()
        expect(page.get_by_text("each question its own")).to_be_visible()
        page.get_by_role("link", name="Open live on the Steer page").click()
        expect(page.get_by_text(re.compile(r"complete: 24 of 24 questions|running: 24 of 24 questions"))).to_be_visible()
        assert stored and steered.get_attribute("aria-label") == stored, "the same answers, computed again"

        page.goto(f"{address}/claims?model=bundled-steps&set=bundled&setting=corrected")
        rows = page.locator("table.claims").first.locator("tbody tr")
        expect(rows.first).to_be_visible()
        for row in rows.all():
            expect(row.locator(".verdict-badge")).to_have_text(re.compile(r"reproduced|not reproduced|reversed|not testable"))
