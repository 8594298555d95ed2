"""The learning curve of a checkpoint trained by this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

RIGHT = {"right_0": ("no passes", "#8a8d91", "dot"), "teacher_right": ("explicit chain", "#c8963e", "dash")}
"""Shares of unseen problems answered correctly; the passes' own share is found by its name, `right_<passes>`."""
LOSSES = {"student": "#1f6f78", "teacher": "#c8963e", "distill": "#d1495b", "steps": "#6c5b9e"}


def learning_curve(curve: Sequence[Mapping[str, float]]) -> go.Figure:
    """``curve``: rows of `codi.json`, one per report, with their ``step``."""
    passes = max((name for name in curve[-1] if name.startswith("right_")), key=lambda name: int(name.removeprefix("right_")))
    figure = make_subplots(cols=2, horizontal_spacing=0.09, subplot_titles=("Unseen problems answered right", "Loss"))
    shares = {passes: (f"{passes.removeprefix('right_')} passes", "#1f6f78", "solid"), **RIGHT}
    for name, (label, colour, dash) in shares.items():
        if name in curve[-1]:
            figure.add_trace(_line(curve, name, label, colour, dash), row=1, col=1)
    for name, colour in LOSSES.items():
        if any(row.get(name, 0) > 0 for row in curve):
            figure.add_trace(_line(curve, name, name, colour, "solid", legend="legend2"), row=1, col=2)
    figure.update_layout(
        height=330,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "x": 0, "y": -0.2},
        legend2={"orientation": "h", "x": 0.55, "y": -0.2},
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title="Step", fixedrange=True)
    figure.update_yaxes(fixedrange=True)
    figure.update_yaxes(tickformat=".0%", range=[-0.02, 1.02], col=1)
    figure.update_yaxes(type="log", dtick=1, col=2)
    return figure


def _line(curve: Sequence[Mapping[str, float]], name: str, label: str, colour: str, dash: str, legend: str = "legend") -> go.Scatter:
    rows = [(row["step"], row[name]) for row in curve if name in row and not (legend == "legend2" and row[name] <= 0)]
    x, y = zip(*rows, strict=True)
    return go.Scatter(x=x, y=y, name=label, mode="lines", line={"color": colour, "width": 2, "dash": dash}, legend=legend)
