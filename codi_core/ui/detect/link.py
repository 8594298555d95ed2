"""What the address of the Detect page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import control, eval_choice
from codi_core.ui.widgets.eval_choice import MOST

VIEWS = ("Values", "Token set", "Entropy", "Probability")


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "detect"

    eval_set: str = eval_choice.eval_set("templates")
    n: int = codec.whole("n", 512, MOST)
    """0 = all."""
    lens: str = codec.text("lens", "logit")
    view: str = codec.choice("view", VIEWS)
    value: str = codec.text("value")
    """What is looked for: `answer`, `step 1`, …; empty: the first there is."""
    k: int = codec.whole("k", 10, 10, bound=True)
    words: str = codec.text("words", bound=True)
    """Empty: a word of which this model has a token."""
    subset: str = codec.text("subset", bound=True)
    cell: tuple[int, int] | None = codec.cell()
    twin: bool = control.param()
    table: bool = codec.switch("table", bound=True)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", value="step 2", cell=(3, 5))
