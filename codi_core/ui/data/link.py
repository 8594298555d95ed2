"""What the address of the Data page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import eval_choice
from codi_core.ui.widgets.eval_choice import MOST


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "data"

    eval_set: str = eval_choice.eval_set("templates")
    n: int = codec.whole("n", 0, MOST)
    """0 = all."""

    @classmethod
    def example(cls) -> Setup:
        return cls(eval_set="bundled", n=1000)
