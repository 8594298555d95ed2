"""Steer: push the latents along a vector, and see the answer and the accuracy follow, beside the baseline and a random control."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, examples, layout, state, steer_form, steer_state, steer_style
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.promptbox import prompt_box, replace_prompt
from codi_core.ui.steer_live import live

layout.require_app("pages/steer.py")


def choose(prompt: str) -> None:
    state.write("prompt", prompt)
    replace_prompt(prompt)


model = st.session_state["model"]
prompt = state.read("prompt", examples.FIRST)
card = layout.open_model()
if card is not None:
    steer_style.style()
    setup, wrong = steer_state.read()
    left, right = st.columns([1, 2.15], gap="large")
    with left:
        prompt_box(prompt, lambda text: calls.tokens(model, text), lambda text: state.write("prompt", text))
        examples.gallery(choose)
        if wrong:
            st.error(plain(wrong), icon=":material/error:")
        passes = st.segmented_control("Latent passes", range(9), default=6, required=True, key="passes", bind="query-params")
        steer_form.form(setup, card, passes)
        with shown_errors():
            steer_form.pairs(setup, card, passes)
        steer_form.measured_on(setup)
    with right:
        live(model, prompt, passes)
