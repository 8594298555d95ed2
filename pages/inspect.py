"""Inspect: a prompt, its answer, and what the lens reads in every latent."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, examples, layout, state
from codi_core.ui.answer import answer
from codi_core.ui.errors import shown_errors
from codi_core.ui.lens_panel import lens_panel, track
from codi_core.ui.promptbox import prompt_box, replace_prompt

layout.require_app("pages/inspect.py")


def choose(prompt: str) -> None:
    state.write("prompt", prompt)
    replace_prompt(prompt)


model = st.session_state["model"]
prompt = state.read("prompt", examples.FIRST)
card = layout.open_model()
if card is not None:
    left, right = st.columns([2, 1], gap="large")
    with left:
        prompt_box(prompt, lambda text: calls.tokens(model, text), lambda text: state.write("prompt", text))
        examples.gallery(choose)
        passes = st.segmented_control("Latent passes", range(9), default=6, required=True, wrap=True, key="passes", bind="query-params")
    with shown_errors():
        request = calls.request(model, prompt, passes)
        with right:
            answer(calls.inspection(request), card, track)
        lens_panel(request)
