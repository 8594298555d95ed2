"""What the address of the Inspect page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.figures.lens import MEASURES
from codi_core.figures.paint import COLOUR_BY
from codi_core.problems.generate import team_prompt
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import passes_choice


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "inspect"

    prompt: str = codec.text("prompt")
    """Empty: the one looked at already, or the first example."""
    gold: str = codec.text("gold")
    """Its answer as a person gives it; empty: what we know."""
    steps: str = codec.text("steps")
    """Its step values, with commas."""
    passes: int | None = passes_choice.param()
    lenses: tuple[str, ...] = codec.several("lens")
    cell: tuple[int, int] | None = codec.cell()
    track: tuple[str, ...] = codec.several("track")
    by: str = codec.choice("by", COLOUR_BY)
    target: str = codec.text("target", bound=True)
    measure: str = codec.choice("measure", MEASURES)
    sparse: bool = codec.switch("sparse")
    """Whether the chosen cell is written as a sum of token directions."""
    flip: bool = codec.switch("flip", bound=True)
    table: bool = codec.switch("table", bound=True)
    introduced: bool = codec.switch("intro", ("open", "closed"))
    """Whether the introduction was closed."""

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", prompt=team_prompt().question, cell=(3, 5))
