"""The eval set under the condition: bars that narrow batch by batch, the verdict, what was fixed and broken, and the curve so far."""

from __future__ import annotations

import html
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.steer import dose_response, effects_table
from codi_core.services.shared.interventions import MAX_COEFFICIENT, all_zero, text_of
from codi_core.services.shared.requests import ConditionRequest
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.steer import calls, readout
from codi_core.ui.steer.captions import measured
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import verdict
from codi_core.ui.widgets.announce import announce
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.flips import flip_table
from codi_core.ui.widgets.outcome_bars import Bar, bars_html
from codi_core.ui.widgets.plot import plot
from codi_core.ui.widgets.promptbox import replace_prompt
from codi_core.values.evals import SteeringEffect
from codi_core.values.signs import decimal
from codi_core.values.verdict import p_text

CURVES_KEPT = 12
PAINTING = 0.2
"""Seconds between two paintings: a browser busy with what nobody can read is late with the answer."""
POSTS = (-5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0)
"""Coefficients of the posts."""
DOSES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
Curve = dict[float, SteeringEffect]
LOOKS: dict[str, tuple[Literal["blue", "orange", "green"], str]] = {
    "running": ("blue", "progress_activity"),
    "stopped": ("orange", "stop_circle"),
    "complete": ("green", "check"),
}
"""Colour and icon of the status."""


@dataclass(frozen=True)
class Progress:
    """What is repainted in the cockpit as results come."""

    accuracy: DeltaGenerator
    randoms: DeltaGenerator
    status: DeltaGenerator
    button: DeltaGenerator
    sentence: DeltaGenerator


def progress(accuracy: DeltaGenerator, randoms: DeltaGenerator, optimistic: bool) -> Progress:
    """``optimistic``: the means come from the evaluated questions, which is to be said."""
    accuracy.html(readout.accuracy(None))
    randoms.html(readout.randoms(None))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status, button = st.empty(), st.empty()
        if optimistic:
            st.badge("means from the evaluated questions, as in the post: optimistic", icon=":material/warning:", color="orange")
    return Progress(accuracy, randoms, status, button, st.empty())


@dataclass(frozen=True)
class Places:
    """Where the details are repainted."""

    bars: DeltaGenerator
    facts: DeltaGenerator
    sure: DeltaGenerator
    curve: DeltaGenerator
    fill: DeltaGenerator
    rest: DeltaGenerator


def panel(setup: Setup, request: ConditionRequest, unit: float | None, span: float, progress: Progress, below: DeltaGenerator) -> Panel:
    """``unit``: dose of coefficient 1, None when there is no such thing; ``span``: largest coefficient of the slider."""
    with below:
        st.header("On the eval set", anchor=False)
        places = Places(st.empty(), st.empty(), verdict.how_sure(), st.empty(), st.empty(), st.container())
    return Panel(setup, request, progress, places, _curve(setup, request, span), unit, span)


@dataclass(frozen=True)
class Panel:
    setup: Setup
    request: ConditionRequest
    progress: Progress
    places: Places
    curve: Curve
    unit: float | None
    span: float

    @property
    def alpha(self) -> float:
        return float(getattr(self.setup.methods[0], "coefficient", 0.0))

    def show(self) -> None:
        if st.session_state.get("steer-stopped") == self.request.key:
            self._stopped()
        else:
            self._run()

    def _run(self) -> None:
        """Paint every partial result. Leaving early (a newer script run, Stop) keeps the last one in the curve."""
        latest = self.curve.get(self.alpha)
        if latest is None or not self._whole(latest):
            latest = self._stream()
        else:
            self._rest(latest)
        self._paint(latest, "complete")
        announce("effect", f"{latest.done:,} of {latest.total:,} questions. {latest.verdict.sentence()}")
        self._draw_curve("complete")
        if st.session_state.get("steer-fill") == self.request.key:
            self._fill()
        self.progress.button.empty()

    def _stream(self) -> SteeringEffect:
        self._offer_stop()
        self.progress.status.badge("preparing the eval set …", icon=":material/hourglass_top:", color="gray")
        latest, detailed, painted = None, False, 0.0
        for latest in calls.effects(replace(self.request, controls=self._controls)):
            self.curve[self.alpha] = latest
            if time.monotonic() - painted > PAINTING:
                self._paint(latest, "running")
                painted = time.monotonic()
            if latest.done == latest.total and not detailed:
                detailed = True
                self._draw_curve("controls missing")
                self._rest(latest)
        assert latest is not None
        return latest

    def _fill(self) -> None:
        """Visit what the curve lacks, without controls."""
        self._offer_stop()
        for coefficient, name in self._missing().items():
            self.progress.status.badge(f"filling the curve: {self._unit} = {name}", icon=":material/progress_activity:", color="blue")
            methods = tuple(method.with_coefficient(coefficient) for method in self.setup.methods)
            for latest in calls.effects(replace(self.request, interventions=methods, controls=0)):
                if latest.done == latest.total:
                    self.curve[coefficient] = latest
            self._draw_curve(f"filled to {coefficient}")
        st.session_state.pop("steer-fill")
        self.places.fill.empty()
        self._paint(self.curve[self.alpha], "complete")

    @property
    def _controls(self) -> int:
        """None at coefficient 0, a random direction of no length, nor where nothing is added that it could be as long as."""
        pushes = any(method.needs_means for method in self.setup.methods)
        return self.request.controls if pushes and not all_zero(self.setup.methods) else 0

    def _whole(self, latest: SteeringEffect) -> bool:
        return latest.done == latest.total and (len(latest.controls.accuracy) if latest.controls else 0) >= self._controls

    def _offer_stop(self) -> None:
        self.progress.button.button("Stop here", icon=":material/stop_circle:", key="steer-stop", on_click=_stop, args=(self.request.key,))

    def _stopped(self) -> None:
        self.progress.button.button("Continue", icon=":material/play_arrow:", key="steer-continue", on_click=_stop, args=("",))
        if latest := self.curve.get(self.alpha):
            self._paint(latest, "complete" if self._whole(latest) else "stopped")
            announce("effect", f"Stopped at {latest.done:,} of {latest.total:,} questions. {latest.verdict.sentence()}")
            self._draw_curve("stopped")
            self._rest(latest)
        else:
            self.progress.status.badge("stopped before the first batch", icon=":material/stop_circle:", color="orange")

    def _paint(self, latest: SteeringEffect, how: str) -> None:
        done = f"{latest.done:,} of {latest.total:,} questions"
        tried = len(latest.controls.accuracy) if latest.controls else 0
        if latest.done == latest.total and self._controls:
            done += f", {tried} of {self._controls} random directions"
        colour, icon = LOOKS[how]
        self.progress.status.badge(f"{how}: {done}", icon=f":material/{icon}:", color=colour)
        pending = how == "running" and self._controls > 0
        said = latest.verdict.waiting() if pending else latest.verdict
        self.progress.sentence.html(verdict.sentence(said))
        self.progress.accuracy.html(readout.accuracy(latest))
        self.progress.randoms.html(readout.randoms(said))
        self.places.bars.html(bars_html(_bars(latest)))
        self.places.facts.html(verdict.facts(_facts(latest)))
        self.places.sure.html(verdict.sure(said, _more(latest)))

    def _draw_curve(self, when: str) -> None:
        """More than once in a run, and an element's key cannot come again."""
        with self.places.curve.container():
            far = [decimal(c, "g") for c in sorted(self.curve) if abs(c) > 1.04 * max(self.span, abs(self.alpha))]
            outside = f" (outside of the chart: α = {', '.join(far)})" if far else ""
            st.markdown(f"**Dose and response** · coefficients visited: {len(self.curve)}{outside}")
            label = "Dose and response: accuracy and gold margin against the coefficient"
            plot(self._drawer(), key="steer-curve", label=label, again=f"-{when}")

    def _drawer(self) -> Callable[[], go.Figure]:
        """Draws the curve as it is by then. An export does so outside of any script run, so the session is asked here."""
        axis, unit = ("Dose ‖αv‖ / ‖site‖", self.unit or 1.0) if self._dosed else ("Coefficient α", 1.0)
        return lambda: dose_response(self.curve, self.alpha, self.span, unit, axis)

    @property
    def _dosed(self) -> bool:
        """Whether the page speaks of doses."""
        return self.unit is not None and self.unit > 0 and url.read("unit") == "dose"

    @property
    def _unit(self) -> str:
        return "dose" if self._dosed else "α"

    def _missing(self) -> dict[float, str]:
        """Coefficients to fill the curve with, by what they are in the chosen unit: the posts', or round doses."""
        named = {float(f"{dose / self.unit:.4g}"): dose for dose in DOSES} if self._dosed and self.unit else {c: c for c in POSTS}
        return {c: decimal(shown, "g") for c, shown in named.items() if c not in self.curve and abs(c) <= MAX_COEFFICIENT}

    def _rest(self, latest: SteeringEffect) -> None:
        if missing := self._missing():
            label = f"Fill the curve: {self._unit} = {', '.join(missing.values())}"
            self.places.fill.button(label, icon=":material/timeline:", key="steer-fill-button", on_click=_fill, args=(self.request.key,))
        with self.places.rest:
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
            calls.bundler(replace(self.request, controls=self._controls)),
            f"codi-condition-{latest.key}.zip",
            "application/zip",
            key="steer-bundle",
            icon=":material/folder_zip:",
            on_click="ignore",
            help="Spec, every answer, the comparison, versions and hashes, the command line, and a notebook that repeats it.",
        )


def _bars(effect: SteeringEffect) -> list[Bar]:
    bars = [Bar("Baseline", effect.baseline_outcomes, effect.baseline), Bar("Steered", effect.steered_outcomes, effect.steered)]
    if controls := effect.controls:
        found = tuple(effect.baseline.value + change for change in controls.accuracy)
        bars.append(Bar(f"{len(found)} random", controls.outcomes, dots=found))
    return bars


def _facts(effect: SteeringEffect) -> dict[str, str]:
    flips = verdict.flips(effect.paired.fixed, effect.paired.broken, effect.only_form)
    return {**flips, "answers changed": f"{effect.changed:,} of {effect.done:,}", **verdict.gold_margin(effect.margin)}


def _more(effect: SteeringEffect) -> dict[str, str]:
    more = {"McNemar's p": html.escape(p_text(effect.paired.p_mcnemar)) + " <small>exact, as if questions were independent</small>"}
    if effect.controls and effect.controls.margin_percentile is not None:
        more["percentile"] = f"{effect.controls.margin_percentile:.0f} <small>of the change of the gold margin</small>"
    return more


def _flips(request: ConditionRequest, effect: SteeringEffect) -> None:
    count = effect.paired.fixed + effect.paired.broken
    if not count:
        return
    with st.expander(f"{effect.paired.fixed} fixed and {effect.paired.broken} broken questions"):
        picked = flip_table(calls.flipped(request, effect), key=f"steer-flips-{effect.key}", height=min(38 + 35 * count, 320))
        question = picked.question.question if picked else ""
        if st.button(
            "Open the chosen question", key="steer-open", disabled=not question, help="As the prompt, with its answers and its lens"
        ):
            url.write_prompt(question)
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
        curves[unpushed.key] = calls.known(unpushed, sorted(stops - {0.0}))
        while len(curves) > CURVES_KEPT:
            curves.popitem(last=False)
    return curves[unpushed.key]
