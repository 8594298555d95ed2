"""Difference vectors between indices in pictures: what a lens reads in each of them, their lengths, and how they lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.lens import CHOSEN, FONT, MONO, cells, layer_axis, traces
from codi_core.figures.paint import BRBG, Paint, amounts, shares
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import glyphs, percent, plotly_text, short
from codi_core.values.arrays import Floats
from codi_core.values.lens import DifferenceGrid
from codi_core.values.signs import decimal

By = Literal["Top-1 probability", "Entropy", "Length", "Split-half cosine"]
BY: tuple[By, ...] = get_args(By)
Pair = tuple[int, int]
ABREAST = 3
"""Grids in one line."""


def arrow(pair: Pair) -> str:
    return f"{pair[0]} → {pair[1]}"


def formula(grid: DifferenceGrid, pair: Pair) -> str:
    """The vector in words, as its sign has it."""
    first, second = pair if grid.sign == "A-B" else pair[::-1]
    return f"mean {first} − mean {second}"


def paint_differences(grid: DifferenceGrid, by: By) -> Paint:
    """``[a b depth]``, one scale for all; nothing where a = b, whose difference is nothing."""
    values = {
        "Top-1 probability": grid.top_probs[..., 0],
        "Entropy": grid.entropy,
        "Length": grid.norms,
        "Split-half cosine": grid.split_half,
    }
    own = np.eye(len(grid.norms), dtype=bool)
    shown: Floats = np.where(own[..., None], np.float32(np.nan), values[by]).astype(np.float32)
    if by in ("Top-1 probability", "Split-half cosine"):
        painted = shares(by, shown) if by == "Top-1 probability" else cosines_painted(by, shown)
    else:
        painted = amounts(f"{by} ({'nats' if by == 'Entropy' else '‖v‖'})", shown, float(np.nanmax(shown)))
    return painted


def cosines_painted(title: str, values: Floats) -> Paint:
    """From −1 to 1, diverging around 0."""
    ticks = tuple((0.5 + value / 2, decimal(value, "g")) for value in (-1.0, -0.5, 0.0, 0.5, 1.0))
    return Paint(title, values, (0.5 + np.clip(values, -1, 1) / 2).astype(np.float32), ticks, "+.2f", BRBG)


def source_panel(grid: DifferenceGrid, painted: Paint, a: int, indices: Sequence[int]) -> Panel:
    """The columns of one A: B across, depths up, and in each cell the token the lens reads first."""

    def cell(b: int, depth: int) -> Cell:
        if a == b:
            return Cell("·", facts=("A = B: nothing to read",))
        at = a, b, depth
        return Cell(short(str(grid.top_tokens[at][0]), 7), _top(grid, at), _facts(grid, at))

    chosen = list(indices)
    return Panel(
        f"A = {a}",
        replace(painted, values=painted.values[a, chosen], level=painted.level[a, chosen]),
        tuple(tuple(cell(b, depth) for depth in range(grid.norms.shape[2])) for b in chosen),
        columns=tuple(f"B {b}" for b in chosen),
    )


def column_panel(grid: DifferenceGrid, pair: Pair) -> Panel:
    """One difference in full: rank across, depths up."""
    probs, tokens = grid.top_probs[pair], grid.top_tokens[pair]
    depths, k = probs.shape

    def cell(rank: int, depth: int) -> Cell:
        said = (f"{glyphs(str(tokens[depth, rank]))}: {percent(float(probs[depth, rank]))}", *_facts(grid, (*pair, depth)))
        return Cell(short(str(tokens[depth, rank])), facts=said)

    painted = shares("Probability", probs.T)
    ranks = tuple(f"{rank}." for rank in range(1, k + 1))
    return Panel(arrow(pair), painted, tuple(tuple(cell(rank, depth) for depth in range(depths)) for rank in range(k)), columns=ranks)


def _top(grid: DifferenceGrid, at: tuple[int, int, int]) -> tuple[tuple[str, str], ...]:
    tops = zip(grid.top_tokens[at], grid.top_probs[at], strict=True)
    return tuple((glyphs(str(token)), percent(float(prob))) for token, prob in tops)


def _facts(grid: DifferenceGrid, at: tuple[int, int, int]) -> tuple[str, ...]:
    return (f"entropy {grid.entropy[at]:.2f} nats", f"length {grid.norms[at]:.3g} · cosine of its halves {grid.split_half[at]:.2f}")


def cosine_panel(matrix: Floats, pairs: Sequence[Pair], indices: Sequence[int]) -> Panel:
    """``matrix`` ``[pair pair]`` in the order of ``pairs``; those between ``indices`` are shown, the first one on top."""
    kept = [place for place, pair in enumerate(pairs) if set(pair) <= set(indices)]
    names = tuple(arrow(pairs[place]) for place in kept)
    values: Floats = matrix[np.ix_(kept, kept[::-1])]

    def cell(value: float) -> Cell:
        return Cell("" if np.isnan(value) else decimal(value, ".1f").replace("0.", "."))

    painted = cosines_painted("Cosine", values)
    return Panel(
        "Cosines",
        painted,
        tuple(tuple(cell(float(value)) for value in row) for row in values),
        columns=names,
        rows=names[::-1],
        axis="Pair",
    )


def profile(grid: DifferenceGrid, pair: Pair, depth: int) -> go.Figure:
    """Length of one difference and agreement of its halves, over depths; the others' behind it."""
    count, _, depths = grid.norms.shape
    figure = make_subplots(cols=2, horizontal_spacing=0.12, subplot_titles=("Length ‖v‖", "Cosine of its halves"))
    others = [(a, b) for a in range(1, count) for b in range(a + 1, count) if {a, b} != set(pair)]
    for column, values in ((1, grid.norms), (2, grid.split_half)):
        for one in [*others, pair]:
            front = one == pair
            line = go.Scatter(
                x=list(range(depths)),
                y=values[one],
                name=arrow(one),
                mode="lines+markers" if front else "lines",
                line={"color": CHOSEN if front else "rgba(128, 142, 148, 0.35)", "width": 3 if front else 1},
                marker={"size": [11 if front and d == depth else 6 for d in range(depths)]},
                hovertemplate=f"{arrow(one)}, layer %{{x}}: %{{y:.3g}}<extra></extra>",
            )
            figure.add_trace(line, row=1, col=column)
    figure.update_layout(showlegend=False, height=300, margin={"l": 8, "r": 8, "t": 30, "b": 8}, hovermode="closest")
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title="Layer", fixedrange=True, zeroline=False, dtick=1 if depths <= 10 else 4)
    figure.update_yaxes(fixedrange=True, zeroline=False)
    figure.update_yaxes(rangemode="tozero", col=1)
    figure.update_yaxes(range=[min(-0.03, float(np.nanmin(grid.split_half))), 1.03], col=2)
    return figure


def grid_figure(panels: Sequence[Panel], flip: bool, title: str, condition: str) -> go.Figure:
    """All columns as one stand-alone figure, ``condition`` (what made it) below."""
    indices, depths = panels[0].shape
    lines = -(-len(panels) // ABREAST)
    figure = make_subplots(
        rows=lines,
        cols=ABREAST,
        horizontal_spacing=0.04,
        vertical_spacing=0.22 / lines,
        subplot_titles=[plotly_text(panel.name) for panel in panels],
    )
    for place, panel in enumerate(panels):
        for trace in traces(panel, bar=1.0 if place == 0 else None, name=panel.painted.title):
            figure.add_trace(trace, row=1 + place // ABREAST, col=1 + place % ABREAST)
    figure.update_layout(
        template="plotly_white",
        title={"text": plotly_text(title), "font_size": 15, "x": 0, "xref": "container", "pad_l": 16},
        font=FONT,
        width=ABREAST * (62 * indices + 40) + 120,
        height=lines * (25 * depths + 70) + 120,
        margin={"l": 60, "r": 90, "t": 90, "b": 60},
        hoverlabel={"font_family": MONO, "align": "left"},
        showlegend=False,
    )
    figure.update_annotations(font_size=13)
    below = {"showarrow": False, "align": "left", "x": 0, "xref": "paper", "y": 0, "yref": "paper"}
    figure.add_annotation(text=plotly_text(condition), font_size=10, yshift=-46, **below)
    figure.update_xaxes(tickvals=list(range(indices)), ticktext=list(panels[0].columns), **cells(indices))
    figure.update_yaxes(tickvals=list(range(depths)), **cells(depths, flip))
    figure.update_yaxes(title={"text": layer_axis(depths), "font_size": 12}, col=1)
    return figure


def difference_table(grid: DifferenceGrid, indices: Sequence[int]) -> pd.DataFrame:
    """One row per A, B, depth and rank."""
    depths, k = grid.top_ids.shape[2:]
    rows: list[dict[str, Any]] = [
        {
            "lens": grid.lens,
            "a": a,
            "b": b,
            "sign": grid.sign,
            "depth": depth,
            "rank": rank + 1,
            "token_id": int(grid.top_ids[a, b, depth, rank]),
            "token": str(grid.top_tokens[a, b, depth, rank]),
            "probability": float(grid.top_probs[a, b, depth, rank]),
            "entropy_nats": float(grid.entropy[a, b, depth]),
            "length": float(grid.norms[a, b, depth]),
            "split_half_cosine": float(grid.split_half[a, b, depth]),
        }
        for a in indices
        for b in indices
        if a != b
        for depth in range(depths)
        for rank in range(k)
    ]
    return pd.DataFrame(rows)


def cosine_table(matrix: Floats, pairs: Sequence[Pair]) -> pd.DataFrame:
    """``[pair pair]`` with a name for each row and column."""
    names = [arrow(pair) for pair in pairs]
    return pd.DataFrame(matrix.astype(float), columns=names).assign(pair=names).loc[:, ["pair", *names]]
