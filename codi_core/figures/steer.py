"""Steering in pictures: what an edit can reach, what it changed, and the effect against the coefficient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.lens import CHOSEN, FONT
from codi_core.figures.paint import amounts
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import bracketed, glyphs, percent, short
from codi_core.values.arrays import Floats
from codi_core.values.evals import SteeringEffect
from codi_core.values.lens import LensGrid

BASELINE, STEERED, RANDOM = "#6f7f86", "#1f8a96", "#c8963e"
"""Apart in lightness too: colour is never the only sign."""


def change_panel(name: str, before: LensGrid, after: LensGrid, change: Floats) -> Panel:
    """``change`` ``[index depth]``: KL(before || after) in nats. The token after, where it is another one."""
    other = before.top_ids[..., 0] != after.top_ids[..., 0]

    def cell(i: int, d: int) -> Cell:
        was, now = ((glyphs(str(g.top_tokens[i, d, 0])), percent(float(g.top_probs[i, d, 0]))) for g in (before, after))
        text = short(str(after.top_tokens[i, d, 0])) if other[i, d] else "=" if change[i, d] else "·"
        return Cell(text, facts=(f"baseline: {was[0]} {was[1]}", f"here: {now[0]} {now[1]}"))

    indices, depths = change.shape
    painted = replace(amounts("Change (KL, nats)", change), form=".3f")
    return Panel(name, painted, tuple(tuple(cell(i, d) for d in range(depths)) for i in range(indices)))


# The effect on an eval set


def dose_response(
    effects: Mapping[float, SteeringEffect], current: float, span: float, unit: float = 1.0, axis: str = "Coefficient α"
) -> go.Figure:
    """Accuracy and the change of the gold margin against the coefficient, out to ``span``, or to ``current`` beyond it.

    ``unit``: what one coefficient is on the axis named ``axis``. Coefficient 0 is the baseline, and needs no run.
    """
    figure = make_subplots(cols=2, horizontal_spacing=0.1, subplot_titles=("Accuracy", "Change of the gold margin (logits)"))
    points = _points(effects)
    edge = 1.04 * max(span, abs(current)) * unit
    for col, level in ((1, points[0].baseline), (2, 0.0)):
        line = {"color": BASELINE, "dash": "dash", "width": 1.5}
        figure.add_trace(
            go.Scatter(x=[-edge, edge], y=[level, level], mode="lines", name="Baseline", line=line, showlegend=col == 1, hoverinfo="skip"),
            row=1,
            col=col,
        )
        figure.add_trace(_controls(effects, unit, col), row=1, col=col)
        figure.add_trace(_steered(points, current, unit, col), row=1, col=col)
    figure.update_layout(
        font=FONT,
        height=300,
        margin={"l": 8, "r": 8, "t": 30, "b": 8},
        legend={"orientation": "h", "x": 0, "y": -0.26},
        hoverlabel={"align": "left"},
    )
    figure.update_annotations(font_size=13)
    figure.update_xaxes(title={"text": axis, "font_size": 13}, range=[-edge, edge], fixedrange=True, zeroline=True)
    figure.update_yaxes(fixedrange=True, zeroline=False)
    figure.update_yaxes(tickformat=".0%", rangemode="tozero", col=1)
    return figure


@dataclass(frozen=True)
class _Point:
    coefficient: float
    baseline: float
    """Accuracy at coefficient 0."""
    accuracy: tuple[float, float, float]
    """Value, low, high."""
    margin: tuple[float, float, float]
    note: str


def _points(effects: Mapping[float, SteeringEffect]) -> list[_Point]:
    """In order of their coefficient, with coefficient 0 among them."""
    points = []
    for coefficient, effect in effects.items():
        note = "" if effect.done == effect.total else f", {effect.done:,} of {effect.total:,} questions"
        accuracy = (effect.steered.value, effect.steered.low, effect.steered.high)
        margin = (effect.margin.value, effect.margin.low, effect.margin.high)
        points.append(_Point(coefficient, effect.baseline.value, accuracy, margin, note))
    if effects and 0 not in effects:
        base = max(effects.values(), key=lambda effect: effect.done).baseline
        points.append(_Point(0.0, base.value, (base.value, base.low, base.high), (0.0, 0.0, 0.0), " (the baseline)"))
    return sorted(points, key=lambda point: point.coefficient)


def _steered(points: Sequence[_Point], current: float, unit: float, col: int) -> go.Scatter:
    form = ".1%" if col == 1 else ".3f"
    marks = [point.accuracy if col == 1 else point.margin for point in points]
    here = [point.coefficient == current for point in points]
    return go.Scatter(
        x=[point.coefficient * unit for point in points],
        y=[value for value, _, _ in marks],
        error_y={
            "type": "data",
            "array": [high - value for value, _, high in marks],
            "arrayminus": [value - low for value, low, _ in marks],
            "color": STEERED,
            "thickness": 1.3,
            "width": 3,
        },
        mode="lines+markers",
        name="Steered",
        showlegend=col == 1,
        line={"color": STEERED, "width": 1.6},
        marker={
            "color": STEERED,
            "size": [12 if now else 8 for now in here],
            "symbol": ["circle-open" if "of" in point.note else "circle" for point in points],
            "line": {"width": [2.5 if now else 1 for now in here], "color": [CHOSEN if now else STEERED for now in here]},
        },
        customdata=[f"{bracketed(value, low, high, form)}{point.note}" for point, (value, low, high) in zip(points, marks, strict=True)],
        hovertemplate="%{x:.4g}: %{customdata}<extra></extra>",
    )


def _controls(effects: Mapping[float, SteeringEffect], unit: float, col: int) -> go.Scatter:
    x: list[float] = []
    y: list[float] = []
    for coefficient, effect in effects.items():
        if effect.controls:
            changes = effect.controls.accuracy if col == 1 else effect.controls.margin
            x += [coefficient * unit] * len(changes)
            y += [change + (effect.baseline.value if col == 1 else 0.0) for change in changes]
    return go.Scatter(
        x=x,
        y=y,
        mode="markers",
        name="Random directions",
        showlegend=col == 1 and bool(x),
        hoverinfo="skip",
        marker={"color": RANDOM, "size": 9, "symbol": "line-ew-open", "line": {"width": 1.5}},
    )


def effects_table(effects: Mapping[float, SteeringEffect]) -> pd.DataFrame:
    """One row a coefficient: everything the curve says, and what made it."""
    return pd.DataFrame([_effect_row(coefficient, effects[coefficient]) for coefficient in sorted(effects)])


def _effect_row(coefficient: float, effect: SteeringEffect) -> dict[str, Any]:
    paired, controls = effect.paired, effect.controls
    return {
        "coefficient": coefficient,
        "done": effect.done,
        "of": effect.total,
        "effective n": round(paired.effective_n, 1),
        "baseline accuracy": effect.baseline.value,
        "accuracy": effect.steered.value,
        "low": effect.steered.low,
        "high": effect.steered.high,
        "difference": paired.delta,
        "difference low": paired.low,
        "difference high": paired.high,
        **effect.steered_outcomes.columns,
        "fixed": paired.fixed,
        "fixed only in form": effect.only_form.fixed,
        "broken": paired.broken,
        "broken only in form": effect.only_form.broken,
        "p (clustered)": paired.p_clustered,
        "p (McNemar, exact)": paired.p_mcnemar,
        "margin change": effect.margin.value,
        "margin low": effect.margin.low,
        "margin high": effect.margin.high,
        "changed answers": effect.changed,
        "random directions": len(controls.accuracy) if controls else 0,
        "percentile": controls.percentile if controls else None,
        "key": effect.key,
    }
