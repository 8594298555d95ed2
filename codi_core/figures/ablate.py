"""What the latents are needed for, in pictures: accuracy over passes, and a map of replaced latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.evaluation.stats import benjamini_hochberg
from codi_core.figures.detect import COLOURS, DASHES
from codi_core.figures.lens import FONT
from codi_core.figures.paint import Paint, around_zero
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import bracketed, plotly_text, position
from codi_core.values.evals import SteeringEffect
from codi_core.values.latents import AblationMap, AblationSite, PassCurve, PassPoint
from codi_core.values.signs import decimal
from codi_core.values.vectors import Space
from codi_core.values.verdict import points

KINDS = {
    "zero": "zeros",
    "mean": "mean latent",
    "gaussian": "Gaussian",
    "resample": "resampled",
    "shuffled": "shuffled step",
    "donor": "donor prompt",
}
"""Short names of the replacements."""
SPACES: dict[Space, str] = {"z": "z", "h": "h", "kv": "KV slot", "resid": "residual"}
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
FDR = 0.05
"""False discovery rate of the marked cells."""
Measure = Literal["Accuracy", "Gold margin", "P(gold)", "Answers changed"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


# Accuracy over passes


def pass_curve(curve: PassCurve, groups: Sequence[str]) -> go.Figure:
    """Accuracy and P(gold) after every number of passes, a line a group."""
    figure = make_subplots(cols=2, horizontal_spacing=0.09, subplot_titles=("Accuracy", "P(gold answer)"))
    for place, group in enumerate(groups):
        points = [point for point in curve.points if point.group == group]
        shift = 0.05 * (place - (len(groups) - 1) / 2)
        for col in (1, 2):
            if points:
                marks = [point.accuracy if col == 1 else point.p_gold for point in points]
                values = [(mark.value, mark.low, mark.high) for mark in marks]
                name = "all questions" if group == "all" else group
                label = f"{name} (n = {points[0].accuracy.n:,})"
                figure.add_trace(
                    _with_bars([point.passes + shift for point in points], values, label, place, ".1%", col == 1), row=1, col=col
                )
    laid_out(figure, 360)
    figure.update_xaxes(title="Latent passes", range=[-0.3, curve.passes + 0.3], dtick=1)
    figure.update_yaxes(tickformat=".0%", range=[-0.03, 1.03], zeroline=False)
    return figure


def pass_table(curve: PassCurve) -> pd.DataFrame:
    return pd.DataFrame([_pass_row(point) for point in curve.points])


def _pass_row(point: PassPoint) -> dict[str, Any]:
    paired = point.against
    return {
        "group": point.group,
        "passes": point.passes,
        "n": point.accuracy.n,
        "effective n": round(point.accuracy.effective_n, 1),
        "accuracy": point.accuracy.value,
        "low": point.accuracy.low,
        "high": point.accuracy.high,
        "P(gold)": point.p_gold.value,
        "P(gold) low": point.p_gold.low,
        "P(gold) high": point.p_gold.high,
        **point.outcomes.columns,
        "spelled out": point.spelled_out.value,
        "spelled out low": point.spelled_out.low,
        "spelled out high": point.spelled_out.high,
        "difference to all passes": paired.delta,
        "difference low": paired.low,
        "difference high": paired.high,
        "fixed": paired.fixed,
        "broken": paired.broken,
        "p (clustered)": paired.p_clustered,
        "key": point.key,
    }


# The map of replaced latents


@dataclass(frozen=True)
class _Amount:
    value: float
    low: float
    high: float
    text: str
    """On the cell."""


def _amount(effect: SteeringEffect, measure: Measure) -> _Amount:
    if measure == "Accuracy":
        paired = effect.paired
        return _Amount(paired.delta, paired.low, paired.high, decimal(100 * paired.delta, "+.0f"))
    if measure == "Answers changed":
        share = effect.changed / effect.done
        return _Amount(share, float("nan"), float("nan"), f"{100 * share:.0f} %")
    mark = effect.margin if measure == "Gold margin" else effect.p_gold
    text = decimal(mark.value, "+.1f") if measure == "Gold margin" else decimal(100 * mark.value, "+.0f")
    return _Amount(mark.value, mark.low, mark.high, text)


UNITS: dict[Measure, str] = {"Accuracy": "points", "Gold margin": "logits", "P(gold)": "points", "Answers changed": "%"}


def row_sites(found: AblationMap, space: Space | None = None) -> list[tuple[str, Space]]:
    """Kind and space of every row of the map, uppermost first."""
    asked = [*found.sites, *found.refused]
    return list(dict.fromkeys((site.by, site.space) for site in asked if space in (None, site.space)))


def ablation_panel(found: AblationMap, measure: Measure) -> Panel:
    """A row a replacement and space, a column an index. ∗ marks changes of accuracy that stand out of the whole map."""
    rows = row_sites(found)[::-1]  # panels begin at the bottom
    marked = standing_out(found)
    sites = [[AblationSite(by, space, index) for by, space in rows] for index in range(found.passes + 1)]
    values = np.array([[_value(found, site, measure) for site in column] for column in sites], np.float32)
    names = tuple(f"{KINDS.get(by, by)} · {SPACES[space]}" for by, space in rows)
    cells = tuple(tuple(_cell(found, site, measure, site in marked) for site in column) for column in sites)
    return Panel("Replaced latents", _painted(measure, values), cells, rows=names, axis="What is put in place · where")


def standing_out(found: AblationMap) -> set[AblationSite]:
    """Sites whose change of accuracy is significant (clustered p, Benjamini–Hochberg over all sites computed)."""
    sites = list(found.effects)
    if not sites:
        return set()
    adjusted = benjamini_hochberg([found.effects[site].paired.p_clustered for site in sites])
    return {site for site, p in zip(sites, adjusted, strict=True) if p < FDR}


def _value(found: AblationMap, site: AblationSite, measure: Measure) -> float:
    effect = found.effects.get(site)
    return float("nan") if effect is None else _amount(effect, measure).value


def _painted(measure: Measure, values: Any) -> Paint:
    if measure == "Answers changed":
        ticks = tuple((tick, f"{tick:.0%}") for tick in (0.0, 0.5, 1.0))
        return Paint("Answers changed", values, values, ticks, ".1%")
    title = f"Change of {measure.lower()} ({UNITS[measure]})"
    return around_zero(title, values, "+.2f") if measure == "Gold margin" else around_zero(title, 100 * values, "+.1f")


def _cell(found: AblationMap, site: AblationSite, measure: Measure, marked: bool) -> Cell:
    if reason := found.refused.get(site):
        return Cell("–", facts=(reason.partition(":")[0],))
    effect = found.effects.get(site)
    if effect is None:
        return Cell("", facts=("not computed yet",))
    return Cell(_amount(effect, measure).text, facts=facts(effect), mark="∗" if marked else "")


def facts(effect: SteeringEffect) -> tuple[str, ...]:
    """The effect in lines."""
    paired = effect.paired
    return (
        f"accuracy {effect.steered.value:.1%}, unsteered {effect.baseline.value:.1%}",
        f"{points(paired.delta)} points ({points(paired.low)} to {points(paired.high)})",
        f"{effect.only_form.words(paired.fixed, paired.broken)}, p {paired.p_clustered:.3f}",
        effect.steered_outcomes.words(),
        f"gold margin {bracketed(effect.margin.value, effect.margin.low, effect.margin.high, '+.2f')}",
        f"{effect.changed} of {effect.done} answers changed",
    )


def ablation_lines(found: AblationMap, space: Space, measure: Measure) -> go.Figure:
    """The change over indices at one kind of site, a line a replacement, with intervals."""
    figure = go.Figure()
    kinds = [by for by, _ in row_sites(found, space)]
    scale = 1 if measure == "Gold margin" else 100
    for place, by in enumerate(kinds):
        shift = 0.06 * (place - (len(kinds) - 1) / 2)
        sites = [site for site in found.effects if (site.by, site.space) == (by, space)]
        amounts = {site.index: _amount(found.effects[site], measure) for site in sites}
        x = [index + shift for index in sorted(amounts)]
        values = [(scale * a.value, scale * a.low, scale * a.high) for a in (amounts[index] for index in sorted(amounts))]
        if x:
            figure.add_trace(_with_bars(x, values, KINDS.get(by, by), list(KINDS).index(by) if by in KINDS else place, ".1f", True))
    figure.add_hline(y=0, line={"color": "#8a8d91", "width": 1, "dash": "dot"})
    laid_out(figure, 340)
    figure.update_xaxes(title="Index", range=[-0.4, found.passes + 0.4], **index_axis(found.passes))
    title = "Answers changed (%)" if measure == "Answers changed" else f"Change of {measure.lower()} ({UNITS[measure]})"
    figure.update_yaxes(title=title)
    return figure


def ablation_table(found: AblationMap) -> pd.DataFrame:
    """One row a site."""
    marked = standing_out(found)
    return pd.DataFrame([_site_row(site, effect, site in marked) for site, effect in found.effects.items()])


def _site_row(site: AblationSite, effect: SteeringEffect, marked: bool) -> dict[str, Any]:
    paired = effect.paired
    return {
        "replacement": site.by,
        "space": site.space,
        "index": site.index,
        "n": effect.done,
        "effective n": round(paired.effective_n, 1),
        "baseline accuracy": effect.baseline.value,
        "accuracy": effect.steered.value,
        "difference": paired.delta,
        "low": paired.low,
        "high": paired.high,
        **effect.steered_outcomes.columns,
        "fixed": paired.fixed,
        "fixed only in form": effect.only_form.fixed,
        "broken": paired.broken,
        "broken only in form": effect.only_form.broken,
        "p (clustered)": paired.p_clustered,
        "stands out": marked,
        "margin change": effect.margin.value,
        "margin low": effect.margin.low,
        "margin high": effect.margin.high,
        "P(gold) change": effect.p_gold.value,
        "P(gold) low": effect.p_gold.low,
        "P(gold) high": effect.p_gold.high,
        "changed answers": effect.changed,
        "key": effect.key,
    }


# What the figures share


def _with_bars(
    x: Sequence[float], values: Sequence[tuple[float, float, float]], name: str, place: int, form: str, legend: bool
) -> go.Scatter:
    colour = COLOURS[place % len(COLOURS)]
    return go.Scatter(
        x=list(x),
        y=[value for value, _, _ in values],
        error_y=error_bars(values) | {"color": colour},
        mode="lines+markers",
        name=name,
        legendgroup=name,
        showlegend=legend,
        line={"color": colour, "width": 1.8, "dash": DASHES[place % len(DASHES)]},
        marker={"size": 8, "symbol": SYMBOLS[place % len(SYMBOLS)]},
        customdata=[f"{value:{form}} [{low:{form}}, {high:{form}}]" for value, low, high in values],
        hovertemplate="%{customdata}<extra>" + plotly_text(name) + "</extra>",
    )


def error_bars(values: Sequence[tuple[float, float, float]]) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [high - value for value, _, high in values],
        "arrayminus": [value - low for value, low, _ in values],
        "thickness": 1.3,
        "width": 3,
    }


def laid_out(figure: go.Figure, height: int) -> None:
    figure.update_layout(
        font=FONT,
        height=height,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "x": 0, "y": -0.22},
        hoverlabel={"align": "left"},
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(fixedrange=True, zeroline=False)
    figure.update_yaxes(fixedrange=True)


def index_axis(passes: int) -> dict[str, Any]:
    return {"tickvals": list(range(passes + 1)), "ticktext": ["bot", *(position(index) for index in range(1, passes + 1))]}
