"""Lens grids as figures and tables."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.paint import ColourBy, Paint, paint
from codi_core.figures.text import percent, plotly_text, position, short
from codi_core.types import LensGrid, TrackedToken

Measure = Literal["Probability", "Rank"]
LAYER_AXIS = "Layer (0 = embeddings … {last} = output)"
FONT = {"family": "Helvetica, Arial, sans-serif", "size": 13}
MONO = "Source Code Pro, DejaVu Sans Mono, monospace"


def layer_axis(grid: LensGrid) -> str:
    return LAYER_AXIS.format(last=grid.top_ids.shape[1] - 1)


def heatmap(grid: LensGrid, by: ColourBy, target: TrackedToken | None, flip: bool, title: str, condition: str) -> go.Figure:
    """The grid as a stand-alone figure: colours in a heatmap, tokens as text above it, ``condition`` (what made it) below."""
    painted = paint(grid, by, target)
    indices, depths = grid.entropy.shape
    x, y = (axis.ravel() for axis in np.meshgrid(range(indices), range(depths), indexing="ij"))
    figure = go.Figure(
        [
            go.Heatmap(
                z=painted.level.T, zmin=0, zmax=1, colorscale="Cividis", xgap=1, ygap=1, hoverinfo="skip", colorbar=_colour_bar(painted)
            ),
            go.Scatter(
                x=x,
                y=y,
                mode="text",
                text=[plotly_text(short(token)) for token in grid.top_tokens[..., 0].ravel()],
                textfont={"family": MONO, "size": 12, "color": [ink for row in painted.ink for ink in row]},
                customdata=[_hover(grid, painted, *cell) for cell in zip(x, y, strict=True)],
                hovertemplate="%{customdata}<extra></extra>",
            ),
        ]
    )
    figure.update_layout(
        template="plotly_white",
        title={"text": plotly_text(title), "font_size": 15, "x": 0, "xref": "container", "pad_l": 16},
        font=FONT,
        width=max(640, 92 * indices + 210),
        height=max(300, 27 * depths + 150),
        margin={"l": 70, "r": 20, "t": 84, "b": 56},
        hoverlabel={"font_family": MONO, "align": "left"},
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.add_annotation(
        text=plotly_text(condition), font_size=10, showarrow=False, align="left", x=0, xref="paper", y=0, yref="paper", yshift=-28
    )
    figure.update_xaxes(side="top", tickvals=list(range(indices)), ticktext=[position(i) for i in range(indices)], **_cells(indices))
    figure.update_yaxes(title={"text": layer_axis(grid), "font_size": 13}, tickvals=list(range(depths)), **_cells(depths, flip))
    return figure


def _cells(count: int, flip: bool = False) -> dict[str, Any]:
    """An axis of cells, which is neither zoomed nor ruled."""
    edges = [-0.5, count - 0.5]
    return {"range": edges[::-1] if flip else edges, "fixedrange": True, "showgrid": False, "zeroline": False}


def _colour_bar(painted: Paint) -> dict[str, Any]:
    levels, labels = zip(*painted.ticks, strict=True)
    return {"title": {"text": painted.title, "side": "right", "font_size": 13}, "tickvals": levels, "ticktext": labels, "thickness": 12, "outlinewidth": 0}


def _hover(grid: LensGrid, painted: Paint, index: int, depth: int) -> str:
    tokens, probs = grid.top_tokens[index, depth], grid.top_probs[index, depth]
    lines = [
        f"{rank:>2}. {plotly_text(short(token, 18))}  {percent(prob)}"
        for rank, (token, prob) in enumerate(zip(tokens, probs, strict=True), 1)
    ]
    facts = f"entropy {grid.entropy[index, depth]:.2f} · KL {grid.kl[index, depth]:.2f} nats"
    return "<br>".join([f"<b>{position(index)} · layer {depth}</b>", *lines, facts])


def trajectories(grid: LensGrid, token: TrackedToken, measure: Measure, index: int, depth: int) -> go.Figure:
    """A token's way through the grid: over depth (a line an index) and over index (a line a depth), the chosen cell's lines in front."""
    values = (grid.prob_of(token) if measure == "Probability" else grid.rank_of(token)).astype(float)
    indices, depths = values.shape
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04)
    for i in _last(range(indices), index):
        figure.add_trace(_line(range(depths), values[i], position(i), i == index, "layer"), row=1, col=1)
    for d in _last(range(depths), depth):
        figure.add_trace(_line(range(indices), values[:, d], f"layer {d}", d == depth, "index"), row=1, col=2)
    figure.update_layout(showlegend=False, height=250, margin={"l": 8, "r": 8, "t": 28, "b": 8}, hovermode="closest")
    figure.update_xaxes(title="Layer", col=1, **_counted(depths))
    figure.update_xaxes(title="Index", col=2, tickvals=list(range(indices)), ticktext=["bot", *(f"z{i}" for i in range(1, indices))])
    for column, text in enumerate((f"over layers · {position(index)} in front", f"over indices · layer {depth} in front"), 1):
        figure.add_annotation(
            text=text, showarrow=False, x=0, xref="x domain" if column == 1 else "x2 domain", y=1.13, yref="paper", font_size=12
        )
    figure.update_yaxes(fixedrange=True, zeroline=False)
    figure.update_xaxes(fixedrange=True, zeroline=False)
    if measure == "Probability":
        figure.update_yaxes(range=[-0.03, 1.03], tickformat=".0%")
    else:
        top = np.log10(values.max() * 1.3)
        figure.update_yaxes(type="log", range=[top, -0.08], dtick=1)
    return figure


def _last(items: range, chosen: int) -> list[int]:
    """Drawn last is drawn in front."""
    return [item for item in items if item != chosen] + [chosen]


def _line(x: range, y: Any, name: str, chosen: bool, axis: str) -> go.Scatter:
    return go.Scatter(
        x=list(x),
        y=y,
        name=name,
        mode="lines+markers",
        line={"color": "#d1495b" if chosen else "rgba(128, 142, 148, 0.5)", "width": 3 if chosen else 1.3},
        marker={"size": 7 if chosen else 4},
        hovertemplate=f"{name}, {axis} %{{x}}: %{{y:.4g}}<extra></extra>",
    )


def _counted(count: int) -> dict[str, Any]:
    return {"tickmode": "linear", "dtick": 1 if count <= 10 else 4}


def lens_table(grid: LensGrid, tracked: tuple[TrackedToken, ...] = ()) -> pd.DataFrame:
    """Everything the grid says: one row per index, depth and rank, with the tracked tokens beside it."""
    indices, depths, k = grid.top_ids.shape
    index, depth, rank = (axis.ravel() for axis in np.meshgrid(range(indices), range(depths), range(1, k + 1), indexing="ij"))
    columns: dict[str, Any] = {
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


def wide_table(grid: LensGrid, painted: Paint, flip: bool) -> pd.DataFrame:
    """The heatmap as a table: a row a depth, for each index its top-1 token and the painted value."""
    depths = range(grid.entropy.shape[1])
    columns: dict[str, Any] = {"Layer": list(depths)}
    for i in range(grid.entropy.shape[0]):
        columns[position(i)] = [short(token, 24) for token in grid.top_tokens[i, :, 0]]
        columns[f"{position(i)} value"] = painted.values[i].astype(float)
    frame = pd.DataFrame(columns)
    return frame if flip else frame.iloc[::-1]
