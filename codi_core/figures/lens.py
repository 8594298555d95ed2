"""Lens grids as figures and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.panels import Panel
from codi_core.figures.provenance import write_below
from codi_core.figures.text import plotly_text, position, short
from codi_core.values.lens import LensGrid, TrackedToken

Measure = Literal["Probability", "Rank", "Entropy", "KL to output"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
OF_A_TOKEN: frozenset[Measure] = frozenset({"Probability", "Rank"})
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 13}
MONO = "Source Code Pro, DejaVu Sans Mono, monospace"
CHOSEN = "#d1495b"


def layer_axis(depths: int) -> str:
    return f"Layer (0 = embeddings … {depths - 1} = output)"


def heatmap(panels: Sequence[Panel], flip: bool, title: str, condition: str) -> go.Figure:
    """Panels side by side as a stand-alone figure: colours in heatmaps, texts above them, ``condition`` (what made it) below."""
    indices, depths = panels[0].shape
    figure = make_subplots(cols=len(panels), shared_yaxes=True, horizontal_spacing=0.16 / len(panels))
    for column, panel in enumerate(panels, 1):
        for trace in traces(panel, bar=figure.layout["xaxis" if column == 1 else f"xaxis{column}"].domain[1]):
            figure.add_trace(trace, row=1, col=column)
    width = len(panels) * (84 * indices + 150) + 60
    figure.update_layout(
        template="plotly_white",
        title={"text": plotly_text(short(title, width // 9).replace("␣", " ")), "font_size": 15, "x": 0, "xref": "container", "pad_l": 16},
        font=FONT,
        width=max(640, width),
        height=max(300, 27 * depths + 150),
        margin={"l": 70, "r": 90, "t": 84, "b": 56},
        hoverlabel={"font_family": MONO, "align": "left"},
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
    )
    write_below(figure, condition)
    figure.update_xaxes(side="top", tickvals=list(range(indices)), ticktext=[panels[0].column(i) for i in range(indices)], **cells(indices))
    figure.update_yaxes(tickvals=list(range(depths)), ticktext=[panels[0].row(d) for d in range(depths)], **cells(depths, flip))
    figure.update_yaxes(title={"text": panels[0].axis or layer_axis(depths), "font_size": 13}, col=1)
    return figure


def traces(panel: Panel, bar: float | None, name: str | None = None) -> tuple[go.Heatmap, go.Scatter]:
    """Colours with their bar, called ``name``, right of ``bar`` (a share of the figure's width; None: no bar), and texts with hover."""
    painted = panel.painted
    levels, labels = zip(*painted.ticks, strict=True)
    stops = [[n / (len(painted.stops) - 1), colour] for n, colour in enumerate(painted.stops)]
    places = [(i, d) for i in range(panel.shape[0]) for d in range(panel.shape[1])]
    colours = go.Heatmap(
        z=painted.level.T,
        zmin=0,
        zmax=1,
        colorscale=stops,
        xgap=1,
        ygap=1,
        hoverinfo="skip",
        showscale=bar is not None,
        colorbar={
            "title": {"text": name or f"{panel.name}: {painted.title}", "side": "right", "font_size": 13},
            "tickvals": levels,
            "ticktext": labels,
            "thickness": 12,
            "outlinewidth": 0,
            "x": (bar or 0) + 0.005,
            "xanchor": "left",
        },
    )
    texts = go.Scatter(
        x=[i for i, _ in places],
        y=[d for _, d in places],
        mode="text",
        text=[plotly_text(panel.cells[i][d].text) for i, d in places],
        textfont={"family": MONO, "size": 12, "color": [painted.ink[i][d] for i, d in places]},
        customdata=[_hover(panel, i, d) for i, d in places],
        hovertemplate="%{customdata}<extra></extra>",
    )
    return colours, texts


def _hover(panel: Panel, index: int, depth: int) -> str:
    cell = panel.cells[index][depth]
    top = [f"{rank:>2}. {plotly_text(token)}  {share}" for rank, (token, share) in enumerate(cell.top, 1)]
    return "<br>".join([f"<b>{panel.title(index, depth)}</b>", *top, panel.painted.said(index, depth), *map(plotly_text, cell.facts)])


def cells(count: int, flip: bool = False) -> dict[str, Any]:
    """An axis of cells, which is neither zoomed nor ruled."""
    edges = [-0.5, count - 0.5]
    return {"range": edges[::-1] if flip else edges, "fixedrange": True, "showgrid": False, "zeroline": False}


def measured(grid: LensGrid, measure: Measure, token: TrackedToken) -> npt.NDArray[np.float64]:
    """``[index depth]``"""
    values = {"Entropy": grid.entropy, "KL to output": grid.kl}
    if measure in OF_A_TOKEN:
        values = {"Probability": grid.prob_of(token), "Rank": grid.rank_of(token).astype(np.float32)}
    return values[measure].astype(np.float64)


def trajectories(values: npt.NDArray[np.float64], measure: Measure, index: int, depth: int) -> go.Figure:
    """``values`` ``[index depth]`` over depth (a line an index) and over index (a line a depth), the chosen cell's lines in front."""
    indices, depths = values.shape
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    for i in _last(range(indices), index):
        figure.add_trace(_line(range(depths), values[i], position(i), i == index, "layer"), row=1, col=1)
    for d in _last(range(depths), depth):
        figure.add_trace(_line(range(indices), values[:, d], f"layer {d}", d == depth, "index"), row=1, col=2)
    figure.update_layout(showlegend=False, height=250, margin={"l": 8, "r": 8, "t": 28, "b": 8}, hovermode="closest")
    figure.update_xaxes(fixedrange=True, zeroline=False)
    figure.update_xaxes(title="Layer", tickmode="linear", dtick=1 if depths <= 10 else 4, col=1)
    figure.update_xaxes(title="Index", tickvals=list(range(indices)), ticktext=["bot", *(f"z{i}" for i in range(1, indices))], col=2)
    for axis, text in (("x", f"over layers · {position(index)} in front"), ("x2", f"over indices · layer {depth} in front")):
        figure.add_annotation(text=text, showarrow=False, x=0, xref=f"{axis} domain", y=1.13, yref="paper", font_size=12)
    figure.update_yaxes(fixedrange=True, zeroline=False, **value_axis(measure, float(values.max())))
    return figure


def value_axis(measure: Measure, top: float) -> dict[str, Any]:
    """Up to ``top``; ranks downwards, logarithmic."""
    if measure == "Probability":
        return {"range": [-0.03, 1.03], "tickformat": ".0%"}
    if measure == "Rank":
        return {"type": "log", "range": [np.log10(top * 1.3), -0.08], "dtick": 1}
    return {"range": [-0.03 * top, 1.05 * max(top, 0.01)], "ticksuffix": " nats"}


def _last(items: range, chosen: int) -> list[int]:
    """Drawn last is drawn in front."""
    return [item for item in items if item != chosen] + [chosen]


def _line(x: range, y: Any, name: str, chosen: bool, axis: str) -> go.Scatter:
    return go.Scatter(
        x=list(x),
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": CHOSEN if chosen else "rgba(128, 142, 148, 0.5)", "width": 3 if chosen else 1.3},
        marker={"size": 7 if chosen else 4},
        hovertemplate=f"{name}, {axis} %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def lens_table(grid: LensGrid, tracked: tuple[TrackedToken, ...] = ()) -> pd.DataFrame:
    """Everything the grid says: one row per index, depth and rank, with the tracked tokens beside it."""
    indices, depths, k = grid.top_ids.shape
    index, depth, rank = (axis.ravel() for axis in np.meshgrid(range(indices), range(depths), range(1, k + 1), indexing="ij"))
    columns: dict[str, Any] = {
        "lens": grid.lens,
        "index": index,
        "depth": depth,
        "rank": rank,
        "token_id": grid.top_ids.ravel(),
        "token": grid.top_tokens.ravel(),
        "probability": grid.top_probs.ravel(),
        "entropy_nats": np.repeat(grid.entropy, k),
        "kl_to_output_nats": np.repeat(grid.kl, k),
    }
    for token in tracked:
        columns[f"p({token.text})"] = np.repeat(grid.prob_of(token), k)
        columns[f"rank({token.text})"] = np.repeat(grid.rank_of(token), k)
    return pd.DataFrame(columns)


def wide_table(panel: Panel, flip: bool) -> pd.DataFrame:
    """The heatmap as a table: a row a depth, for each column its text and the painted value."""
    indices, depths = panel.shape
    columns: dict[str, Any] = {panel.axis or "Layer": list(panel.rows or range(depths))}
    for i in range(indices):
        columns[panel.column(i)] = [cell.text for cell in panel.cells[i]]
        columns[f"{panel.column(i)} value"] = panel.painted.values[i].astype(float)
    frame = pd.DataFrame(columns)
    return frame if flip else frame.iloc[::-1]
