"""The eval set under the condition: bars that narrow batch by batch, the verdict, what was fixed and broken, and the curve so far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import MutableMapping
from dataclasses import replace

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.figures.steer import dose_response, effects_table, share_bars
from codi_core.figures.text import number
from codi_core.services.effects import ConditionRequest
from codi_core.steering.methods import all_zero
from codi_core.types import Controls, SteeringEffect
from codi_core.ui import state, steer_calls
from codi_core.ui.errors import plain
from codi_core.ui.promptbox import replace_prompt
from codi_core.ui.steer_state import Setup
from codi_core.ui.steer_words import measured

CURVES_KEPT = 12
Curve = dict[float, SteeringEffect]


def effect(setup: Setup, request: ConditionRequest, unit: float | None) -> None:
    """``unit``: dose of coefficient 1; None when there is no such thing."""
    st.subheader("On the eval set", anchor=False)
    alpha, curve = _coefficient(setup), _curve(setup, request)
    stopped = st.session_state.get("steer-stopped") == request.key
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status, button = st.empty(), st.empty()
    bars, facts = st.empty(), st.empty()
    below = st.container()
    latest = curve.get(alpha) if stopped else None
    if stopped and latest is None:
        status.badge("stopped before the first batch", icon=":material/stop_circle:", color="orange")
        button.button("Continue", icon=":material/play_arrow:", key="steer-continue", on_click=_stop, args=("",))
        return
    if latest is None:
        button.button("Stop", icon=":material/stop_circle:", key="steer-stop", on_click=_stop, args=(request.key,))
        latest = _stream(request, curve, alpha, status, bars, facts)
    finished = latest.done == latest.total and (latest.controls is not None or not request.controls or all_zero(setup.methods))
    if finished:
        button.empty()
    else:
        button.button("Continue", icon=":material/play_arrow:", key="steer-continue", on_click=_stop, args=("",))
    _show(latest, status, bars, facts, "complete" if finished else "stopped")
    with below:
        _details(setup, request, latest, curve, alpha, unit)


def _stream(
    request: ConditionRequest, curve: Curve, alpha: float, status: DeltaGenerator, bars: DeltaGenerator, facts: DeltaGenerator
) -> SteeringEffect:
    """Paint every partial result; leaving early (a newer script run, Stop) keeps the last one."""
    status.badge("preparing the eval set …", icon=":material/hourglass_top:", color="gray")
    wanted = replace(request, controls=0) if all_zero(request.interventions) else request
    latest = None
    for latest in steer_calls.effects(wanted):
        curve[alpha] = latest
        _show(latest, status, bars, facts, "running")
    assert latest is not None
    return latest


def _show(effect: SteeringEffect, status: DeltaGenerator, bars: DeltaGenerator, facts: DeltaGenerator, how: str) -> None:
    done = f"{effect.done:,} of {effect.total:,} questions"
    if how == "running" and effect.done == effect.total:
        tried = len(effect.controls.accuracy) if effect.controls else 0
        done += f", {tried} random directions" if tried else ", now random directions"
    colour, icon = {"running": ("blue", "progress_activity"), "stopped": ("orange", "stop_circle"), "complete": ("green", "check")}[how]
    status.badge(f"{how}: {done}", icon=f":material/{icon}:", color=colour)  # type: ignore[arg-type]
    bars.html(share_bars(effect))
    facts.html(_facts(effect))


def _facts(effect: SteeringEffect) -> str:
    paired, controls = effect.paired, effect.controls
    facts = {
        "n (effective)": f"{paired.n:,} ({paired.effective_n:,.0f})",
        "Difference": f"{100 * paired.delta:+.1f} points <small>{100 * paired.low:+.1f} to {100 * paired.high:+.1f}</small>",
        "Fixed / broken": f"{paired.fixed:,} / {paired.broken:,} <small>{effect.changed:,} answers changed</small>",
        "p": f"{paired.p_clustered:.3f} <small>clustered; exact McNemar {paired.p_mcnemar:.3f}</small>",
        "Gold margin": f"{effect.margin.value:+.3f} <small>{effect.margin.low:+.3f} to {effect.margin.high:+.3f} logits</small>",
        "Random band": _band(controls) if controls else "<small>not run</small>",
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<p class="verdict">{effect.verdict}</p><dl class="effect">{cells}</dl>'


def _band(controls: Controls) -> str:
    margin = f"{controls.margin_percentile:.0f} for the margin; {len(controls.accuracy)} directions"
    return f"percentile {controls.percentile:.0f} <small>{margin}</small>"


def _details(setup: Setup, request: ConditionRequest, effect: SteeringEffect, curve: Curve, alpha: float, unit: float | None) -> None:
    st.caption(plain(measured(request, effect)))
    _flips(request, effect)
    dosed = unit is not None and state.read("unit") == "dose"
    axis = "Dose ‖αv‖ / ‖site‖" if dosed else "Coefficient α"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.markdown(f"**Dose and response** · {len(curve)} coefficient{'s' * (len(curve) > 1)} visited")
    figure = dose_response(curve, alpha, unit if dosed and unit else 1.0, axis)
    st.plotly_chart(figure, key="steer-curve", config={"displaylogo": False})
    with st.expander("The curve as a table"):
        table = effects_table(curve)
        st.dataframe(table, hide_index=True)
        st.download_button("Table (CSV)", table.to_csv(index=False).encode("utf-8-sig"), f"codi-dose-{effect.key}.csv", on_click="ignore")


def _flips(request: ConditionRequest, effect: SteeringEffect) -> None:
    count = effect.paired.fixed + effect.paired.broken
    if not count:
        return
    with st.expander(f"{effect.paired.fixed} fixed and {effect.paired.broken} broken questions"):
        flips = steer_calls.flipped(request, effect)
        table = pd.DataFrame(
            [
                {
                    "": "fixed" if flip.fixed else "broken",
                    "question": flip.question.question,
                    "correct": number(flip.question.gold),
                    "baseline": flip.baseline.strip(),
                    "steered": flip.steered.strip(),
                }
                for flip in flips
            ]
        )
        picked = st.dataframe(
            table,
            hide_index=True,
            key=f"steer-flips-{effect.key}",
            on_select="rerun",
            selection_mode="single-row",
            height=min(38 + 35 * count, 320),
        )
        rows = picked["selection"]["rows"]
        question = flips[rows[0]].question.question if rows and rows[0] < len(flips) else ""
        if st.button(
            "Open the chosen question", key="steer-open", disabled=not question, help="As the prompt, with its answers and its lens"
        ):
            state.write("prompt", question)
            replace_prompt(question)
            st.rerun()


def _stop(key: str) -> None:
    st.session_state["steer-stopped"] = key


def _coefficient(setup: Setup) -> float:
    return float(getattr(setup.methods[0], "coefficient", 0.0))


def _curve(setup: Setup, request: ConditionRequest) -> Curve:
    """What this session has seen of the condition at other coefficients."""
    curves: MutableMapping[str, Curve] = st.session_state.setdefault("steer-curves", OrderedDict())
    whatever = replace(request, interventions=tuple(method.with_coefficient(0.0) for method in setup.methods), controls=0)
    curve = curves.setdefault(whatever.key, {})
    while len(curves) > CURVES_KEPT:
        curves.pop(next(iter(curves)))
    return curve
