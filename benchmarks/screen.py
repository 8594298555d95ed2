"""``python -m benchmarks.screen [--before FOLDER] [--repeats N]``: how long a person waits, in a real browser; writes docs/screen.md.

``--before``: an older checkout, as `git worktree add FOLDER COMMIT` makes one. Its server and this one are measured in turn, in one run:
the first visit. Later pages and the slider are this tree's, as older ones have no readout to wait for.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page, Response, expect

from codi_core.settings import ROOT
from codi_core.ui.pages import page_of
from tests.browser.conftest import PATIENCE, running_browser, running_server

DOCUMENT = ROOT / "docs" / "screen.md"
LATER = ("steer", "differences", "heatmaps", "inspect")
"""Pages whose first grid is waited for."""
STEER = "steer?model=bundled-steps&n=200&controls=24&steer=kv+source%3Ddifference+a%3D2+b%3D4+coefficient%3D0+indices%3D5"
UP, PAINT, SCRIPT, SENT = (
    "start → the address answers",
    "first visit → heatmap painted",
    "first visit: script",
    "first visit: all that is sent",
)
ANSWER, FIRST, WHOLE = "slider key → answer", "slider key → first estimate", "slider key → 200 questions, 24 directions"
LINKED, NEXT = "first visit, by a link to {} → its first grid", "next page: {} → its first grid"
TARGETS = {
    PAINT: 2.5,
    **{LINKED.format(name): 2.5 for name in LATER},
    **{NEXT.format(name): 1.5 for name in LATER},
    ANSWER: 0.4,
    FIRST: 0.7,
    WHOLE: 2.0,
}
"""Seconds."""
HEAD = """# The screen

Written by `python -m benchmarks.screen`: the server as `make run` starts it, Chromium at 1280×720 with nothing in its cache, model
`bundled-steps`. Medians, with every single value in the last column. The first visitor comes once the address answers; links to single
pages are opened by others, who have nothing in their caches either; the next pages are those that one of them goes on to, by the bar at the
top. A slider key goes to a coefficient that nobody has visited. Targets are for a quiet machine.

* {cpu}, {cores} cores, load average {load:.1f}
* {trees}

| | | measured | target | each |
|---|---|---|---|---|
"""
SAYS = "([where, text]) => [...document.querySelectorAll(where)].some((place) => place.textContent.includes(text))"
Times = dict[str, list[float]]


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def fresh(browser: Browser) -> Page:
    """A visitor who has been here never before: nothing is in the browser's cache."""
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.set_default_timeout(PATIENCE)
    return page


def painted(page: Page, address: str) -> float:
    def open_it() -> None:
        page.goto(address, wait_until="commit")
        page.locator("[role=grid] [role=gridcell]:visible").first.wait_for()

    return seconds(open_it)


def first_visit(browser: Browser, address: str, times: Times) -> None:
    """Bytes: of all that is loaded until nothing comes any more, what comes after the heatmap as well."""
    page, came = fresh(browser), list[Response]()
    page.on("response", lambda response: came.append(response))  # Playwright takes no method of a list
    times.setdefault(PAINT, []).append(painted(page, address))
    quiet(page)
    sizes = {response.url: len(response.body()) for response in came if response.status == 200}
    times.setdefault(SCRIPT, []).append(sum(size for url, size in sizes.items() if url.endswith(".js")) / 1e6)
    times.setdefault(SENT, []).append(sum(sizes.values()) / 1e6)
    page.context.close()


def linked_visits(browser: Browser, address: str, times: Times) -> None:
    for name in LATER:
        page = fresh(browser)
        times.setdefault(LINKED.format(name), []).append(painted(page, f"{address}/{name}"))
        page.context.close()


def next_pages(browser: Browser, address: str, times: Times) -> None:
    """A visitor of Inspect goes on through the others and back."""
    page = fresh(browser)
    painted(page, address)
    for name in LATER:
        quiet(page)
        page.locator("[role=grid]").evaluate_all("grids => grids.forEach((grid) => grid.setAttribute('data-old', ''))")

        def follow(title: str = page_of(name).title) -> None:
            page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
            page.locator("[role=grid]:not([data-old]) [role=gridcell]:visible").first.wait_for()

        times.setdefault(NEXT.format(name), []).append(seconds(follow))
    page.context.close()


def quiet(page: Page) -> None:
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)
    page.wait_for_load_state("networkidle")


def pushes(browser: Browser, address: str, times: Times, count: int) -> None:
    """Asked with every frame that is painted, in words that cost the page little."""
    page = fresh(browser)
    page.goto(f"{address}/{STEER}")
    page.wait_for_function(SAYS, arg=[".stMarkdownBadge", "complete: 200 of 200"])
    for step in range(1, count + 1):
        quiet(page)
        start = time.perf_counter()
        page.get_by_role("slider").press("ArrowRight")
        for name, where, text in (
            (ANSWER, ".readout", f"α = {0.1 * step:g}"),
            (FIRST, ".stMarkdownBadge", "running: "),
            (WHOLE, ".stMarkdownBadge", "complete: 200 of 200 questions, 24 of 24 random directions"),
        ):
            page.wait_for_function(SAYS, arg=[where, text])
            times.setdefault(name, []).append(time.perf_counter() - start)


def measure(browser: Browser, root: Path, times: Times, repeats: int, last: bool) -> None:
    """One server and its first visitor; on the ``last`` one also links, next pages, and a slider."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as cache, running_server(Path(cache), root) as address:
        times.setdefault(UP, []).append(time.perf_counter() - start)
        first_visit(browser, address, times)
        for _ in range(repeats * last):
            linked_visits(browser, address, times)
            next_pages(browser, address, times)
        if repeats and last:
            pushes(browser, address, times, repeats)


def commit(root: Path) -> str:
    git = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def document(found: dict[str, Times], trees: dict[str, Path]) -> str:
    head = HEAD.format(
        cpu=platform.processor() or platform.machine(),
        cores=os.cpu_count(),
        load=os.getloadavg()[0],
        trees=", ".join(f"{name}: code `{commit(path)}`" for name, path in trees.items()),
    )
    names = list(dict.fromkeys(name for times in found.values() for name in times))
    rows = [_row(name, tree, times[name]) for name in names for tree, times in found.items() if name in times]
    return head + "\n".join(rows) + "\n"


def _row(name: str, tree: str, values: list[float]) -> str:
    unit = "MB" if name in (SCRIPT, SENT) else "s"
    target = TARGETS.get(name)
    met = "" if target is None else f"≤ {target} s {'✓' if median(values) <= target else '✗'}"
    return f"| {name} | {tree} | {median(values):.2f} {unit} | {met} | {', '.join(f'{one:.2f}' for one in values)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="an older checkout, measured in turn with this one")
    parser.add_argument("--repeats", type=int, default=5, help="(default 5; 0: one visit each, for the bytes)")
    args = parser.parse_args()
    trees = {**({"before": args.before.resolve()} if args.before else {}), "now": ROOT}
    found: dict[str, Times] = {name: {} for name in trees}
    with running_browser() as browser:
        for server in range(max(args.repeats, 1)):
            for name, root in trees.items():
                measure(browser, root, found[name], args.repeats, last=server == args.repeats - 1 and root == ROOT)
    text = document(found, trees)
    DOCUMENT.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
