"""Screenshots of the running app: `make shots`, or `python -m tests.shots NAME …` for some of them.

Those of the documents into docs/img; and into runs/screens, to be looked at, what fits a laptop's and a projector's screen of every page,
light and dark (`screens` is their name on the command line).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlencode

from playwright.sync_api import Page, expect

from codi_core.settings import ROOT
from codi_core.ui.compare.link import Setup as CompareSetup
from codi_core.ui.pages import PAGES
from tests.browser.conftest import PATIENCE, drawn, running_browser, running_server

FOLDER = ROOT / "docs" / "img"
SCREENS = ROOT / "runs" / "screens"
SIZES = ((1280, 720), (1024, 768))
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@dataclass(frozen=True)
class Shot:
    name: str
    path: str
    """Below the app's address: every state is a link."""
    ready: str
    """Text that is there when the page is."""
    height: int
    scheme: Literal["light", "dark"] = "light"
    press: str = ""
    """Button to press first."""


OWN = "A+shop+has+12+lamps.+Then+5+more+lamps+arrive.+How+many+lamps+are+there%3F&gold=17&steps=17"
EXAMPLE = urlencode(CompareSetup.example().query(), doseq=True)

SHOTS = (
    Shot("welcome", "?model=bundled-steps", "Values of the steps:", 800),
    Shot("sprint3", "claims?model=bundled-steps", "Every claim", 900),
    Shot("own-prompt", f"?model=bundled-steps&intro=closed&prompt={OWN}", "as given", 800),
    Shot("compare", f"compare?{EXAMPLE}", "Difference to A", 1900),
    Shot("inspect", "?model=bundled-steps&cell=3.5", "over indices ·", 1400),
    Shot("inspect-dark", "?model=bundled-steps&cell=3.5&by=Entropy", "over indices ·", 1400, "dark"),
    Shot("lenses", "?model=bundled-steps&cell=3.5&lens=logit&lens=tuned:all&lens=difference", "over indices ·", 1500),
    Shot("steer", "steer?model=bundled-steps", "24 of 24 random directions", 2300),
    Shot("steer-dark", "steer?model=bundled-steps&beside=Random+control&by=Entropy", "24 of 24 random directions", 2300, "dark"),
    Shot("influence", "influence?model=bundled-steps", "What a latent does", 1500),
    Shot("patch", "patch?model=bundled-steps&from=4.6", "Largest R", 1480),
    Shot("detect", "detect?model=bundled-steps&set=templates&n=192&value=step+1&cell=2.6", "192 of 192 questions", 900, press="Run"),
    Shot("early-stop", "ablate?model=bundled-steps&set=bundled&lines=Steps", "the latents are worth", 1000, press="Run"),
    Shot("ablate", "ablate?model=bundled-steps&view=Every+latent&set=bundled", "57 of 57 replacements measured", 1150, press="Run"),
    Shot("ablate-prompt", "ablate?model=bundled-steps&view=One+prompt", "Answers with a latent replaced", 1250),
    Shot("geometry", "geometry?model=bundled-steps", "Cosines between", 1700),
    Shot("geometry-dark", "geometry?model=bundled-steps&by=Step+value&within=true", "Cosines between", 1700, "dark"),
    Shot("differences", "differences?model=bundled-steps&pair=2.4&depth=4", "Most like", 1900),
    Shot("differences-dark", "differences?model=bundled-steps&lens=tuned:all&by=Length", "Most like", 1900, "dark"),
    Shot("tour", "tour", "What is left of the claims", 1350),
    Shot("heatmaps", "heatmaps?model=bundled-steps&sweep=post-kv&alpha=0.5,2&mask=max&pick=2,4,5,2", "Dose and response ·", 1500),
    Shot("heatmaps-dark", "heatmaps?model=bundled-steps&sweep=post-kv&view=pairs&alpha=2", "Dose and response ·", 1500, "dark"),
    Shot("claims", "claims?model=bundled-steps", "How the verdicts are computed", 2600),
    Shot("claims-dark", "claims?model=bundled-steps&setting=corrected", "How the verdicts are computed", 2600, "dark"),
    Shot("data", "data?set=bundled", "Words in the question", 1250),
    Shot("model", "model?model=bundled-steps", "Unseen problems answered right", 1720),
)


def take(page: Page, address: str, shot: Shot) -> Path:
    page.set_viewport_size({"width": 1440, "height": shot.height})
    page.emulate_media(color_scheme=shot.scheme)
    page.goto(f"{address}/{shot.path}")
    if shot.press:
        page.get_by_test_id("stMain").get_by_role("button", name=shot.press).click()
    expect(page.get_by_text(shot.ready).first).to_be_visible(timeout=PATIENCE)
    return still(page, FOLDER / f"{shot.name}.png")


def screens(page: Page, address: str) -> Iterator[Path]:
    """Every page as a stranger finds it, as far as the screen goes."""
    for one in PAGES:
        page.goto(f"{address}/{one.name}?model=bundled-steps")
        for scheme in SCHEMES:
            for width, height in SIZES:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": height})
                yield still(page, SCREENS / f"{one.name}-{width}-{scheme}.png")


def still(page: Page, path: Path) -> Path:
    expect(page.get_by_test_id("stStatusWidget")).to_be_hidden()
    drawn(page)
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)  # transitions end
    page.screenshot(path=path)
    return path


def main() -> None:
    for folder in (FOLDER, SCREENS):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as cache, running_server(Path(cache)) as address, running_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        for shot in [shot for shot in SHOTS if shot.name in (sys.argv[1:] or [shot.name])]:
            print(take(page, address, shot).relative_to(ROOT))
        for path in screens(page, address) if sys.argv[1:] in ([], ["screens"]) else ():
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
