"""Detect: over an eval set, where do the latents hold the answer, the values of the steps, or any tokens?"""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, detect_views, eval_choice, layout
from codi_core.ui.background import repainted
from codi_core.ui.detect_run import controls, run_of
from codi_core.ui.errors import plain, shown_errors

layout.require_app("pages/detect.py")


def panel() -> None:
    with shown_errors():
        controls(request, run)
    if run.value is not None:
        st.caption(plain(detect_views.condition(run.value)))
        with shown_errors():
            detect_views.show(run.value, model)


model = st.session_state["model"]
if layout.open_model() is not None:
    with shown_errors():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            choice = eval_choice.choose(default_n=512)
            lenses = ["logit", *(card.name for card in calls.lens_cards(model))]
            lens = st.selectbox("Lens", lenses, key="detect-lens", bind="query-params", width=150)
        if choice is not None:
            eval_choice.describe(choice)
            request = calls.detect_request(model, choice.name, choice.n, lens)
            run = run_of(request)
            repainted(run, panel)
