"""How latents lie, in pictures: a scatter along principal components, the scree against its null, cosines of the means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.contrast import amount
from codi_core.figures.detect import COLOURS
from codi_core.figures.importance import BAR, WHISKER
from codi_core.figures.lens import CHOSEN, FONT
from codi_core.figures.paint import BRBG, Paint
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import number, plotly_text, position
from codi_core.values.latents import LatentGeometry
from codi_core.values.signs import decimal
from codi_core.values.stats import Contrast

ColourBy = Literal["Index", "Odd / even", "Step value", "Answered right"]
COLOUR_BY: tuple[ColourBy, ...] = get_args(ColourBy)
POINTS = 1_500
"""More make the browser slow and show nothing new."""
INDEX_COLOURS = ("#8a8d91", "#5b7bd0", "#1f8a96", "#4a8f5b", "#c8963e", "#d1495b", "#8d7bc4", "#a8683c", "#b08fd8")
SYMBOLS = ("x-thin-open", "circle", "square", "diamond", "triangle-up", "star", "cross", "pentagon", "hexagon")
"""By index: colour is never the only sign."""
RIGHT, WRONG = "#1f8a96", "#d1495b"
AXIS_BAR = "#ef9aa6"
"""Of the components on the axes."""


def component(place: int) -> str:
    return f"PC{place + 1}"


def scatter(
    found: LatentGeometry,
    axes: tuple[int, int],
    by: ColourBy,
    indices: Sequence[int],
    step: int = 1,
    right: npt.NDArray[np.bool_] | None = None,
) -> go.Figure:
    """Latents along two components; ``step`` (1, 2, …, -1 = answer) for step values, ``right`` for right and wrong answers."""
    figure = go.Figure()
    shown = shown_questions(found, len(indices))
    if by in ("Index", "Odd / even"):
        for index in indices:
            figure.add_trace(_cloud(found, axes, shown, index, by))
    elif by == "Step value":
        figure.add_trace(_by_value(found, axes, shown, indices, step))
    else:
        assert right is not None
        for name, symbol, colour, rows in (
            ("answered right", "circle", RIGHT, shown[right[shown]]),
            ("answered wrong", "x", WRONG, shown[~right[shown]]),
        ):
            figure.add_trace(_points(found, axes, rows, indices, {"color": colour, "size": 6, "opacity": 0.6, "symbol": symbol}, name))
    if found.centre == "all":
        figure.add_trace(_centroids(found, axes, [index for index in indices if index]))
    figure.update_layout(
        font=FONT,
        height=560,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "x": 0, "y": -0.12, "itemsizing": "constant"},
        hoverlabel={"align": "left"},
    )
    for axis, place in zip("xy", axes, strict=True):
        share = found.explained
        title = f"{component(place)}: {share.value[place]:.1%} of variance ({share.low[place]:.1%} to {share.high[place]:.1%})"
        figure.update_layout({f"{axis}axis": {"title": {"text": title, "font_size": 13}, "zeroline": True}})
    return figure


def shown_questions(found: LatentGeometry, indices: int) -> npt.NDArray[np.intp]:
    """Evenly chosen, so that not more than POINTS are drawn."""
    most = max(1, POINTS // max(indices, 1))
    count = len(found.questions)
    return np.arange(count) if count <= most else np.unique(np.linspace(0, count - 1, most).astype(np.intp))


def _cloud(found: LatentGeometry, axes: tuple[int, int], rows: npt.NDArray[np.intp], index: int, by: ColourBy) -> go.Scatter:
    place = index % len(INDEX_COLOURS) if by == "Index" else 0 if not index else 1 + index % 2
    colour = INDEX_COLOURS[place] if by == "Index" else ("#8a8d91", COLOURS[0], COLOURS[1])[place]
    name = position(index) if by == "Index" else f"{position(index)}, {'bot' if not index else 'odd' if index % 2 else 'even'}"
    symbol = SYMBOLS[place] if by == "Index" else ("x-thin-open", "circle", "square")[place]
    marker = {"color": colour, "size": 6, "opacity": 0.55, "symbol": symbol}
    return _points(found, axes, rows, [index], marker, name)


def _by_value(found: LatentGeometry, axes: tuple[int, int], rows: npt.NDArray[np.intp], indices: Sequence[int], step: int) -> go.Scatter:
    values = step_values(found, step)
    known = rows[~np.isnan(values[rows])]
    marker = {
        "color": np.tile(values[known], len(indices)).tolist(),
        "colorscale": "Cividis",
        "size": 6,
        "opacity": 0.75,
        "colorbar": {"title": {"text": step_name(step), "side": "right"}, "thickness": 12, "outlinewidth": 0},
    }
    return _points(found, axes, known, indices, marker, f"{step_name(step)} (n = {len(known):,})")


def _points(
    found: LatentGeometry, axes: tuple[int, int], rows: npt.NDArray[np.intp], indices: Sequence[int], marker: dict[str, Any], name: str
) -> go.Scatter:
    x, y = (np.concatenate([found.scores[rows, index, place] for index in indices] or [np.empty(0)]) for place in axes)
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name=name,
        marker=marker,
        customdata=[f"{position(index)} · {_about(found, row)}" for index in indices for row in rows],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _about(found: LatentGeometry, row: int) -> str:
    question = found.questions[row]
    text = question.question if len(question.question) <= 60 else f"{question.question[:59]}…"
    steps = f"<br>steps {', '.join(map(number, question.steps))}" if question.steps else ""
    return f"{plotly_text(text)}{steps}"


def _centroids(found: LatentGeometry, axes: tuple[int, int], indices: Sequence[int]) -> go.Scatter:
    means, x, y = found.centroids, *axes
    lines = [
        f"mean of {position(i)}: {component(x)} {means.value[i, x]:.2f} ({means.low[i, x]:.2f} to {means.high[i, x]:.2f}), "
        f"{component(y)} {means.value[i, y]:.2f} ({means.low[i, y]:.2f} to {means.high[i, y]:.2f}), n = {means.n:,}"
        for i in indices
    ]
    return go.Scatter(
        x=means.value[list(indices), x],
        y=means.value[list(indices), y],
        mode="lines+markers+text",
        name="means per index, in order",
        text=[str(index) for index in indices],
        textposition="middle center",
        textfont={"color": "#ffffff", "size": 12},
        line={"color": CHOSEN, "width": 1.2, "dash": "dot"},
        marker={"color": "#2b2b2b", "size": 20, "line": {"color": "#ffffff", "width": 1.5}},
        customdata=lines,
        hovertemplate="%{customdata}<extra></extra>",
    )


def step_values(found: LatentGeometry, step: int) -> npt.NDArray[np.float64]:
    """``[question]``: the value of step 1, 2, … or of the answer (-1); NaN where there is none."""
    steps = [question.steps for question in found.questions]
    if step == -1:
        return np.array([np.nan if isinstance(question.gold, str) else question.gold for question in found.questions])
    return np.array([own[step - 1] if len(own) > step else np.nan for own in steps])  # the last step is the answer


def step_name(step: int) -> str:
    return "answer" if step == -1 else f"value of step {step}"


# Scree


def scree(found: LatentGeometry, axes: tuple[int, int]) -> go.Figure:
    """Share explained by each component with its interval, beside what shuffled coordinates give."""
    figure, share, count = go.Figure(), found.explained, len(found.explained.value)
    x = list(range(1, count + 1))
    error = {"type": "data", "array": share.high - share.value, "arrayminus": share.value - share.low, "thickness": 1.3, "width": 3}
    colours = [AXIS_BAR if place in axes else BAR for place in range(count)]
    figure.add_trace(
        go.Bar(
            x=x,
            y=share.value,
            error_y=error | {"color": WHISKER},
            name="latents",
            marker={"color": colours, "opacity": [1.0 if place < found.retained else 0.4 for place in range(count)]},
            customdata=np.stack([share.low, share.high], -1),
            hovertemplate="PC%{x}: %{y:.1%} (%{customdata[0]:.1%} to %{customdata[1]:.1%})<extra></extra>",
        )
    )
    low, high = found.null.min(0), found.null.max(0)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=found.null.mean(0),
            mode="lines+markers",
            name=f"coordinates shuffled ({len(found.null)} times)",
            line={"color": COLOURS[1], "dash": "dash", "width": 2},
            marker={"symbol": "diamond", "size": 7},
            error_y={"type": "data", "array": high - found.null.mean(0), "arrayminus": found.null.mean(0) - low, "width": 3},
            customdata=np.stack([low, high], -1),
            hovertemplate="shuffled: %{y:.2%} (%{customdata[0]:.2%} to %{customdata[1]:.2%})<extra></extra>",
        )
    )
    figure.update_layout(
        font=FONT,
        height=300,
        bargap=0.25,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        legend={"orientation": "h", "x": 0, "y": -0.28},
    )
    figure.update_xaxes(title="Component", dtick=1, fixedrange=True)
    figure.update_yaxes(title="Share of variance", tickformat=".0%", rangemode="tozero", fixedrange=True)
    return figure


def contrast_scree(own: LatentGeometry, control: LatentGeometry, names: tuple[str, str], found: Contrast) -> go.Figure:
    """Share explained by each component in a model and in its control, ``names`` of the two; ``found`` is the difference."""
    figure, count = go.Figure(), len(found.difference.value)
    for name, each, colour, pattern in zip(names, (own, control), (BAR, AXIS_BAR), ("", "/"), strict=True):
        share = each.explained
        value, low, high = (part[:count] for part in (share.value, share.low, share.high))
        error = {"type": "data", "array": high - value, "arrayminus": value - low, "thickness": 1.3, "width": 3, "color": WHISKER}
        marker = {"color": colour, "pattern": {"shape": pattern}}
        figure.add_trace(go.Bar(x=list(range(1, count + 1)), y=value, error_y=error, name=name, marker=marker))
    figure.update_layout(
        font=FONT, height=300, barmode="group", margin={"l": 8, "r": 8, "t": 12, "b": 8}, legend={"orientation": "h", "x": 0, "y": -0.28}
    )
    figure.update_xaxes(title="Component", dtick=1, fixedrange=True)
    figure.update_yaxes(title="Share of variance", tickformat=".0%", rangemode="tozero", fixedrange=True)
    return figure


def contrast_facts(own: LatentGeometry, control: LatentGeometry, found: Contrast) -> str:
    """The first component in words, and which others stand out."""
    means, first = found.difference, [float(each.explained.value[0]) for each in (own, control)]
    value, low, high = (amount(float(part[0]), True) for part in (means.value, means.low, means.high))
    told = [component(place) for place in np.flatnonzero(found.stands_out).tolist()]
    return (
        f"{component(0)} holds {first[0]:.1%} of the variance, in the control {first[1]:.1%}: {value} points ({low} to {high}), "
        f"n = {means.n:,}. "
        f"Told from the control: {', '.join(told) or 'no component'} (p < .05, adjusted for all)."
    )


def contrast_components(found: Contrast) -> pd.DataFrame:
    """One row a component: the difference of the shares."""
    means = found.difference
    names = [component(place) for place in range(len(means.value))]
    numbers = {"difference": means.value, "low": means.low, "high": means.high, "adjusted p": found.adjusted}
    return pd.DataFrame({"component": names, **numbers, "n": means.n})


def component_table(found: LatentGeometry) -> pd.DataFrame:
    """One row a component."""
    share, by_index = found.explained, found.by_index
    count = len(share.value)
    columns: dict[str, Any] = {
        "component": [component(place) for place in range(count)],
        "share of variance": share.value,
        "low": share.low,
        "high": share.high,
        "largest shuffled share": found.null.max(0),
        "beyond the null": [place < found.retained for place in range(count)],
        "between indices": by_index.value,
        "between low": by_index.low,
        "between high": by_index.high,
        "same in both halves (cosine)": found.split_half,
        **{f"cosine with {name}": values for name, values in found.tokens.items()},
        "n": share.n,
    }
    return pd.DataFrame(columns)


def score_table(found: LatentGeometry, most: int = 6) -> pd.DataFrame:
    """One row a latent: where it lies along the first components."""
    questions, indices, count = found.scores.shape
    row, index = (axis.ravel() for axis in np.meshgrid(range(questions), range(indices), indexing="ij"))
    columns: dict[str, Any] = {"question": [found.questions[place].id for place in row], "index": index}
    for place in range(min(most, count)):
        columns[component(place)] = found.scores[:, :, place].ravel()
    return pd.DataFrame(columns)


# Cosines


def cosine_panel(found: LatentGeometry, which: Literal["means", "differences"]) -> Panel:
    """Between mean latents, or between their differences b − a; hover gives the halves."""
    matrices = found.mean_cosines if which == "means" else found.difference_cosines
    names = tuple(position(i) for i in range(len(found.mean_cosines[0]))) if which == "means" else tuple(f"{b}−{a}" for a, b in found.pairs)
    values = matrices[0][:, ::-1].astype(np.float32)  # rows of panels begin at the bottom: this puts the first on top
    ticks = ((0.0, "−1"), (0.5, "0"), (1.0, "+1"))
    painted = Paint("Cosine", values, 0.5 + values / 2, ticks, "+.3f", BRBG)
    last = len(names) - 1

    def cell(i: int, row: int) -> Cell:
        j = last - row
        first, second = matrices[1][i, j], matrices[2][i, j]
        return Cell(
            decimal(matrices[0][i, j], "+.2f"),
            facts=(f"halves of the questions: {decimal(first, '+.3f')}, {decimal(second, '+.3f')}", f"n = {found.centroids.n:,}"),
        )

    cells = tuple(tuple(cell(i, row) for row in range(len(names))) for i in range(len(names)))
    title = "Mean latents" if which == "means" else "Differences of mean latents"
    return Panel(title, painted, cells, columns=names, rows=names[::-1], axis=title)


def cosine_table(found: LatentGeometry) -> pd.DataFrame:
    """Both matrices in long form."""
    frames = []
    for kind, matrices in (("mean latent", found.mean_cosines), ("difference b − a", found.difference_cosines)):
        names = [position(i) for i in range(len(matrices[0]))] if kind == "mean latent" else [f"{b}−{a}" for a, b in found.pairs]
        first, second = (axis.ravel() for axis in np.meshgrid(range(len(names)), range(len(names)), indexing="ij"))
        frames.append(
            pd.DataFrame(
                {
                    "between": kind,
                    "one": [names[i] for i in first],
                    "other": [names[j] for j in second],
                    "cosine": matrices[0].ravel(),
                    "first half": matrices[1].ravel(),
                    "second half": matrices[2].ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
