"""Baseline | Steered | Random control: what the prompt is answered."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from codi_core.figures.text import number, percent
from codi_core.services.shared.interventions import all_zero
from codi_core.services.steer import SteeredAnswer, Steering
from codi_core.ui.inspect.panel import track
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.announce import announce
from codi_core.ui.widgets.outcome import badge
from codi_core.ui.widgets.ranking import ranking
from codi_core.values.signs import decimal

SCORES = "Gold: the correct answer. Margin: its first token's logit minus the best other one's; in brackets the change from the baseline."


def panes(steering: Steering) -> None:
    st.header("Three answers", anchor=False)
    announce("answer", f"Steered: {short(steering.steered)}. Baseline: {short(steering.baseline)}.")
    doses = ", ".join(
        f"{name} {decimal(value, 'g')}" for method in steering.request.interventions for name, value in method.coefficients.items()
    )
    columns = st.columns(3 if steering.control else 2, gap="medium")
    with columns[0]:
        _pane("Baseline", f"{steering.passes} passes, nothing added", steering.baseline, steering, "baseline")
    with columns[1]:
        _pane("Steered", plain(doses), steering.steered, steering, "steered", lambda: _identity(steering))
    if steering.control:
        with columns[2]:
            _pane("Random control", f"same length, seed {steering.request.control_seed}", steering.control, steering, "control")
            st.button("Another random direction", type="tertiary", icon=":material/casino:", key="steer-another", on_click=_another)


def _identity(steering: Steering) -> None:
    if steering.identical:
        st.badge("identical to the baseline, bit for bit", icon=":material/verified:", color="blue")
    elif all_zero(steering.request.interventions):
        st.badge("coefficient 0, yet not the baseline: please report this", icon=":material/error:", color="red")


def _another() -> None:
    given = url.read("control-seed", "0")
    url.write("control-seed", str(int(given) + 1 if given.isdecimal() else 1))


def _pane(title: str, about: str, pane: SteeredAnswer, steering: Steering, name: str, last: Callable[[], None] = lambda: None) -> None:
    with st.container(border=True, key=f"pane-{name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{title}**", width="content")
            badge(pane.outcome, steering.problem)
        st.caption(about)
        with st.container(key=f"answer-{name}"):
            st.text(short(pane))
        st.caption(_scores(pane, steering.baseline), help=SCORES)
        gold = number(steering.problem.gold) if steering.problem else None
        ranking(
            pane.top_answers[:5],
            label=f"{title}: alternatives for the first answer token",
            key=f"top-{name}",
            on_pick=track,
            marked=[top.id for top in pane.top_answers if top.token.strip() == gold],
        )
        last()


def short(pane: SteeredAnswer) -> str:
    return pane.answer.strip()[:120] or "(empty)"


def _scores(pane: SteeredAnswer, baseline: SteeredAnswer) -> str:
    if pane.p_gold is None or pane.margin is None or baseline.margin is None:
        return "P(gold) unknown"
    change = f" ({decimal(pane.margin - baseline.margin, '+.2f')})" if pane is not baseline else ""
    return f"P(gold) {percent(pane.p_gold)} · margin {decimal(pane.margin, '+.2f')}{change}"
