"""Model: which weights these are, where they run and why, how they were trained, how often they are right."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.model import beside, status, views
from codi_core.ui.model.link import Setup
from codi_core.ui.model.passport import passport
from codi_core.ui.shell import calls, layout
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets import control

layout.enter(__file__, Setup)
card = layout.open_model()
if card is not None:
    left, middle, right = st.columns(3, gap="large")
    with left:
        views.weights(card)
    with middle:
        views.architecture(card)
    with right:
        views.runs(card)
    model, reports = st.session_state["model"], calls.evals(card.key, card.spec)
    twin = None
    with shown_errors():
        twin = control.chosen(model)
    with shown_errors():
        passport(card, model, calls.passport(card.key, card.spec))
    with shown_errors():
        views.accuracy(card, reports)
        if twin:
            beside.accuracy(reports, twin)
    with shown_errors():
        chosen = views.lenses(model, card)
        if twin and chosen:
            beside.lens(model, twin, chosen)
    views.training(card)
with shown_errors():
    status.panel()
