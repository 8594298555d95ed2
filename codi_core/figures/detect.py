"""Detection over an eval set: shares by layer and index, curves over k and over indices, with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.paint import Paint, amounts, shares
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import position
from codi_core.values.lens import DetectionMap
from codi_core.values.stats import Estimates

COLOURS = ("#1f6f78", "#c8963e", "#6c5b9e", "#d1495b", "#4a8f5b", "#8a8d91")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""Colour is never the only difference between two lines."""


def detection_panels(found: DetectionMap, k: int) -> list[Panel]:
    """How often the value is among the k likeliest tokens, beside the same for values of other questions."""
    chance = [f"by chance {_percent(row)}" for row in _cells(found.permuted, k)]
    hits = [f"found {_percent(row)}" for row in _cells(found.found, k)]
    return [
        _share_panel("Found", f"{found.target} in the top {k}", found.found, k, chance),
        _share_panel("By chance", f"by chance, in the top {k}", found.permuted, k, hits),
    ]


def token_set_panel(means: Estimates, k: int) -> Panel:
    return _share_panel("Token set", f"any of the tokens in the top {k}", means, k, [""] * means.value[0].size)


def entropy_panel(means: Estimates) -> Panel:
    """Mean entropy in nats."""
    painted = amounts("Mean entropy (nats)", means.value)
    texts = [[f"{v:.2f}" for v in row] for row in means.value]
    facts = [f"95 % interval {low:.2f} to {high:.2f}" for low, high in zip(means.low.ravel(), means.high.ravel(), strict=True)]
    return _panel("Entropy", painted, texts, facts)


def probability_panel(target: str, means: Estimates) -> Panel:
    painted = shares(f"Mean P({target})", means.value)
    facts = [f"95 % interval {low:.1%} to {high:.1%}" for low, high in zip(means.low.ravel(), means.high.ravel(), strict=True)]
    return _panel("Probability", painted, _percentages(means.value), facts)


def _share_panel(name: str, title: str, means: Estimates, k: int, other: list[str]) -> Panel:
    painted = shares(title, means.value[k - 1])
    own = [f"95 % interval {low:.0%} to {high:.0%}" for _, low, high in _cells(means, k)]
    return _panel(name, painted, _percentages(means.value[k - 1]), [f"{a}\n{b}".strip() for a, b in zip(own, other, strict=True)])


def _panel(name: str, painted: Paint, texts: list[list[str]], facts: list[str]) -> Panel:
    """``facts`` by cell, indices first, a line each."""
    depths = painted.values.shape[1]
    cells = ((Cell(text, facts=tuple(facts[i * depths + d].split("\n"))) for d, text in enumerate(row)) for i, row in enumerate(texts))
    return Panel(name, painted, tuple(tuple(row) for row in cells))


def _percentages(values: Any) -> list[list[str]]:
    return [["–" if np.isnan(value) else f"{value:.0%}" for value in row] for row in values]


def _cells(means: Estimates, k: int) -> list[tuple[float, float, float]]:
    """Value and interval of every cell, indices first."""
    return list(zip(*(part[k - 1].ravel().tolist() for part in (means.value, means.low, means.high)), strict=True))


def _percent(cell: tuple[float, float, float]) -> str:
    return "{:.0%} ({:.0%} to {:.0%})".format(*cell)


def over_k(found: DetectionMap, index: int, depth: int) -> go.Figure:
    """One cell: the share found and the share by chance for every k."""
    figure = go.Figure()
    x = list(range(1, len(found.found.value) + 1))
    for place, (name, means) in enumerate((("found", found.found), ("by chance", found.permuted))):
        _banded(figure, x, means.value[:, index, depth], means.low[:, index, depth], means.high[:, index, depth], name, place)
    _layout(figure)
    figure.update_xaxes(title="k", dtick=1)
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03])
    return figure


def over_indices(series: Mapping[str, Estimates], depth: int, share: bool) -> go.Figure:
    """A line a series at one depth, ``share`` on a scale of percentages, else nats."""
    figure = go.Figure()
    for place, (name, means) in enumerate(series.items()):
        if means.n:
            x = [position(i).removesuffix(" (bot)") for i in range(len(means.value))]
            label = f"{name} (n = {means.n:,})"
            _banded(figure, x, means.value[:, depth], means.low[:, depth], means.high[:, depth], label, place)
    _layout(figure)
    figure.update_xaxes(title="Index")
    figure.update_yaxes(**({"tickformat": ".0%", "range": [-0.03, 1.03]} if share else {"ticksuffix": " nats", "rangemode": "tozero"}))
    return figure


def _banded(figure: go.Figure, x: list[Any], y: Any, low: Any, high: Any, name: str, place: int) -> None:
    colour = COLOURS[place % len(COLOURS)]
    band = {"x": [*x, *x[::-1]], "y": np.concatenate([high, low[::-1]]), "fill": "toself", "fillcolor": colour, "opacity": 0.16}
    figure.add_trace(go.Scatter(**band, mode="none", hoverinfo="skip", showlegend=False, legendgroup=name))
    line = {"color": colour, "width": 2.5, "dash": DASHES[place % len(DASHES)]}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line=line,
            name=name,
            legendgroup=name,
            customdata=np.stack([low, high], -1),
            hovertemplate="%{y:.3g} (%{customdata[0]:.3g} to %{customdata[1]:.3g})<extra>" + name + "</extra>",
        )
    )


def _layout(figure: go.Figure) -> None:
    figure.update_layout(height=330, margin={"l": 8, "r": 8, "t": 12, "b": 8}, legend={"orientation": "h", "x": 0, "y": -0.22})
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(fixedrange=True, zeroline=False)


def means_table(series: Mapping[str, Estimates]) -> pd.DataFrame:
    """Every cell of every series in long form; k only where there is one."""
    return pd.concat([_long(name, means) for name, means in series.items()], ignore_index=True)


def _long(name: str, means: Estimates) -> pd.DataFrame:
    axes = ("k", "index", "depth")[-means.value.ndim :]
    places = np.indices(means.value.shape).reshape(means.value.ndim, -1)
    columns = {axis: row + (axis == "k") for axis, row in zip(axes, places, strict=True)}
    values = {"value": means.value.ravel(), "low": means.low.ravel(), "high": means.high.ravel()}
    return pd.DataFrame({"series": name, "n": means.n, **columns, **values})
