"""From numbers to colours: what a grid shows, on which scale, and in which ink its text stays readable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import plotly.colors

from codi_core.types import Floats, LensGrid, TrackedToken

ColourBy = Literal["Top-1 probability", "Entropy", "KL to output", "P(target)", "Rank(target)"]
COLOUR_BY: tuple[ColourBy, ...] = get_args(ColourBy)
TARGETED: frozenset[ColourBy] = frozenset({"P(target)", "Rank(target)"})
"""Colourings that need a tracked token."""

CIVIDIS = np.array([plotly.colors.hex_to_rgb(colour) for _, colour in plotly.colors.get_colorscale("Cividis")], float)
"""Sequential and safe for every kind of colour blindness; ``[stop rgb]``, 0–255."""


@dataclass(frozen=True)
class Paint:
    """A grid of numbers ready to be drawn."""

    title: str
    values: Floats
    """``[index depth]``, in the unit of the title."""
    level: Floats
    """``[index depth]``, 0..1 along the colour scale."""
    ticks: tuple[tuple[float, str], ...]
    """Level and label of the marks on the colour bar."""
    form: str
    """Format of one value in words."""

    @property
    def fill(self) -> list[list[str]]:
        """``[index depth]`` CSS colours."""
        return [[f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in row] for row in ramp(self.level)]

    @property
    def ink(self) -> list[list[str]]:
        """``[index depth]`` black or white, whichever reads better on the fill (at least 4.5:1)."""
        return np.where(luminance(ramp(self.level)) > 0.179, "#000000", "#ffffff").tolist()  # type: ignore[no-any-return]


def paint(grid: LensGrid, by: ColourBy, target: TrackedToken | None = None) -> Paint:
    """``target`` must be tracked by the grid, and given, for the colourings in TARGETED."""
    if by == "Top-1 probability":
        return _shares("Top-1 probability", grid.top_probs[..., 0])
    if by == "Entropy":
        return _amounts("Entropy (nats)", grid.entropy)
    if by == "KL to output":
        return _amounts("KL to output (nats)", grid.kl)
    assert target is not None, f"{by} needs a target"
    if by == "P(target)":
        return _shares("P(target)", grid.prob_of(target))
    return _ranks("Rank(target)", grid.rank_of(target).astype(np.float32))


def _shares(title: str, values: Floats) -> Paint:
    return Paint(title, values, np.clip(values, 0, 1), tuple((tick, f"{tick:.0%}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0)), ".1%")


def _amounts(title: str, values: Floats) -> Paint:
    """From 0 to the largest on the grid."""
    top = max(float(values.max(initial=0)), 1e-6)
    return Paint(title, values, values / np.float32(top), tuple((tick, f"{tick * top:.2g}") for tick in (0.0, 0.5, 1.0)), ".2f")


def _ranks(title: str, values: Floats) -> Paint:
    """Logarithmic; rank 1 at the bright end."""
    decades = max(1, int(np.ceil(np.log10(max(float(values.max(initial=1)), 2)))))
    level = (1 - np.log10(values) / decades).astype(np.float32)
    return Paint(title, values, level, tuple((1 - d / decades, f"{10**d:,}") for d in range(decades, -1, -1)), ",.0f")


def ramp(level: Floats) -> Floats:
    """``[…]`` in 0..1 → ``[… rgb]`` on Cividis, 0–255."""
    place = np.clip(level, 0, 1) * (len(CIVIDIS) - 1)
    below = np.minimum(place.astype(int), len(CIVIDIS) - 2)
    part = (place - below)[..., None]
    rgb: Floats = (CIVIDIS[below] * (1 - part) + CIVIDIS[below + 1] * part).astype(np.float32)
    return rgb


def luminance(rgb: Floats) -> Floats:
    """WCAG relative luminance of ``[… rgb]``, 0–255 → ``[…]``."""
    share = rgb / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    weighted: Floats = (linear @ np.array([0.2126, 0.7152, 0.0722])).astype(np.float32)
    return weighted
