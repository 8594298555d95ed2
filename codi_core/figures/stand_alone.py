"""A chart that leaves the page: with its title and what made it, and its numbers as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.lens import FONT
from codi_core.figures.provenance import write_below
from codi_core.figures.text import plotly_text


def stand_alone(figure: go.Figure, title: str, condition: str) -> go.Figure:
    """A copy with the ``title`` above and the ``condition`` below."""
    made = go.Figure(figure)
    made.update_layout(
        template="plotly_white",
        font=FONT,
        title={"text": plotly_text(title), "font_size": 15, "x": 0, "xref": "container", "pad_l": 16},
        width=1100,
        height=(figure.layout.height or 360) + 130,
        margin={"l": 70, "r": 30, "t": 100, "b": 120},
    )
    write_below(made, condition)
    return made


def traces_table(figure: go.Figure) -> pd.DataFrame:
    """Every point of every line and bar: series, axis, x, y, and the interval where there is one. Bands and guides are left out."""
    frames = [_points(figure, trace) for trace in figure.data if trace.hoverinfo != "skip"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _points(figure: go.Figure, trace: Any) -> pd.DataFrame:
    axes = {name: figure.layout[f"{name}axis{(trace[f'{name}axis'] or name)[1:]}"].title.text or name for name in "xy"}
    columns: dict[str, Any] = {"series": trace.name or "", "x_axis": axes["x"], "x": list(trace.x)}
    if trace.y is not None:
        columns |= {"y_axis": axes["y"], "y": list(trace.y)}
    if trace.customdata is not None and np.shape(trace.customdata)[1:] == (2,):
        columns |= {"low": [low for low, _ in trace.customdata], "high": [high for _, high in trace.customdata]}
    return pd.DataFrame(columns)
