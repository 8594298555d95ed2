"""The claims as one picture: every effect with its interval, in both readings; and the matched factorial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from codi_core.figures.lens import FONT
from codi_core.figures.steer import BASELINE, STEERED
from codi_core.figures.text import bracketed, plotly_text

TEXT = "#c8963e"


@dataclass(frozen=True)
class Mark:
    """One effect with its interval, in points."""

    value: float
    low: float
    high: float
    note: str


def forest(rows: Sequence[str], series: Mapping[str, Sequence[Mark | None]]) -> go.Figure:
    """A line a claim, a mark a series (its name → as many marks as rows, None where there is nothing); first row on top."""
    figure = go.Figure()
    styles = ((STEERED, "circle", -0.14), (TEXT, "diamond-open", 0.14), (BASELINE, "square-open", 0.0))
    for (name, marks), (colour, symbol, shift) in zip(series.items(), styles, strict=False):
        shown = [(place, mark) for place, mark in enumerate(marks) if mark is not None]
        figure.add_trace(
            go.Scatter(
                x=[mark.value for _, mark in shown],
                y=[place + shift for place, _ in shown],
                error_x={
                    "type": "data",
                    "array": [mark.high - mark.value for _, mark in shown],
                    "arrayminus": [mark.value - mark.low for _, mark in shown],
                    "color": colour,
                    "thickness": 1.4,
                    "width": 3,
                },
                mode="markers",
                name=name,
                marker={"color": colour, "symbol": symbol, "size": 8},
                customdata=[
                    f"{plotly_text(rows[place])}<br>{bracketed(mark.value, mark.low, mark.high, '+.1f')} points<br>{mark.note}"
                    for place, mark in shown
                ],
                hovertemplate="%{customdata}<extra></extra>",
            )
        )
    figure.add_vline(0, line={"color": BASELINE, "dash": "dash", "width": 1.3})
    figure.update_layout(
        font=FONT,
        height=26 * len(rows) + 110,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "x": 0, "y": 1.0, "yanchor": "bottom"},
    )
    figure.update_yaxes(
        tickvals=list(range(len(rows))),
        ticktext=[plotly_text(row) for row in rows],
        range=[len(rows) - 0.4, -0.6],
        fixedrange=True,
        zeroline=False,
        automargin=True,
    )
    figure.update_xaxes(title="Effect (points of accuracy)", tickformat="+~g", fixedrange=True, zeroline=False)
    return figure
