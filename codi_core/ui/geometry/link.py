"""What the address of the Geometry page says."""

from __future__ import annotations

from dataclasses import dataclass

from codi_core.figures.geometry import COLOUR_BY
from codi_core.ui.shell import codec
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.widgets import control, eval_choice, passes_choice

SIZES = ("100", "200", "500", "1000")
"""Questions whose latents are read."""


@dataclass(frozen=True)
class Setup(PageSetup):
    """Texts that are empty stand for what the page shows first."""

    page = "geometry"

    latents: str = codec.text("latents", bound=True)
    layer: str = codec.text("layer", bound=True)
    depth: str = codec.text("depth", pattern="[0-9]{1,3}")
    means: str = eval_choice.means_set()
    means_n: str = codec.choice("means-n", SIZES, "500")
    passes: int | None = passes_choice.param()
    twin: bool = control.param()
    within: bool = codec.switch("within", bound=True)
    x: str = codec.text("x", bound=True)
    y: str = codec.text("y", bound=True)
    by: str = codec.choice("by", COLOUR_BY)
    step: str = codec.text("step", bound=True)
    indices: tuple[str, ...] = codec.several("indices", bound=True)
    at: str = codec.text("at", bound=True)
    cosines: str = codec.text("cosines", bound=True)
    table: bool = codec.switch("table", bound=True)
    scree_table: bool = codec.switch("scree-table", bound=True)
    cosine_table: bool = codec.switch("cosine-table", bound=True)

    @classmethod
    def example(cls) -> Setup:
        return cls(model="bundled-steps", by="Step value")
