"""A stored sweep as grids: pair × site, A × B at one site, pair × variant.

Everything is read from the table of a sweep (`SweepTable.cells`), which has the pairs A < B: (B, A, α) is (A, B, −α).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.lens import FONT, MONO
from codi_core.figures.paint import BRBG, CIVIDIS, Paint
from codi_core.figures.provenance import write_below
from codi_core.figures.text import plotly_text
from codi_core.values.arrays import Floats
from codi_core.values.signs import decimal
from codi_core.values.sweep import Against, Grid, Reading, Row, pair_name, signed
from codi_core.values.verdict import ALPHA, p_text, points

Measure = Literal["Difference", "Accuracy", "z", "Adjusted p", "Percentile", "Gold margin"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
Mask = Literal["none", "max", "holm", "bh"]
CORRECTIONS: dict[Mask, str] = {"none": "uncorrected", "max": "max-statistic", "holm": "Holm", "bh": "Benjamini–Hochberg"}


@dataclass(frozen=True)
class ViewOptions:
    """How a sweep is looked at."""

    measure: Measure = "Difference"
    against: Against = "same"
    mask: Mask = "none"
    reading: Reading = "B-A"
    least: int = 0
    """Smallest effective n of a cell that is shown."""

    @property
    def p(self) -> str:
        """Column of the p-value that decides: the chosen correction's."""
        return ("p" if self.mask == "none" else f"p_{self.mask}") + self.suffix

    @property
    def suffix(self) -> str:
        return "_all" if self.against == "all" else ""

    @property
    def column(self) -> str:
        return {
            "Accuracy": "accuracy",
            "Difference": f"delta{self.suffix}",
            "z": f"z{self.suffix}",
            "Adjusted p": self.p,
            "Percentile": "percentile",
            "Gold margin": "margin",
        }[self.measure]

    @property
    def title(self) -> str:
        """Of the scale."""
        baseline = "all passes" if self.against == "all" else "as many passes"
        return {
            "Accuracy": "Accuracy (%)",
            "Difference": f"Accuracy − baseline with {baseline} (points)",
            "z": f"z of the difference, baseline with {baseline}",
            "Adjusted p": f"p, {CORRECTIONS[self.mask]}, baseline with {baseline}",
            "Percentile": "Percentile in the random band",
            "Gold margin": "Change of the gold margin (logits)",
        }[self.measure]


# Grids


@dataclass(frozen=True, eq=False)
class SweepPanel:
    """One grid as it is shown; ``[row][column]`` everywhere."""

    name: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    axes: tuple[str, str]
    """What rows and columns are."""
    painted: Paint
    found: tuple[tuple[Row | None, ...], ...]
    """None where nothing was run."""
    texts: tuple[tuple[str, ...], ...]
    quiet: npt.NDArray[np.bool_]
    """Not significant under the mask, below the wanted n, or not run."""

    def title(self, row: int, column: int) -> str:
        return f"{self.rows[row]} · {self.columns[column]} · {self.name}"


def by_site(grid: Grid, coefficient: float, options: ViewOptions, tops: Tops) -> SweepPanel:
    """Pairs down, sites across."""
    found = [[grid.at(a, b, index, coefficient) for index in grid.indices] for a, b in grid.pairs]
    rows, columns = [pair_name(*pair) for pair in grid.pairs], [grid.site(index) for index in grid.indices]
    return _panel(f"α = {signed(coefficient)}", rows, columns, ("Pair", "Steered at"), found, options, tops)


def by_pair(grid: Grid, index: int, coefficient: float, options: ViewOptions, tops: Tops) -> SweepPanel:
    """A down, B across, both orders."""
    found = [[None if a == b else grid.at(a, b, index, coefficient) for b in grid.names] for a in grid.names]
    rows, columns = [f"A{a}" for a in grid.names], [f"B{b}" for b in grid.names]
    return _panel(f"{grid.site(index)}, α = {signed(coefficient)}", rows, columns, ("A", "B"), found, options, tops)


def by_variant(grids: Mapping[str, Grid], index: int, coefficient: float, options: ViewOptions, tops: Tops) -> SweepPanel:
    """Pairs down, variants across (by the names that ``grids`` gives them)."""
    pairs = sorted({pair for grid in grids.values() for pair in grid.pairs})
    found = [[grid.at(a, b, index, coefficient) for grid in grids.values()] for a, b in pairs]
    rows = [pair_name(*pair) for pair in pairs]
    return _panel(f"index {index}, α = {signed(coefficient)}", rows, list(grids), ("Pair", "Variant"), found, options, tops)


@dataclass(frozen=True)
class Tops:
    """Ends of the scale, shared by grids side by side."""

    low: float
    high: float


def tops(rows: Iterable[Row], options: ViewOptions) -> Tops:
    """Of the cells on screen, or of a whole variant: then a colour means the same at every coefficient."""
    values = np.array([row[options.column] for row in rows if float(row["effective_n"]) >= options.least], float)
    values = values[np.isfinite(values)]
    if not values.size:
        return Tops(0.0, 1.0)
    if options.measure == "Accuracy":
        return Tops(np.floor(20 * values.min()) / 20, max(np.ceil(20 * values.max()) / 20, np.floor(20 * values.min()) / 20 + 0.05))
    top = float(np.abs(values).max())
    least = {"Difference": 0.01, "z": 2.0, "Gold margin": 0.01}.get(options.measure, 0.0)
    return Tops(-max(top, least), max(top, least))


def _panel(
    name: str,
    rows: Sequence[str],
    columns: Sequence[str],
    axes: tuple[str, str],
    found: Sequence[Sequence[Row | None]],
    options: ViewOptions,
    tops: Tops,
) -> SweepPanel:
    shape = (len(rows), len(columns))
    values, quiet = np.full(shape, np.nan, np.float32), np.ones(shape, bool)
    texts = [["·"] * shape[1] for _ in range(shape[0])]
    for r, c in np.ndindex(shape):
        row = found[r][c]
        if row is None:
            continue
        if float(row["effective_n"]) < options.least:
            texts[r][c] = "n<"
            continue
        values[r, c] = row[options.column]
        texts[r][c] = said(float(row[options.column]), options)
        quiet[r, c] = options.mask != "none" and not float(row[options.p]) < ALPHA
    quiet |= np.isnan(values)
    painted = paint(values, options, tops)
    return SweepPanel(
        name,
        tuple(rows),
        tuple(columns),
        axes,
        painted,
        tuple(map(tuple, found)),
        tuple(map(tuple, texts)),
        quiet,
    )


def paint(values: Floats, options: ViewOptions, tops: Tops) -> Paint:
    """Accuracy and p along a sequential scale (small p at the bright end), everything else around its middle."""
    if options.measure == "Accuracy":
        span = tops.high - tops.low
        ticks = tuple((share, f"{100 * (tops.low + share * span):.0f}") for share in (0.0, 0.5, 1.0))
        return Paint(options.title, values, (values - np.float32(tops.low)) / np.float32(span), ticks, ".1%")
    if options.measure == "Adjusted p":
        with np.errstate(divide="ignore"):
            level = np.clip(-np.log10(values) / 3, 0, 1).astype(np.float32)
        ticks = ((0.0, "1"), (1 / 3, ".1"), (-np.log10(ALPHA) / 3, ".05"), (2 / 3, ".01"), (1.0, ".001"))
        return Paint(options.title, values, level, tuple(ticks), ".3g", CIVIDIS)
    if options.measure == "Percentile":
        return Paint(options.title, values, values / np.float32(100), ((0.0, "0"), (0.5, "50"), (1.0, "100")), ".0f", BRBG)
    ticks = tuple((0.5 + side / 2, said(side * tops.high, options)) for side in (-1, 0, 1))
    return Paint(options.title, values, 0.5 + values / np.float32(2 * tops.high), ticks, "+.3g", BRBG)


def said(value: float, options: ViewOptions) -> str:
    """One value on a cell."""
    if np.isnan(value):
        return "–"
    if options.measure == "Accuracy":
        return f"{100 * value:.1f}"
    if options.measure == "Difference":
        return points(value)
    if options.measure == "Adjusted p":
        return p_text(value)
    if options.measure == "Percentile":
        return f"{value:.0f}"
    return decimal(value, f"+.{1 if options.measure == 'z' else 2}f")


def facts(row: Row) -> list[str]:
    """What hovering a cell says, a line each."""
    lines = [f"accuracy {row['accuracy']:.1%} ({row['low']:.1%} to {row['high']:.1%})"]
    for suffix, name in (("", f"{row['passes']} passes"), ("_all", "all passes")):
        if suffix and row["delta_all"] == row["delta"] and row["broken_all"] == row["broken"]:
            continue
        interval = f"{points(row['delta_low' + suffix])} to {points(row['delta_high' + suffix])}"
        lines += [f"{points(row['delta' + suffix])} points ({interval})", f"  against {name}, unsteered"]
    lines += [
        f"p {p_text(row['p'])} · Holm {p_text(row['p_holm'])} · max {p_text(row['p_max'])}",
        f"fixed {row['fixed']:.0f} · broken {row['broken']:.0f}",
        f"gold margin {decimal(row['margin'], '+.3f')} logits",
        *([] if np.isnan(row["percentile"]) else [f"percentile {row['percentile']:.0f} in the random band"]),
        f"n {row['n']:,.0f} (effective {row['effective_n']:,.0f})",
    ]
    return lines


def heatmaps(panels: Sequence[SweepPanel], title: str, condition: str, across: int = 3) -> go.Figure:
    """The grids as a stand-alone figure, ``across`` side by side; ``condition`` (what made it) below. Quiet cells are left uncoloured."""
    across = min(across, len(panels))
    down = -(-len(panels) // across)
    rows, columns = panels[0].painted.values.shape
    width, height = across * (58 * columns + 110) + 110, down * (26 * rows + 80) + 130
    figure = make_subplots(
        down, across, subplot_titles=[panel.name for panel in panels], horizontal_spacing=90 / width, vertical_spacing=min(90 / height, 0.3)
    )
    for number, panel in enumerate(panels):
        place = {"row": number // across + 1, "col": number % across + 1}
        for trace in _heatmap_traces(panel, first=number == 0):
            figure.add_trace(trace, **place)
        axes = {"showgrid": False, "zeroline": False, "fixedrange": True}
        figure.update_xaxes(tickvals=list(range(columns)), ticktext=list(panel.columns), title=panel.axes[1], **axes, **place)
        figure.update_yaxes(tickvals=list(range(rows)), ticktext=list(panel.rows), autorange="reversed", **axes, **place)
    figure.update_layout(
        template="plotly_white",
        title={"text": plotly_text(title), "font_size": 15, "x": 0, "xref": "container", "pad_l": 16},
        font=FONT,
        width=max(720, width),
        height=height,
        margin={"l": 80, "r": 90, "t": 90, "b": 90},
        hoverlabel={"font_family": MONO, "align": "left"},
        showlegend=False,
    )
    write_below(figure, condition)
    return figure


def _heatmap_traces(panel: SweepPanel, first: bool) -> tuple[go.Heatmap, go.Scatter]:
    painted = panel.painted
    levels, labels = zip(*painted.ticks, strict=True)
    places = list(np.ndindex(painted.values.shape))
    inks = [["#55636a" if panel.quiet[r, c] else painted.ink[r][c] for c in range(len(panel.columns))] for r in range(len(panel.rows))]
    bar = {"title": {"text": painted.title, "side": "right"}, "tickvals": levels, "ticktext": labels, "thickness": 12, "outlinewidth": 0}
    colours = go.Heatmap(
        z=np.where(panel.quiet, np.nan, painted.level),
        zmin=0,
        zmax=1,
        colorscale=[[n / (len(painted.stops) - 1), colour] for n, colour in enumerate(painted.stops)],
        xgap=1,
        ygap=1,
        hoverinfo="skip",
        showscale=first,
        colorbar=bar if first else None,
    )
    hover = []
    for r, c in places:
        row = panel.found[r][c]
        hover.append("<br>".join([f"<b>{plotly_text(panel.title(r, c))}</b>", *map(plotly_text, facts(row) if row else ["not run"])]))
    texts = go.Scatter(
        x=[c for _, c in places],
        y=[r for r, _ in places],
        mode="text",
        text=[panel.texts[r][c] for r, c in places],
        textfont={"family": MONO, "size": 11, "color": [inks[r][c] for r, c in places]},
        customdata=hover,
        hovertemplate="%{customdata}<extra></extra>",
    )
    return colours, texts
