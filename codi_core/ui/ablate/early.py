"""Early stop: what the answers are worth after 0, 1, … passes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import streamlit as st

from codi_core.figures import ablate as figures
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.ablate import EarlyStopRequest, early_stop, early_stop_command
from codi_core.services.cards import ModelCard
from codi_core.ui.ablate import captions
from codi_core.ui.ablate.link import LINES
from codi_core.ui.shell import background, calls
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.outcome_bars import Bar, outcome_bars
from codi_core.ui.widgets.plot import plot
from codi_core.values.callbacks import OnWait
from codi_core.values.latents import PassCurve, PassPoint
from codi_core.values.verdict import points


def view(card: ModelCard, model: str) -> None:
    choice, passes = captions.questions(card)
    request = EarlyStopRequest(model, choice.name, choice.n, passes=passes)
    run = background.run_of("early-stop", request.key, lambda: _stored(request))
    background.repainted(run, lambda: _panel(run, request, card))


def _stored(request: EarlyStopRequest) -> PassCurve | None:
    return next(calls.workbench().stream(early_stop, request, f"{calls.viewer()}/ablate", on_wait=calls.on_wait, compute=False), None)


def _panel(run: Run[PassCurve], request: EarlyStopRequest, card: ModelCard) -> None:
    viewer, workbench, curve = calls.behind("early"), calls.workbench(), run.value

    def work(on_wait: OnWait) -> Iterator[PassCurve]:
        return workbench.stream(early_stop, request, viewer, on_wait=on_wait)

    done = curve.done if curve else 0.0
    with shown_errors():
        background.controls(
            run, work, done / (request.passes + 1), f"{int(done)} of {request.passes + 1} numbers of passes answered", "early"
        )
    if curve is None or not curve.points:
        st.caption("The same questions are answered after 0, 1, … passes: what do the latents add, and from which pass on?")
        return
    with shown_errors():
        _show(curve, request, card)
    captions.repeat(early_stop_command(request))


def _show(curve: PassCurve, request: EarlyStopRequest, card: ModelCard) -> None:
    condition = captions.line(
        *captions.format_model(card), f"0 to {curve.passes} passes", captions.format_set(curve.eval_set), f"key {request.key}"
    )
    st.markdown(f"**{plain(_verdict(curve))}**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        lines = st.segmented_control("A line for", LINES, default=LINES[0], required=True, **linked.bound("lines", LINES, LINES[0]))
        table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        groups = _groups(curve, lines)
        export_menu(
            f"codi-early-stop-{request.key}",
            lambda: stand_alone(figures.pass_curve(curve, groups), "Accuracy after ever more passes", condition),
            lambda: [figures.pass_table(curve)],
            lambda: _exported(curve, condition, request),
        )
    if table:
        frame = figures.pass_table(curve)
        st.dataframe(frame[frame.group.isin(groups)], hide_index=True)
    else:
        plot(lambda: figures.pass_curve(curve, groups), key="early-curve", label="Accuracy after ever more passes")
    st.markdown("**What the answers are, to all questions**")
    outcome_bars(_bars(curve))
    st.caption(plain(condition))
    st.caption(
        "Bars: 95 % intervals that know which questions share numbers or wording. Groups of fewer than 10 questions have no line. An "
        "answer may have 32 tokens, as everywhere: what is cut off then counts as not answered."
    )


def _bars(curve: PassCurve) -> list[Bar]:
    points = sorted((point for point in curve.points if point.group == "all"), key=lambda point: point.passes)
    return [Bar(f"{point.passes} pass{'es' * (point.passes != 1)}", point.outcomes, point.accuracy) for point in points]


def _groups(curve: PassCurve, lines: str) -> list[str]:
    names = list(dict.fromkeys(point.group for point in curve.points))
    if lines == LINES[0]:
        return ["all"]
    by_steps = [name for name in names if name[:1].isdigit()]
    return by_steps if lines == LINES[2] else [name for name in names if name != "all" and name not in by_steps]


def _verdict(curve: PassCurve) -> str:
    """What the passes are worth together, in a sentence."""
    of_all = {point.passes: point for point in curve.points if point.group == "all"}
    full, none = of_all[curve.passes], of_all.get(0)
    share = full.accuracy
    text = f"{share.value:.1%} right after {curve.passes} passes (95 % interval {share.low:.1%} to {share.high:.1%}, n = {share.n:,})"
    if none is None or curve.passes == 0:
        return text + "."
    gain = none.against
    worth, low, high = (points(-change) for change in (gain.delta, gain.high, gain.low))
    size = f"{worth} points ({low} to {high})"
    return f"{text}, {none.accuracy.value:.1%} without any: the latents are worth {size}." + _spelled(none)


def _spelled(none: PassPoint) -> str:
    """Equations after eot are reasoning as well, only not in latents."""
    share = none.spelled_out
    amount = f"{share.value:.1%} of the answers ({share.low:.1%} to {share.high:.1%})"
    return f" Without passes, {amount} write equations instead of just a number." if share.value else ""


def _exported(curve: PassCurve, condition: str, request: EarlyStopRequest) -> dict[str, Any]:
    return {
        "condition": condition,
        "command": early_stop_command(request),
        "request": {**asdict(request), "kind": request.kind, "key": request.key},
        "eval_set": asdict(curve.eval_set),
        "points": [asdict(point) for point in curve.points],
    }
