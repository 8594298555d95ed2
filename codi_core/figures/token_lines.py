"""Every tracked token's way through one index and one depth: lines with their names at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.lens import Measure, value_axis
from codi_core.figures.text import plotly_text, position, short

COLOURS = ("#d1495b", "#1f6f78", "#c8963e", "#6a5acd", "#3a86c8", "#7a8b2a", "#b0588f", "#8c6d4f")
"""Apart for most kinds of colour blindness; beyond them, the dash differs."""
DASHES = ("solid", "dash", "dot")
LONGEST = 26
"""Characters of a name."""
APART = 0.075
"""Least distance of two names, in heights of the chart."""


def token_lines(series: Mapping[str, npt.NDArray[np.float64]], measure: Measure, index: int, depth: int) -> go.Figure:
    """``series``: name → ``[index depth]``. Over depth at one index, and over index at one depth; the names stand at the right."""
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    for place, (name, values) in enumerate(series.items()):
        for column, y in ((1, values[index]), (2, values[:, depth])):
            figure.add_trace(_line(name, place, y, "layer" if column == 1 else "index"), row=1, col=column)
    indices, depths = next(iter(series.values())).shape
    figure.update_layout(
        showlegend=False,
        height=300,
        margin={"l": 8, "r": 24 + 7 * min(max(map(len, series)), LONGEST), "t": 28, "b": 8},
        hovermode="closest",
    )
    figure.update_xaxes(fixedrange=True, zeroline=False)
    figure.update_xaxes(title="Layer", tickmode="linear", dtick=1 if depths <= 10 else 4, col=1)
    figure.update_xaxes(title="Index", tickvals=list(range(indices)), ticktext=["bot", *(f"z{i}" for i in range(1, indices))], col=2)
    for half, text in (("x", f"over layers · {position(index)}"), ("x2", f"over indices · layer {depth}")):
        figure.add_annotation(text=text, showarrow=False, x=0, xref=f"{half} domain", y=1.11, yref="paper", font_size=12)
    axis: dict[str, Any] = value_axis(measure, max(float(values.max()) for values in series.values()))
    figure.update_yaxes(fixedrange=True, zeroline=False, **axis)
    low, high = axis["range"]
    ends = [float(values[-1, depth]) for values in series.values()]
    heights = [((np.log10(end) if axis.get("type") == "log" else end) - low) / (high - low) for end in ends]
    for place, (name, height) in enumerate(zip(series, spread(heights, APART), strict=True)):
        figure.add_annotation(
            text=plotly_text(short(name, LONGEST)),
            showarrow=False,
            x=1.01,
            xref="paper",
            xanchor="left",
            y=height,
            yref="paper",
            yanchor="middle",
            font={"color": COLOURS[place % len(COLOURS)], "size": 12},
        )
    return figure


def spread(heights: Sequence[float], apart: float) -> list[float]:
    """The same in their order, at least ``apart`` from each other, and between 0 and 1 where there is room."""
    order = np.argsort(heights, kind="stable")
    apart = min(apart, 1 / max(len(heights) - 1, 1))
    placed, lowest = np.zeros(len(heights)), 0.0
    for rank, which in enumerate(order):
        room = 1 - apart * (len(order) - 1 - rank)  # what the names above need
        placed[which] = min(max(heights[which], lowest), room)
        lowest = placed[which] + apart
    return [float(height) for height in placed]


def _line(name: str, place: int, y: npt.NDArray[np.float64], axis: str) -> go.Scatter:
    return go.Scatter(
        x=list(range(len(y))),
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": COLOURS[place % len(COLOURS)], "width": 2, "dash": DASHES[place // len(COLOURS) % len(DASHES)]},
        marker={"size": 5},
        hovertemplate=f"{plotly_text(name)}, {axis} %{{x}}: %{{y:.4g}}<extra></extra>",
    )
