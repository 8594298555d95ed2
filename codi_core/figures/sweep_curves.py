"""Curves and clouds of a stored sweep: dose and response with the random band, marginals per A and per B, both signs against each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.lens import CHOSEN, FONT
from codi_core.figures.steer import BASELINE, RANDOM, STEERED
from codi_core.figures.sweeps import ViewOptions
from codi_core.figures.text import bracketed
from codi_core.values.sweep import Grid, Row, pair_name
from codi_core.values.verdict import ALPHA

SITES = ("#0d3b66", "#1f8a96", "#6fae62", "#c8963e", "#d1495b", "#6c5b9e", "#8a8d91", "#3d5a45", "#b07aa1")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star", "hexagon")
"""Colour is never the only difference between two sites."""


@dataclass(frozen=True)
class Curve:
    """A measure against the coefficient, as a line with its interval and its random band."""

    name: str
    x: tuple[float, ...]
    value: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    notes: tuple[str, ...]
    band: tuple[tuple[float, float, float], ...]
    """Coefficient, lowest and highest of the directions as long as the push, where they were measured."""


INTERVALS: dict[str, tuple[str, str]] = {
    "delta": ("delta_low", "delta_high"),
    "delta_all": ("delta_low_all", "delta_high_all"),
    "margin": ("margin_low", "margin_high"),
    "accuracy": ("low", "high"),
}
"""Columns that have an interval: what curves can show."""


def unit_of(column: str) -> float:
    """Differences of accuracy are drawn in points."""
    return 100.0 if column.startswith("delta") else 1.0


def curve_column(options: ViewOptions) -> str:
    """z, p and percentile have no curve of their own: the difference is shown."""
    return options.column if options.column in INTERVALS else f"delta{options.suffix}"


def curve(grid: Grid, a: int, b: int, index: int, column: str, baseline: float) -> Curve:
    """``baseline``: value at coefficient 0."""
    (low, high), unit = INTERVALS[column], unit_of(column)
    found = {c: row for c in grid.coefficients if (row := grid.at(a, b, index, c)) is not None}
    values = {c: (row[column], row[low], row[high], _dose(row)) for c, row in found.items()}
    values[0.0] = (baseline, baseline, baseline, "the baseline")
    x = sorted(values)
    band = [(c, *_ends(grid.band(found[c], column) if c in found else np.array([baseline]))) for c in x]
    return Curve(
        grid.site(index),
        tuple(x),
        tuple(unit * float(values[c][0]) for c in x),
        tuple(unit * float(values[c][1]) for c in x),
        tuple(unit * float(values[c][2]) for c in x),
        tuple(values[c][3] for c in x),
        tuple((c, unit * low, unit * high) for c, low, high in band if not np.isnan(low)),
    )


def _dose(row: Row) -> str:
    if not np.isnan(row.get("dose", np.nan)):
        return f"dose {row['dose']:.2f}"
    return f"dose K {row['dose_k']:.2f}, V {row['dose_v']:.2f}" if not np.isnan(row.get("dose_k", np.nan)) else ""


def _ends(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)


def dose_response(curves: Sequence[Curve], chosen: str, column: str, current: float | None = None) -> go.Figure:
    """A panel a curve on one scale; the one named ``chosen`` in front, the coefficient ``current`` ringed on it."""
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    titles = [curve.name for curve in curves]
    figure = make_subplots(
        down, across, subplot_titles=titles, shared_xaxes=True, shared_yaxes=True, horizontal_spacing=0.03, vertical_spacing=0.13
    )
    for number, one in enumerate(curves):
        place = {"row": number // across + 1, "col": number % across + 1}
        for trace in _curve_traces(one, one.name == chosen, column, current, first=number == 0):
            figure.add_trace(trace, **place)
    figure.update_layout(
        font=FONT,
        height=max(330, 230 * down + 60),
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        legend={"orientation": "h", "x": 0, "y": -0.2 if down == 1 else -0.12},
        hoverlabel={"align": "left"},
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(fixedrange=True, zeroline=True)
    figure.update_xaxes(title={"text": "Coefficient α", "font_size": 13}, row=down)
    figure.update_yaxes(fixedrange=True, zeroline=False, **axis_of(column))
    figure.update_yaxes(title={"text": NAMES[column], "font_size": 13}, col=1)
    return figure


NAMES = {
    "delta": "Difference (points)",
    "delta_all": "Difference (points)",
    "accuracy": "Accuracy",
    "margin": "Gold margin (logits)",
}


def axis_of(column: str) -> dict[str, Any]:
    return {"tickformat": {"margin": "+.2~f", "accuracy": ".0%"}.get(column, "+~g")}


def form_of(column: str) -> str:
    return {"margin": "+.3f", "accuracy": ".1%"}.get(column, "+.1f")


def _curve_traces(one: Curve, chosen: bool, column: str, current: float | None, first: bool) -> Iterable[go.Scatter]:
    form, colour = form_of(column), STEERED if chosen else BASELINE
    level = one.value[one.x.index(0.0)]
    if one.band:
        x, low, high = zip(*one.band, strict=True)
        yield go.Scatter(
            x=[*x, *x[::-1]],
            y=[*high, *low[::-1]],
            fill="toself",
            fillcolor=RANDOM,
            opacity=0.28,
            mode="none",
            name="Random and shuffled directions",
            showlegend=first,
            legendgroup="band",
            hoverinfo="skip",
        )
    line = {"color": BASELINE, "dash": "dash", "width": 1.3}
    ends = {"x": [one.x[0], one.x[-1]], "y": [level, level], "mode": "lines", "hoverinfo": "skip"}
    yield go.Scatter(**ends, line=line, name="Baseline", showlegend=first, legendgroup="base")
    here = [current is not None and chosen and x == current for x in one.x]
    yield go.Scatter(
        x=one.x,
        y=one.value,
        error_y={
            "type": "data",
            "array": np.subtract(one.high, one.value),
            "arrayminus": np.subtract(one.value, one.low),
            "color": colour,
            "thickness": 1.2,
            "width": 3,
        },
        mode="lines+markers",
        name="Steered",
        showlegend=first,
        legendgroup="steered",
        line={"color": colour, "width": 2.6 if chosen else 1.6},
        marker={
            "size": [12 if now else 7 for now in here],
            "color": colour,
            "line": {"width": [2.5 if now else 0 for now in here], "color": CHOSEN},
        },
        customdata=[
            f"{bracketed(value, low, high, form)}{' · ' + note if note else ''}"
            for value, low, high, note in zip(one.value, one.low, one.high, one.notes, strict=True)
        ],
        hovertemplate="α = %{x:+g}: %{customdata}<extra></extra>",
    )


# Marginals and signs


def marginals(grid: Grid, coefficient: float, options: ViewOptions) -> pd.DataFrame:
    """Means over the partners: columns side (A or B), name, index, mean, lowest, highest, pairs."""
    column = curve_column(options)
    rows = []
    for side in ("A", "B"):
        for name in grid.names:
            for site in grid.indices:
                values = [unit_of(column) * float(row[column]) for _, row in _partners(grid, side, name, site, coefficient)]
                if values:
                    rows.append({"side": side, "name": name, "index": site, **_summary(values)})
    return pd.DataFrame(rows)


def _summary(values: list[float]) -> dict[str, float]:
    return {"mean": float(np.mean(values)), "lowest": min(values), "highest": max(values), "pairs": len(values)}


def _partners(grid: Grid, side: str, name: int, index: int, coefficient: float) -> list[tuple[int, Row]]:
    found = []
    for other in grid.names:
        a, b = (name, other) if side == "A" else (other, name)
        if a != b and (row := grid.at(a, b, index, coefficient)) is not None:
            found.append((other, row))
    return found


def marginal_figure(grid: Grid, coefficient: float, index: int, options: ViewOptions) -> go.Figure:
    """Per A and per B: the mean over the partners at every site; the chosen one in front, every partner a dot."""
    column, table = curve_column(options), marginals(grid, coefficient, options)
    titles = ("Mean over B, for each A", "Mean over A, for each B")
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.04, subplot_titles=titles)
    for col, side in ((1, "A"), (2, "B")):
        of_side = table[table["side"] == side] if len(table) else table
        for number, site in enumerate(grid.indices):
            own = of_side[of_side["index"] == site]
            figure.add_trace(_marginal_line(own, grid.site(site), site == index, number, column, col == 1), row=1, col=col)
        dots = [
            (name, other, unit_of(column) * float(row[column]))
            for name in grid.names
            for other, row in _partners(grid, side, name, index, coefficient)
        ]
        partner = "B" if side == "A" else "A"
        figure.add_trace(
            go.Scatter(
                x=[name for name, _, _ in dots],
                y=[value for _, _, value in dots],
                mode="markers",
                marker={"color": CHOSEN, "size": 7, "symbol": "circle-open"},
                name=f"single pairs at {grid.site(index)}",
                showlegend=col == 1,
                customdata=[f"{partner}{other}" for _, other, _ in dots],
                hovertemplate=f"{side}%{{x}} with %{{customdata}}: %{{y:{form_of(column)}}}<extra></extra>",
            ),
            row=1,
            col=col,
        )
    figure.update_layout(font=FONT, height=380, margin={"l": 8, "r": 8, "t": 34, "b": 8}, legend={"orientation": "h", "x": 0, "y": -0.18})
    figure.update_annotations(font_size=13)
    figure.update_xaxes(tickvals=grid.names, fixedrange=True, zeroline=False)
    figure.update_xaxes(title="A", col=1)
    figure.update_xaxes(title="B", col=2)
    figure.update_yaxes(fixedrange=True, zeroline=True, **axis_of(column))
    figure.update_yaxes(title=NAMES[column], col=1)
    return figure


def _marginal_line(own: pd.DataFrame, site: str, chosen: bool, number: int, column: str, legend: bool) -> go.Scatter:
    return go.Scatter(
        x=own["name"],
        y=own["mean"],
        mode="lines+markers",
        name=site,
        legendgroup=site,
        showlegend=legend,
        opacity=1 if chosen else 0.55,
        line={"color": CHOSEN if chosen else SITES[number % len(SITES)], "width": 3 if chosen else 1.2},
        marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9 if chosen else 6},
        hovertemplate=f"{site}, %{{x}}: mean %{{y:{form_of(column)}}}<extra></extra>",
    )


def signs(grid: Grid, options: ViewOptions) -> pd.DataFrame:
    """Every pair, site and size of the coefficient with its effect at both signs. Accuracy is shown as its difference."""
    column = _signed_column(options)
    unit, rows = unit_of(column), []
    for (a, b), index, size in product(grid.pairs, grid.indices, sorted({abs(c) for c in grid.coefficients})):
        plus, minus = grid.at(a, b, index, size), grid.at(a, b, index, -size)
        if plus is not None and minus is not None:
            name = {"pair": pair_name(a, b), "a": a, "b": b, "index": index, "size": size}
            clear = {"minus_clear": float(minus[options.p]) < ALPHA, "plus_clear": float(plus[options.p]) < ALPHA}
            rows.append({**name, "minus": unit * float(minus[column]), "plus": unit * float(plus[column]), **clear})
    return pd.DataFrame(rows)


def _signed_column(options: ViewOptions) -> str:
    return "margin" if options.measure == "Gold margin" else f"delta{options.suffix}"


def sign_figure(grid: Grid, options: ViewOptions, chosen: Row | None) -> go.Figure:
    """Effect at +α against the effect at −α, a panel a size; opposite effects lie on the falling line, harm at both signs lower left."""
    column = _signed_column(options)
    table = signs(grid, options)
    sizes = sorted(table["size"].unique()) if len(table) else []
    if not sizes:
        return go.Figure()
    figure = make_subplots(cols=len(sizes), subplot_titles=[f"|α| = {size:g}" for size in sizes], horizontal_spacing=0.045)
    for col, size in enumerate(sizes, 1):
        own = table[table["size"] == size]
        edge = 1.1 * max(float(own[["minus", "plus"]].abs().to_numpy().max()), 0.1 * unit_of(column) / 100)
        figure.add_shape(type="rect", x0=0, y0=0, x1=edge, y1=edge, fillcolor=STEERED, opacity=0.1, line_width=0, row=1, col=col)
        line = {"x": [-edge, edge], "y": [edge, -edge], "mode": "lines", "hoverinfo": "skip", "showlegend": False}
        figure.add_trace(go.Scatter(**line, line={"color": BASELINE, "dash": "dot", "width": 1.2}), row=1, col=col)
        for number, site in enumerate(grid.indices):
            figure.add_trace(_sign_dots(own[own["index"] == site], grid.site(site), number, column, chosen, col == 1), row=1, col=col)
        both = int(((own["minus"] > 0) & (own["plus"] > 0)).sum())
        note = {"showarrow": False, "x": 0.98, "xref": "x domain", "y": 0.98, "yref": "y domain", "font_size": 11, "xanchor": "right"}
        figure.add_annotation(text=f"both signs up: {both} of {len(own)}", row=1, col=col, **note)
        axis = {"range": [-edge, edge], "fixedrange": True, "zeroline": True, **axis_of(column)}
        figure.update_xaxes(title=f"at −{size:g}", **axis, row=1, col=col)
        figure.update_yaxes(**axis, row=1, col=col)
    figure.update_yaxes(title=f"{NAMES[column]} at +α", col=1)
    figure.update_layout(font=FONT, height=390, margin={"l": 8, "r": 8, "t": 34, "b": 8}, legend={"orientation": "h", "x": 0, "y": -0.2})
    return figure


def _sign_dots(own: pd.DataFrame, site: str, number: int, column: str, chosen: Row | None, legend: bool) -> go.Scatter:
    def is_chosen(row: Any) -> bool:
        return chosen is not None and (row.a, row.b, row.index_, row.size_) == (
            chosen["a"],
            chosen["b"],
            chosen["index"],
            abs(chosen["coefficient"]),
        )

    rows = list(own.rename(columns={"index": "index_", "size": "size_"}).itertuples())
    ring = [is_chosen(row) for row in rows]
    return go.Scatter(
        x=own["minus"],
        y=own["plus"],
        mode="markers",
        name=site,
        legendgroup=site,
        showlegend=legend,
        marker={
            "color": SITES[number % len(SITES)],
            "symbol": SYMBOLS[number % len(SYMBOLS)],
            "size": [13 if now else 8 for now in ring],
            "opacity": 0.85,
            "line": {"width": [3 if now else 0.5 for now in ring], "color": [CHOSEN if now else "#ffffff" for now in ring]},
        },
        customdata=own["pair"],
        hovertemplate=f"%{{customdata}} at {site}: −α %{{x:{form_of(column)}}}, +α %{{y:{form_of(column)}}}<extra></extra>",
    )
