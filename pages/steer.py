"""Steer: push the latents along a vector, and see the answer and the accuracy follow, beside the baseline and a random control."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.ui.inspect import examples
from codi_core.ui.shell import calls, layout, url
from codi_core.ui.shell.calls import ModelCard
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.steer import form, live, matrix, measured, style
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import linked, own_gold, passes_choice
from codi_core.ui.widgets.promptbox import urgent_prompt_box

layout.enter(__file__, Setup)


def page(model: str, card: ModelCard, setup: Setup) -> None:
    """No fragments: a fragment's run waits for the script to end, a whole one abandons it, and that is how a slider stays quick."""
    prompt, passes = url.read("prompt", examples.FIRST), passes_choice.given(card)
    _top(setup, model, card, prompt, passes)
    if setup.wrong:
        st.error(plain(setup.wrong), icon=":material/error:")
    beside: dict[str, DeltaGenerator] = {}
    with st.container(key="steer-cockpit"):
        with shown_errors():
            beside = form.site(setup, card, passes)
        left, right = st.columns([1, 1.2], gap="medium") if matrix.has_pair(setup) else (st.container(), st.container())
    below = st.container()
    stored = None
    with left, shown_errors():
        stored = matrix.swept(setup, model)
        beside["a"] = beside["b"] = st.empty()
        matrix.matrix(setup, model, passes, stored)
    with right, shown_errors(beside):
        live.live(setup, model, prompt, passes, stored, below)


def _top(setup: Setup, model: str, card: ModelCard, prompt: str, passes: int) -> None:
    """Everything that is set once, in one fold; presenting, the prompt alone."""
    with st.container(horizontal=True, vertical_alignment="top", gap="small", key="steer-top"):
        if setup.present:
            with st.container():
                st.text(prompt)
        else:
            fold = st.expander(f"**Setup** · {plain(prompt)}", key="steer-setup", on_change="rerun")
            if fold.open:  # forty elements, which every move of the slider would send again
                with fold:
                    _setup(setup, model, card, prompt, passes)
        linked.toggle("Present", "present", about="For a projector: hides the setup, larger type.")


def _setup(setup: Setup, model: str, card: ModelCard, prompt: str, passes: int) -> None:
    asked, pushed, scored = st.columns(3, gap="medium")
    with asked:
        urgent_prompt_box(prompt, lambda text: calls.tokens(model, text), url.write_prompt)
        examples.gallery()
        own_gold.own_gold()
    with pushed, shown_errors():
        form.form(setup, card, passes)
    with scored, shown_errors():
        passes_choice.choose(card)
        measured.measured_on()


model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    setup = Setup.read()
    style.style(setup.present)
    page(model, card, setup)
