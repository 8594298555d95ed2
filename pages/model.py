"""Model: which weights these are, where they run and why, how they were trained, how often they are right."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, layout, model_page
from codi_core.ui.errors import shown_errors

layout.require_app("pages/model.py")
card = layout.open_model()
if card is not None:
    left, middle, right = st.columns(3, gap="large")
    with left:
        model_page.weights(card)
    with middle:
        model_page.architecture(card)
    with right:
        model_page.runs(card)
    with shown_errors():
        model_page.accuracy(card, calls.evals(card.key, card.spec))
    with shown_errors():
        model_page.lenses(calls.lens_cards(st.session_state["model"]))
    model_page.training(card)
