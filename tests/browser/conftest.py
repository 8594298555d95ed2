"""The real server and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, ViewportSize, expect, sync_playwright

from codi_core.settings import ROOT

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE = 120_000
"""Milliseconds. What is waited for comes in one or two seconds; a machine that runs other things as well may need a minute."""
START_SECONDS = 120
expect.set_options(timeout=PATIENCE)


@contextmanager
def running_server(cache_dir: Path, root: Path = ROOT, port: int = 0, options: Sequence[str] = ()) -> Iterator[str]:
    """The app, of this checkout or another one, on a port of this machine (0: a free one); its address. ``options`` are Streamlit's."""
    port = port or free_port()
    script = next(path for name in ("server.py", "app.py") if (path := root / name).is_file())  # older checkouts serve the app itself
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), "--logger.level", "warning", *options]
    environment = {**os.environ, "CODI_CACHE_DIR": str(cache_dir), "CODI_DEVICE": "cpu", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    server = subprocess.Popen(command, cwd=root, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_healthy(f"{address}/_stcore/health", server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, "the server ended"
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS} s")


def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "the browser tests need a `chromium` command (CODI_SKIP_BROWSER=1 leaves them out)"
    return found


@contextmanager
def running_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS) as browser:
        yield browser


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """For somebody else, who has seen nothing yet."""
    with playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS) as browser:
        yield browser


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory, window: BrowserContext) -> Iterator[str]:
    """A server that has shown its first page: that one waits for torch to be imported, half a minute on a busy machine."""
    with running_server(tmp_path_factory.mktemp("cache")) as address:
        page = window.new_page()
        page.goto(address)
        expect(page.get_by_role("grid")).to_be_visible()
        page.close()
        yield address


@pytest.fixture(scope="session")
def window(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """What was fetched for one page is there for the next, and compiled, as the profile is on the disk."""
    profile, size = tmp_path_factory.mktemp("profile"), ViewportSize(width=1440, height=1000)
    opened = playwright.chromium.launch_persistent_context(profile, executable_path=chromium(), args=CHROMIUM_FLAGS, viewport=size)
    with opened as window:
        yield window


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A fresh session in a tab of its own. A script error, and any request that leaves this machine, fails the test."""
    page = window.new_page()
    page.set_default_timeout(PATIENCE)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: None if _local(request.url) else trouble.append(f"a request to {request.url}"))
    yield page
    page.close()
    assert not trouble


CALM = """() => {
  const ready = document.querySelector('[data-test-script-state=notRunning]');
  const busy = document.querySelector('[data-stale=true], [data-testid=stSkeleton], [data-testid=stStatusWidget]');
  window.calm = ready && !busy ? (window.calm || 0) + 1 : 0;
  return window.calm > 15 && !(window.calm = 0);
}"""
"""Asked once a frame. The state of the script changes with the click; the status widget waits a while before it is shown."""


def settled(page: Page) -> None:
    """The script has run, everything it sent is painted, and the grids have been fitted: nothing has moved for a quarter of a second."""
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_function(CALM)


def drawn(page: Page) -> None:
    """Every chart has come in sight, and is there."""
    settled(page)
    places = page.locator("[role=figure].place:visible")
    while found := places.element_handles():
        place = found[0]  # not `places.first`, which may be drawn by now
        place.evaluate("place => place.scrollIntoView({block: 'center'})")  # Playwright's own waits for what may be drawn by now
        place.wait_for_element_state("hidden")
    expect(page.locator(".stPlotlyChart:has([data-testid=stSkeleton])")).to_have_count(0)
    settled(page)


def choose_first_row(page: Page) -> None:
    """Of the page's table, by its check box. The table is painted, not made of elements: the click goes where it is once all lies still."""
    settled(page)
    table = page.get_by_test_id("stDataFrame").locator("canvas").first
    table.scroll_into_view_if_needed()
    settled(page)
    box = table.bounding_box()
    assert box
    page.mouse.click(box["x"] + 18, box["y"] + 52)


def _local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))
