"""Detect: over an eval set, where do the latents hold the answer, the values of the steps, or any tokens?"""

from __future__ import annotations

import streamlit as st

from codi_core.ui.detect import views
from codi_core.ui.detect.link import Setup
from codi_core.ui.detect.run import controls, run_of
from codi_core.ui.shell import calls, layout
from codi_core.ui.shell.background import repainted
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import control, eval_choice, lens_choice, passes_choice

layout.enter(__file__, Setup)


def panel() -> None:
    with shown_errors():
        controls(request, run)
    if beside and other:
        with shown_errors():
            controls(beside, other, "control")
    if run.value is not None:
        st.caption(plain(views.condition(run.value)))
        with shown_errors():
            views.show(run.value, model, other.value if other else None)


model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            choice = eval_choice.choose("templates", 512, width=230)
            lens = lens_choice.box(model)
            twin = control.chosen(model)
        eval_choice.describe(choice)
        request = calls.detect_request(model, choice.name, choice.n, lens.name, passes_choice.of(card))
        run = run_of(request)
        beside = calls.detect_request(twin, choice.name, choice.n, lens.name, request.passes) if twin else None
        other = run_of(beside, "control") if beside else None
        repainted(run, panel, *([other] if other else []))
