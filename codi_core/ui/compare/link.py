"""What the address of the Compare page says: up to four pinned states."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode

from codi_core.figures.paint import COLOUR_BY
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.ui.inspect.link import Setup as InspectSetup
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.steer.link import Setup as SteerSetup

BY = COLOUR_BY[:3]
"""Those that need no target."""
Pinned = InspectSetup | SteerSetup
PAGES: dict[str, type[InspectSetup] | type[SteerSetup]] = {"inspect": InspectSetup, "steer": SteerSetup}


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "compare"

    pins: tuple[str, ...] = codec.several("pin")
    """Each as `text_of` writes it."""
    by: str = codec.choice("by", BY)

    @classmethod
    def example(cls) -> Setup:
        pins = (InspectSetup(model=model, prompt=prompt.question) for prompt in (team_prompt(), seed_prompt()) for model in MODELS)
        return cls(pins=tuple(map(text_of, pins)))


MODELS = ("bundled-steps", "bundled")


def text_of(setup: Pinned) -> str:
    """A state as its own address: page and query."""
    return f"{setup.page}?{urlencode(setup.query(), doseq=True)}"


def setup_of(text: str) -> Pinned | None:
    """The inverse; None for what is no state of these pages."""
    page, _, query = text.partition("?")
    given = parse_qs(query)
    return PAGES[page].of(lambda name: given.get(name, [])) if page in PAGES else None
