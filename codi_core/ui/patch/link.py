"""What the address of the Patch page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.ui.patch.examples import FIRST
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import control, eval_choice, passes_choice
from codi_core.values.patching import DONORS, WAYS

WHAT = ("cell", "index", "prefix", "suffix", "slot")
"""What a click names: a cell; all depths of its index, and of those before or after it; its KV slot."""
OVER = ("pairs", "this")
"""What a map is of: pairs of an eval set, or the two prompts."""
CONTROLS = DONORS[1:]
N = 64


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "patch"

    prompt: str = codec.text("prompt")
    """The clean one; empty: the one looked at already, or the first example."""
    into: str = codec.text("into")
    """The corrupt one."""
    way: str = codec.choice("way", WAYS)
    what: str = codec.choice("what", WHAT)
    taken: tuple[int, int] | None = codec.cell("from")
    put: tuple[int, int] | None = codec.cell("to")
    """None: where it was taken."""
    passes: int | None = passes_choice.param()
    over: str = codec.choice("over", OVER)
    eval_set: str = eval_choice.eval_set("templates")
    n: int = codec.whole("n", N, eval_choice.MOST)
    donor: str = codec.choice("donor", CONTROLS)
    """What the map beside the two puts in place."""
    twin: bool = control.param()

    @classmethod
    def example(cls) -> Setup:
        clean, corrupt = FIRST
        return cls(model="bundled-steps", prompt=clean, into=corrupt, taken=(4, 6))
