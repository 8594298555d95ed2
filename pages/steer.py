"""Steer: push the latents along a vector, and see the answer and the accuracy follow, beside the baseline and a random control."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, examples, layout, state, steer_form, steer_live, steer_state, steer_style
from codi_core.ui.calls import ModelCard
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.promptbox import replace_prompt, urgent_prompt_box

layout.require_app("pages/steer.py")


def choose(prompt: str) -> None:
    state.write("prompt", prompt)
    replace_prompt(prompt)


def page(model: str, card: ModelCard) -> None:
    """No fragments: a fragment's run waits for the script to end, a whole one abandons it, and that is how a slider stays quick."""
    prompt = state.read("prompt", examples.FIRST)
    setup, wrong = steer_state.read()
    left, right = st.columns([1, 2.15], gap="large")
    below = st.container()
    with left:
        urgent_prompt_box(prompt, lambda text: calls.tokens(model, text), lambda text: state.write("prompt", text))
        examples.gallery(choose)
        if wrong:
            st.error(plain(wrong), icon=":material/error:")
        passes = st.segmented_control("Latent passes", range(9), default=6, required=True, wrap=True, key="passes", bind="query-params")
        with shown_errors():
            steer_form.form(setup, card, passes)
            steer_form.pairs(setup, model, passes)
        with shown_errors():
            steer_form.measured_on(setup)
    with right, shown_errors():
        steer_live.live(setup, model, prompt, passes, below)


model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    steer_style.style()
    page(model, card)
