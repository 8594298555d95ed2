"""What the address of the Model page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.figures.lens_card import MEASURES
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import control


@dataclass(frozen=True)
class Setup(PageSetup):
    page = "model"

    twin: bool = control.param()
    lens: str = codec.text("lens")
    """Whose card is shown; empty: the first."""
    card_measure: str = codec.choice("card-measure", MEASURES, bound=True)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled")
