"""The coefficient: slider, box, buttons, and a scale below the slider with the suggested range and the results that are stored."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.errors import InterventionError
from codi_core.services.shared.interventions import DOSES, MAX_COEFFICIENT, Method
from codi_core.ui.shell import url
from codi_core.ui.steer import calls, link
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import linked
from codi_core.values.signs import decimal

RANGES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, MAX_COEFFICIENT)
UNITS = {"raw": "α", "dose": "dose"}


@dataclass(frozen=True)
class Dose:
    """How a coefficient compares with what stands at the site."""

    unit: float
    """‖v‖ / ‖site‖; of keys and values the larger, of several indices the largest."""
    of: str
    """Which of the parts that is."""
    parts: tuple[tuple[str, float], ...]
    """The same by name: index, and for the KV cache keys and values."""


def dose_of(model: str, setup: Setup, passes: int) -> Dose | None:
    """None for interventions that add no vector, or none that exists: the answers' refusal says why."""
    method = setup.methods[0].with_coefficient(1.0)
    if len(setup.methods) != 1 or not method.needs_means:
        return None
    try:
        found = calls.doses(model, method, setup.means, passes)
    except InterventionError:
        return None
    several = len(found) > 1
    parts = [(DOSES[name] + (f" at {index}" if several else ""), dose) for index, own in found.items() for name, dose in own.items()]
    if not parts:
        return None
    of, unit = max(parts, key=lambda part: part[1])
    return Dose(unit, of, tuple(parts))


def span_of(dose: Dose | None) -> float:
    """Half the slider, in coefficients: about twice the push that is as long as what stands there, whatever α is."""
    full = 1 / dose.unit if dose and dose.unit > 0 else 1.0
    return next((limit for limit in RANGES if limit >= 2 * full), MAX_COEFFICIENT)


def dial(methods: tuple[Method, ...], dose: Dose | None) -> DeltaGenerator:
    """α in the URL; the slider shows it, or the dose it makes. Returns the place of its `scale`."""
    unit = dose.unit if dose and dose.unit > 0 and url.read("unit", "raw") == "dose" else 1.0
    alpha, span = methods[0].coefficient, _rounded(span_of(dose) * unit)
    step = _rounded(span / 100 if span <= 2 else span / 50)
    shown = _rounded(alpha * unit)
    for name, value in {"slider": max(-span, min(span, shown)), "number": shown}.items():
        st.session_state[f"steer-{name}"] = value
    with st.container(key="steer-dial", horizontal=True, vertical_alignment="bottom", gap="small"):
        moved = partial(_moved, unit)
        label = "Coefficient α" if unit == 1.0 else f"Dose ‖αv‖ / ‖site‖{_of(dose)}"
        with st.container(gap=None):
            st.slider(label, -span, span, step=step, format="%+.3g", key="steer-slider", on_change=linked.taken("steer-slider", moved))
            marks = st.empty()
        box: Any = {"format": "%.4g", "key": "steer-number", "on_change": linked.taken("steer-number", moved)}
        st.number_input("Exactly", step=step, width=120, label_visibility="hidden", **box)
        st.button("0", key="steer-zero", help="No push at all: the baseline", on_click=link.write_coefficient, args=(0.0,))
        st.button("±", key="steer-flip", help="The opposite direction", on_click=link.write_coefficient, args=(-alpha,))
        if dose:
            about = "dose: length of the push over the mean length of what stands there; of keys and values the larger."
            linked.segmented("Unit", "unit", tuple(UNITS), title=UNITS.__getitem__, about=about)
    refused, said = st.empty(), st.empty()  # always there: what stands below keeps its place
    if message := st.session_state.pop("steer-refused", ""):
        refused.error(message, icon=":material/error:")
    _caption(said, alpha, dose, f" · beyond the slider, which ends at ±{span:g}" if abs(shown) > span else "")
    return marks


def scale(marks: DeltaGenerator, dose: Dose | None, stored: Mapping[float, str]) -> None:
    """Below the slider: the suggested range shaded, a tick for every coefficient with a stored result (what it is, by coefficient)."""
    span = span_of(dose)
    full = min(1 / dose.unit, span) if dose and dose.unit > 0 else 0.0
    band = f'<i class="band" title="suggested: |α| up to {full:.2g}" style="{_from_to(-full, full, span)}"></i>' if full else ""
    ticks = "".join(_tick(alpha, about, span) for alpha, about in sorted(stored.items()) if abs(alpha) <= span)
    said = f"Suggested up to {full:.2g}. " if full else ""
    label = f"{said}Results are stored at α = {', '.join(decimal(alpha, 'g') for alpha in sorted(stored)) or 'none'}."
    marks.html(f'<div class="steer-scale" role="img" aria-label="{html.escape(label, quote=True)}">{band}{ticks}</div>')


def _tick(alpha: float, about: str, span: float) -> str:
    title = html.escape(f"α = {decimal(alpha, 'g')}: {about}", quote=True)
    return f'<i class="tick" title="{title}" style="left:{_place(alpha, span)}"></i>'


def _from_to(low: float, high: float, span: float) -> str:
    return f"left:{_place(low, span)};width:{100 * (high - low) / (2 * span):.2f}%"


def _place(alpha: float, span: float) -> str:
    return f"{50 + 50 * alpha / span:.2f}%"


def _caption(said: DeltaGenerator, alpha: float, dose: Dose | None, beyond: str) -> None:
    if dose:
        shares = " · ".join(f"{name} {abs(alpha) * ratio:.2f}" for name, ratio in dose.parts)
        full = 1 / dose.unit if dose.unit else 0.0
        where = f"There the push{_of(dose).replace(' of', ' on')} is as long as what stands at the site."
        hint = f"suggested up to |α| = {full:.2g}" if dose.unit else "the vector is zero"
        said.caption(f"α = {decimal(alpha, 'g')} · ‖αv‖ / ‖site‖: {shares} · {hint}{beyond}", help=where)
    elif beyond:
        said.caption(f"α = {decimal(alpha, 'g')}{beyond}")


def _of(dose: Dose | None) -> str:
    """Which part a dose is of, where there are several."""
    return f" of the {dose.of}" if dose and len(dose.parts) > 1 else ""


def _moved(unit: float, value: float) -> None:
    """What goes too far is refused in words, and nothing changes."""
    alpha = _rounded(value / unit)
    if abs(alpha) > MAX_COEFFICIENT:
        said = f"{decimal(value, 'g')}" if unit == 1.0 else f"Dose {decimal(value, 'g')}, which is α = {decimal(alpha, 'g')},"
        st.session_state["steer-refused"] = f"{said} was not taken: α goes from −{MAX_COEFFICIENT:g} to {MAX_COEFFICIENT:g}."
    else:
        link.write_coefficient(alpha)


def _rounded(value: float) -> float:
    """Four figures: what a slider can mean."""
    return float(f"{value:.4g}")
