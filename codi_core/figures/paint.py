"""From numbers to colours: what a grid shows, on which scale, and in which ink its text stays readable."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
import plotly.colors

from codi_core.values.arrays import Floats
from codi_core.values.lens import LensGrid, TrackedToken
from codi_core.values.signs import decimal

ColourBy = Literal["Top-1 probability", "Entropy", "KL to output", "P(target)", "Rank(target)"]
COLOUR_BY: tuple[ColourBy, ...] = get_args(ColourBy)
TARGETED: frozenset[ColourBy] = frozenset({"P(target)", "Rank(target)"})
"""Colourings that need a tracked token."""


def _stops(name: str) -> Floats:
    """A colour scale of Plotly, ``[stop rgb]``, 0–255."""
    colours = [colour for _, colour in plotly.colors.get_colorscale(name)]
    return np.array([plotly.colors.hex_to_rgb(c) if c.startswith("#") else plotly.colors.unlabel_rgb(c) for c in colours], np.float32)


CIVIDIS = _stops("Cividis")
"""Sequential, and safe for every kind of colour blindness."""
BRBG = _stops("BrBG")
"""Diverging, likewise; the middle is nothing."""
_BROWN = [(246, 200, 128), (206, 146, 62), (140, 92, 30), (80, 60, 36)]
_TEAL = [(28, 74, 72), (30, 118, 110), (66, 172, 160), (150, 224, 214)]
BRBG_DARK = np.array([*_BROWN, (34, 42, 46), *_TEAL], np.float32)
"""The same on a dark page: its middle is the page, not a glare."""


@dataclass(frozen=True)
class Paint:
    """A grid of numbers ready to be drawn."""

    title: str
    values: Floats
    """``[index depth]``, in the unit of the title."""
    level: Floats
    """``[index depth]``, 0..1 along the colour scale; NaN where there is nothing to show."""
    ticks: tuple[tuple[float, str], ...]
    """Level and label of the marks on the colour bar."""
    form: str
    """Format of one value in words."""
    scale: Floats = field(default_factory=lambda: CIVIDIS)
    """``[stop rgb]``"""

    @property
    def on_dark(self) -> Paint:
        """As it is drawn on a dark page."""
        return replace(self, scale=BRBG_DARK) if self.scale is BRBG else self

    @property
    def fill(self) -> list[list[str]]:
        """``[index depth]`` CSS colours."""
        return [[css(rgb) for rgb in row] for row in ramp(self.level, self.scale)]

    @property
    def ink(self) -> list[list[str]]:
        """``[index depth]`` black or white, whichever reads better on the fill (at least 4.5:1)."""
        return np.where(luminance(ramp(self.level, self.scale)) > 0.179, "#000000", "#ffffff").tolist()  # type: ignore[no-any-return]

    @property
    def stops(self) -> list[str]:
        """CSS colours of the scale."""
        return [css(rgb) for rgb in self.scale]

    def said(self, index: int, depth: int) -> str:
        """One value in words."""
        return f"{self.title} {decimal(float(self.values[index, depth]), self.form)}"


def paint(grid: LensGrid, by: ColourBy, target: TrackedToken | None = None) -> Paint:
    """``target`` must be tracked by the grid, and given, for the colourings in TARGETED."""
    if by == "Top-1 probability":
        return shares("Top-1 probability", grid.top_probs[..., 0])
    if by == "Entropy":
        return amounts("Entropy (nats)", grid.entropy)
    if by == "KL to output":
        return amounts("KL to output (nats)", grid.kl)
    assert target is not None, f"{by} needs a target"
    if by == "P(target)":
        return shares("P(target)", grid.prob_of(target))
    return ranks("Rank(target)", grid.rank_of(target).astype(np.float32))


def shares(title: str, values: Floats) -> Paint:
    """Always on the whole scale from 0 to 1."""
    return Paint(title, values, np.clip(values, 0, 1), tuple((tick, f"{tick:.0%}") for tick in (0.0, 0.25, 0.5, 0.75, 1.0)), ".1%")


def amounts(title: str, values: Floats, top: float = 0) -> Paint:
    """From 0 to the largest on the grid, or to ``top``: grids side by side need one scale."""
    top = max(top, float(values.max(initial=0)), 1e-6)
    return Paint(title, values, values / np.float32(top), tuple((tick, f"{tick * top:.2g}") for tick in (0.0, 0.5, 1.0)), ".2f")


def ranks(title: str, values: Floats) -> Paint:
    """Logarithmic; rank 1 at the bright end."""
    decades = max(1, int(np.ceil(np.log10(max(float(values.max(initial=1)), 2)))))
    level = (1 - np.log10(values) / decades).astype(np.float32)
    return Paint(title, values, level, tuple((1 - d / decades, f"{10**d:,}") for d in range(decades, -1, -1)), ",.0f")


def difference(a: Paint, b: Paint, title: str) -> Paint:
    """a − b, diverging around 0; of ranks, how many decades a is nearer to the top."""
    ranked = a.form == ",.0f"
    values = (np.log10(b.values) - np.log10(a.values) if ranked else a.values - b.values).astype(np.float32)
    return changes(f"{title} (decades)" if ranked else title, values, a.form.endswith("%"))


def changes(title: str, values: Floats, share: bool) -> Paint:
    """Diverging around 0, up to the largest on the grid; of shares in points."""
    return around_zero(f"{title} (points)", 100 * values, "+.1f") if share else around_zero(title, values, "+.2f")


def around_zero(title: str, values: Floats, form: str) -> Paint:
    """Diverging, to the largest in either direction."""
    top = max(float(np.nanmax(np.abs(values), initial=0)), 1e-6)
    ticks = tuple((0.5 + side / 2, decimal(side * top, "+.2g")) for side in (-1, 0, 1))
    return Paint(title, values, (0.5 + values / np.float32(2 * top)).astype(np.float32), ticks, form, BRBG)


def ramp(level: Floats, scale: Floats) -> Floats:
    """``[…]`` in 0..1 → ``[… rgb]`` on a scale, 0–255; grey where NaN."""
    known = np.nan_to_num(level, nan=0.0)
    place = np.clip(known, 0, 1) * (len(scale) - 1)
    below = np.minimum(place.astype(int), len(scale) - 2)
    part = (place - below)[..., None]
    rgb: Floats = (scale[below] * (1 - part) + scale[below + 1] * part).astype(np.float32)
    return np.where(np.isnan(level)[..., None], np.float32(128), rgb)


def css(rgb: Floats) -> str:
    red, green, blue = rgb
    return f"rgb({red:.0f},{green:.0f},{blue:.0f})"


def luminance(rgb: Floats) -> Floats:
    """WCAG relative luminance of ``[… rgb]``, 0–255 → ``[…]``."""
    share = rgb / 255
    linear = np.where(share <= 0.03928, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    weighted: Floats = (linear @ np.array([0.2126, 0.7152, 0.0722])).astype(np.float32)
    return weighted
