"""What the address of the Differences page says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from codi_core.figures.differences import BY
from codi_core.services.shared.interventions import Sign
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import eval_choice
from codi_core.values.vectors import Space

SIGNS: tuple[Sign, ...] = get_args(Sign)
SIZES = ("100", "200", "500", "1000")
"""Questions the means are taken over."""


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "differences"

    lens: str = codec.text("lens", "logit")
    reading: str = codec.choice("reading", SIGNS)
    means: str = eval_choice.means_set()
    means_n: str = codec.choice("means-n", SIZES, "500")
    bias: bool = codec.switch("bias", bound=True)
    by: str = codec.choice("by", BY)
    zero: bool = codec.switch("zero", bound=True)
    """Whether index 0 is shown too."""
    pair: str = codec.text("pair", pattern=r"[0-9]{1,3}\.[0-9]{1,3}")
    """A.B; empty: the first pair."""
    depth: str = codec.text("depth", pattern="[0-9]{1,3}")
    """Empty: the output."""
    space: str = codec.choice("cosine-space", get_args(Space), bound=True)
    flip: bool = codec.switch("flip", bound=True)
    table: bool = codec.switch("table", bound=True)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", pair="2.4", depth="4")
