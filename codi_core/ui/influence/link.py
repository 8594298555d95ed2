"""What the address of the Influence page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.figures.influence import EDGES
from codi_core.ui.inspect.examples import FIRST
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import control, eval_choice, passes_choice
from codi_core.values.influence import BYS, HOWS, SHARES

VIEWS = ("One prompt", "Over an eval set")
READERS = ("one", "later")
"""From whom a key is hidden: one query, or all after it."""
N = 64


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "influence"

    view: str = codec.choice("view", VIEWS)
    prompt: str = codec.text("prompt")
    """Empty: the one looked at already, or the first example."""
    passes: int | None = passes_choice.param()
    share: str = codec.choice("share", SHARES)
    """Which map: attention, value-weighted, or rolled out over layers and passes."""
    layer: str = codec.text("in-layer", "mean", pattern="mean|[0-9]{1,3}")
    head: str = codec.text("in-head", "mean", pattern="mean|[0-9]{1,3}")
    cut: tuple[int, int] | None = codec.cell("cut")
    """Query and key of the edge to be cut; None: the slot that the answer cannot do without."""
    how: str = codec.choice("how", HOWS)
    readers: str = codec.choice("readers", READERS)
    twin: bool = control.param()
    by: str = codec.choice("by", BYS)
    edge: str = codec.choice("edge", tuple(EDGES))
    eval_set: str = eval_choice.eval_set("templates")
    n: int = codec.whole("n", N, eval_choice.MOST)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", prompt=FIRST)
