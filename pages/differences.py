"""Differences: the step from one latent to another, averaged over many prompts, read by a lens at every depth."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.differences import views
from codi_core.ui.differences.link import Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import passes_choice

layout.enter(__file__, Setup)
card = layout.open_model()
if card is not None:
    with shown_errors():
        view, menu = views.controls(st.session_state["model"], passes_choice.of(card))
        report = views.read(view)
        st.caption(plain(views.condition(card, report)))
        views.grids(view, report, card, menu)
        left, right = st.columns([1.5, 1], gap="large")
        with left:
            views.column(view, report)
        with right:
            views.lengths(view, report, card)
        views.cosines(view, report, card)
