"""Inspect: a prompt, its answer, and what the lens reads in every latent."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.inspect import examples, welcome
from codi_core.ui.inspect.answer import answer
from codi_core.ui.inspect.link import Setup
from codi_core.ui.inspect.panel import inspected, lens_panel, request_of, track
from codi_core.ui.shell import calls, layout, url
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets import own_gold, passes_choice
from codi_core.ui.widgets.promptbox import prompt_box

layout.enter(__file__, Setup)


model = st.session_state["model"]
prompt = url.read("prompt", examples.FIRST)
card = layout.open_model()
if card is not None:
    welcome.welcome(model)
    left, right = st.columns([2, 1], gap="large")
    with left:
        prompt_box(prompt, lambda text: calls.tokens(model, text), url.write_prompt)
        with st.container(horizontal=True, vertical_alignment="top", gap="small"):
            examples.gallery()
            own_gold.own_gold()
            welcome.reopen()
            count = passes_choice.small(card)
    with shown_errors():
        inspection = inspected(request_of(card, prompt, count))
        with right:
            answer(inspection, card, track)
        lens_panel(card, prompt, count)
