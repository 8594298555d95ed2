"""The eval set under the condition: bars that narrow batch by batch, the verdict, what was fixed and broken, and the curve so far."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.steer import dose_response, effects_table, share_bars
from codi_core.figures.sweeps import p_text
from codi_core.figures.text import number
from codi_core.services.effects import ConditionRequest
from codi_core.steering.methods import all_zero, text_of
from codi_core.types import Controls, SteeringEffect
from codi_core.ui import state, steer_calls
from codi_core.ui.errors import plain
from codi_core.ui.export import export_menu
from codi_core.ui.promptbox import replace_prompt
from codi_core.ui.steer_state import Setup
from codi_core.ui.steer_words import measured

CURVES_KEPT = 12
POSTS = (-5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0)
"""Coefficients of the posts."""
Curve = dict[float, SteeringEffect]
LOOKS: dict[str, tuple[Literal["blue", "orange", "green"], str]] = {
    "running": ("blue", "progress_activity"),
    "stopped": ("orange", "stop_circle"),
    "complete": ("green", "check"),
}
"""Colour and icon of the status."""


@dataclass(frozen=True)
class Places:
    """Where the panel is repainted as results come."""

    status: DeltaGenerator
    button: DeltaGenerator
    bars: DeltaGenerator
    facts: DeltaGenerator
    curve: DeltaGenerator
    rest: DeltaGenerator


def effect(setup: Setup, request: ConditionRequest, unit: float | None, span: float) -> None:
    """``unit``: dose of coefficient 1, None when there is no such thing; ``span``: largest coefficient of the slider."""
    st.subheader("On the eval set", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status, button = st.empty(), st.empty()
    places = Places(status, button, st.empty(), st.empty(), st.empty(), st.container())
    panel = Panel(setup, request, places, _curve(setup, request, span), unit, span)
    if st.session_state.get("steer-stopped") == request.key:
        panel.stopped()
    else:
        panel.run()


@dataclass(frozen=True)
class Panel:
    setup: Setup
    request: ConditionRequest
    places: Places
    curve: Curve
    unit: float | None
    span: float

    @property
    def alpha(self) -> float:
        return float(getattr(self.setup.methods[0], "coefficient", 0.0))

    def run(self) -> None:
        """Paint every partial result. Leaving early (a newer script run, Stop) keeps the last one in the curve."""
        latest = self.curve.get(self.alpha)
        if latest is None or not self._whole(latest):
            latest = self._stream()
        else:
            self._rest(latest)
        self._paint(latest, "complete")
        self._draw_curve("complete")
        if st.session_state.get("steer-fill") == self.request.key:
            self._fill()
        self.places.button.empty()

    def _stream(self) -> SteeringEffect:
        self._offer_stop()
        self.places.status.badge("preparing the eval set …", icon=":material/hourglass_top:", color="gray")
        latest, detailed = None, False
        for latest in steer_calls.effects(replace(self.request, controls=self._controls)):
            self.curve[self.alpha] = latest
            self._paint(latest, "running")
            if latest.done == latest.total and not detailed:
                detailed = True
                self._draw_curve("controls missing")
                self._rest(latest)
        assert latest is not None
        return latest

    def _fill(self) -> None:
        """Visit the coefficients of the posts, without controls."""
        self._offer_stop()
        for coefficient in (c for c in POSTS if c not in self.curve):
            self.places.status.badge(f"filling the curve: α = {coefficient:g}", icon=":material/progress_activity:", color="blue")
            methods = tuple(method.with_coefficient(coefficient) for method in self.setup.methods)
            for latest in steer_calls.effects(replace(self.request, interventions=methods, controls=0)):
                if latest.done == latest.total:
                    self.curve[coefficient] = latest
            self._draw_curve(f"filled to {coefficient}")
        st.session_state.pop("steer-fill")
        self._paint(self.curve[self.alpha], "complete")

    @property
    def _controls(self) -> int:
        """None at coefficient 0: a random direction of no length."""
        return 0 if all_zero(self.setup.methods) else self.request.controls

    def _whole(self, latest: SteeringEffect) -> bool:
        return latest.done == latest.total and (len(latest.controls.accuracy) if latest.controls else 0) >= self._controls

    def _offer_stop(self) -> None:
        self.places.button.button("Stop here", icon=":material/stop_circle:", key="steer-stop", on_click=_stop, args=(self.request.key,))

    def stopped(self) -> None:
        self.places.button.button("Continue", icon=":material/play_arrow:", key="steer-continue", on_click=_stop, args=("",))
        if latest := self.curve.get(self.alpha):
            self._paint(latest, "complete" if self._whole(latest) else "stopped")
            self._draw_curve("stopped")
            self._rest(latest)
        else:
            self.places.status.badge("stopped before the first batch", icon=":material/stop_circle:", color="orange")

    def _paint(self, latest: SteeringEffect, how: str) -> None:
        done = f"{latest.done:,} of {latest.total:,} questions"
        tried = len(latest.controls.accuracy) if latest.controls else 0
        if latest.done == latest.total and self._controls:
            done += f", {tried} of {self._controls} random directions"
        colour, icon = LOOKS[how]
        self.places.status.badge(f"{how}: {done}", icon=f":material/{icon}:", color=colour)
        self.places.bars.html(share_bars(latest))
        self.places.facts.html(_facts(latest, pending=how == "running" and self._controls > 0))

    def _draw_curve(self, when: str) -> None:
        """More than once in a run, and an element's key cannot come again."""
        with self.places.curve.container():
            st.markdown(f"**Dose and response** · coefficients visited: {len(self.curve)}")
            st.plotly_chart(self._drawer()(), key=f"steer-curve-{when}", config={"displaylogo": False})

    def _drawer(self) -> Callable[[], go.Figure]:
        """Draws the curve as it is by then. An export does so outside of any script run, so the session is asked here."""
        dosed = self.unit is not None and self.unit > 0 and state.read("unit") == "dose"
        axis = "Dose ‖αv‖ / ‖site‖" if dosed else "Coefficient α"
        return lambda: dose_response(self.curve, self.alpha, self.span, self.unit if dosed and self.unit else 1.0, axis)

    def _rest(self, latest: SteeringEffect) -> None:
        with self.places.rest:
            missing = [f"{coefficient:g}" for coefficient in POSTS if coefficient not in self.curve]
            if missing:
                label = f"Fill the curve: α = {', '.join(missing)}"
                st.button(label, icon=":material/timeline:", key="steer-fill-button", on_click=_fill, args=(self.request.key,))
            _flips(self.request, latest)
            with st.expander("The curve as a table"):
                st.dataframe(effects_table(self.curve), hide_index=True)
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                self._export(latest)
                if latest.done == latest.total:
                    self._bundle(latest)
            st.caption(plain(measured(self.request, latest)))

    def _export(self, latest: SteeringEffect) -> None:
        figure, condition = self._drawer(), measured(self.request, latest)
        intervention = text_of(self.request.interventions)
        export_menu(
            f"codi-dose-{latest.key}",
            lambda: stand_alone(figure(), intervention, condition),
            lambda: [effects_table(self.curve)],
            lambda: {"condition": condition, "intervention": intervention, "curve": effects_table(self.curve).to_dict(orient="records")},
            key="export-dose",
        )

    def _bundle(self, latest: SteeringEffect) -> None:
        st.download_button(
            "Bundle (ZIP)",
            steer_calls.bundler(replace(self.request, controls=self._controls)),
            f"codi-condition-{latest.key}.zip",
            "application/zip",
            key="steer-bundle",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="Spec, every answer, the comparison, versions and hashes, the command line, and a notebook that repeats it.",
        )


def _facts(effect: SteeringEffect, pending: bool) -> str:
    """``pending``: random directions are still to come."""
    paired, controls = effect.paired, effect.controls
    verdict = effect.verdict.replace("were not tried", "are still to come") if pending else effect.verdict
    facts = {
        "n (effective)": f"{paired.n:,} ({paired.effective_n:,.0f})",
        "Difference": f"{100 * paired.delta:+.1f} points <small>{100 * paired.low:+.1f} to {100 * paired.high:+.1f}</small>",
        "Fixed / broken": f"{paired.fixed:,} / {paired.broken:,} <small>{effect.changed:,} answers changed</small>",
        "p": f"{escape(p_text(paired.p_clustered))} <small>clustered; exact McNemar {escape(p_text(paired.p_mcnemar))}</small>",
        "Gold margin": f"{effect.margin.value:+.3f} <small>{effect.margin.low:+.3f} to {effect.margin.high:+.3f} logits</small>",
        "Random band": _band(controls) if controls else f"<small>{'still to come' if pending else 'not run'}</small>",
    }
    cells = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<p class="verdict">{verdict}</p><dl class="effect">{cells}</dl>'


def _band(controls: Controls) -> str:
    margin = f"on the margin {controls.margin_percentile:.0f}; {len(controls.accuracy)} directions"
    return f"percentile {controls.percentile:.0f} <small>{margin}</small>"


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
    st.session_state.pop("steer-fill", None)


def _fill(key: str) -> None:
    st.session_state["steer-fill"] = key
    st.session_state["steer-stopped"] = ""


def _curve(setup: Setup, request: ConditionRequest, span: float) -> Curve:
    """What is known of the condition at other coefficients: from this session, and from the store."""
    curves: OrderedDict[str, Curve] = st.session_state.setdefault("steer-curves", OrderedDict())
    unpushed = replace(request, interventions=tuple(method.with_coefficient(0.0) for method in setup.methods), controls=0)
    if unpushed.key not in curves:
        stops = {round(span * place / 50, 4) for place in range(-50, 51)} | set(POSTS)
        curves[unpushed.key] = steer_calls.known(unpushed, sorted(stops - {0.0}))
        while len(curves) > CURVES_KEPT:
            curves.popitem(last=False)
    return curves[unpushed.key]
