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
from codi_core.services.workbench import Poke
from codi_core.types import PassCurve, PassPoint
from codi_core.ui import ablate_words, background, calls
from codi_core.ui.background import Run
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.export import export_menu

LINES = ("All questions", "Kind of story", "Steps")


def view(card: ModelCard, model: str) -> None:
    choice, passes = ablate_words.questions()
    if choice is None:
        return
    request = EarlyStopRequest(model, choice.name, choice.n, passes=passes)
    run = background.run_of("early-stop", request.key, lambda: _stored(request))
    background.repainted(run, lambda: _panel(run, request, card))


def _stored(request: EarlyStopRequest) -> PassCurve | None:
    return next(calls.workbench().stream(early_stop, request, f"{calls.viewer()}/ablate", poke=calls.poke, compute=False), None)


def _panel(run: Run[PassCurve], request: EarlyStopRequest, card: ModelCard) -> None:
    viewer, workbench, curve = f"{calls.viewer()}/ablate", calls.workbench(), run.value

    def work(poke: Poke) -> Iterator[PassCurve]:
        return workbench.stream(early_stop, request, viewer, poke=poke)

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
    ablate_words.repeat(early_stop_command(request))


def _show(curve: PassCurve, request: EarlyStopRequest, card: ModelCard) -> None:
    condition = ablate_words.line(
        *ablate_words.model_words(card), f"0 to {curve.passes} passes", ablate_words.set_words(curve.eval_set), f"key {request.key}"
    )
    st.markdown(f"**{plain(_verdict(curve))}**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        lines = st.segmented_control("A line for", LINES, default=LINES[0], required=True, key="lines", bind="query-params")
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
        st.plotly_chart(figures.pass_curve(curve, groups), key="early-curve", config={"displaylogo": False})
    st.caption(plain(condition))
    st.caption(
        "Bars: 95 % intervals that know which questions share numbers or wording. Groups of fewer than 10 questions have no line. An "
        "answer may be a few tokens longer than the longest gold answer: reasoning written out is cut off and counts as not answered."
    )


def _groups(curve: PassCurve, lines: str) -> list[str]:
    names = list(dict.fromkeys(point.group for point in curve.points))
    if lines == LINES[0]:
        return ["all"]
    by_steps = [name for name in names if name[:1].isdigit()]
    return by_steps if lines == LINES[2] else [name for name in names if name != "all" and name not in by_steps]


def _verdict(curve: PassCurve) -> str:
    """What the passes are worth together, in a sentence."""
    points = {point.passes: point for point in curve.points if point.group == "all"}
    full, none = points[curve.passes], points.get(0)
    share = full.accuracy
    said = f"{share.value:.1%} right after {curve.passes} passes (95 % interval {share.low:.1%} to {share.high:.1%}, n = {share.n:,})"
    if none is None or curve.passes == 0:
        return said + "."
    gain = none.against
    worth, low, high = (f"{0.0 - 100 * change:+.1f}" for change in (gain.delta, gain.high, gain.low))  # never -0.0
    size = f"{worth} points ({low} to {high})"
    return f"{said}, {none.accuracy.value:.1%} without any: the latents are worth {size}." + _spelled(none)


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
