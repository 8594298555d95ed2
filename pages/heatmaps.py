"""Heatmaps: the grids of a stored sweep, cell by cell; no model is needed to look at them."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import layout, steer_style, sweep_bundle, sweep_cell, sweep_choice, sweep_views, sweep_words
from codi_core.ui.errors import plain, shown_errors

layout.require_app("pages/heatmaps.py")
steer_style.style()
model = st.session_state["model"]
with shown_errors():
    choice = sweep_choice.choose(model)
    if choice is not None:
        left, right = st.columns([2.1, 1], gap="large")
        with left, shown_errors():
            sweep_views.view(choice)
        with right, shown_errors():
            sweep_cell.numbers(choice)
            buttons = st.container()
        with shown_errors():
            sweep_cell.below(choice)
        st.caption(plain(sweep_words.condition(choice.table)))
        bundles = st.container(horizontal=True, gap="small")
        with bundles:
            sweep_bundle.of_sweep(choice)
        with buttons, shown_errors():
            sweep_cell.live(choice, model)
        with bundles, shown_errors():
            sweep_bundle.of_cell(choice, model)
