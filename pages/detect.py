"""Detection: over an eval set, where do the latents hold the answer, the values of the steps, or any tokens?"""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, detect_run, detect_views, eval_choice, layout
from codi_core.ui.errors import plain, shown_errors

layout.require_app("pages/detect.py")
model = st.session_state["model"]
if layout.open_model() is not None:
    with shown_errors():
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            choice = eval_choice.choose(default_n=512)
            lenses = ["logit", *(card.name for card in calls.lens_cards(model))]
            lens = st.selectbox("Lens", lenses, key="detect-lens", bind="query-params", width=150)
            place = st.container(width="content")
        if choice is not None:
            eval_choice.describe(choice)
            request = calls.detect_request(model, choice.name, choice.n, lens)
            run = detect_run.run_of(request)
            with place:
                detect_run.buttons(run)
            detect_run.progress(run)
            if run.readings is not None:
                st.caption(plain(detect_views.condition(run.readings)))
                with shown_errors():
                    detect_views.show(run.readings, model)
            detect_run.advance(request, run)
