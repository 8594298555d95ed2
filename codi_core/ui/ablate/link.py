"""What the address of the Ablate page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.figures.ablate import MEASURES
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import eval_choice, passes_choice
from codi_core.ui.widgets.eval_choice import MOST

VIEWS = ("Early stop", "Every latent", "One prompt")
DEFAULT_N = 192
LINES = ("All questions", "Kind of story", "Steps")
DRAWS = (20, 32, 64, 128)


@dataclass(frozen=True)
class Setup(PageSetup):
    """Texts that are empty stand for what the page shows first."""

    page = "ablate"

    view: str = codec.choice("view", VIEWS)
    eval_set: str = eval_choice.eval_set("templates")
    n: int = codec.whole("n", DEFAULT_N, MOST)
    """0 = all."""
    passes: int | None = passes_choice.param()
    lines: str = codec.choice("lines", LINES, bound=True)
    replace: tuple[str, ...] = codec.several("replace", bound=True)
    """What is put in place of a latent, by its name on screen; none: what the page measures first."""
    spaces: tuple[str, ...] = codec.several("spaces", bound=True)
    measure: str = codec.choice("measure", MEASURES)
    site: str = codec.text("site")
    """`mean.z.3`: what is put where; empty: the largest change."""
    prompt: str = codec.text("prompt")
    gold: str = codec.text("gold")
    """Its answer as a person gives it; empty: what we know."""
    steps: str = codec.text("steps")
    """Its step values, with commas."""
    put: str = codec.text("put", bound=True)
    draws: int = codec.whole("draws", 32, max(DRAWS), bound=True)
    space: str = codec.text("space", bound=True)
    table: bool = codec.switch("table", bound=True)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps")
