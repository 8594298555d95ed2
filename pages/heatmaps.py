"""Heatmaps: the grids of a stored sweep, cell by cell; no model is needed to look at them."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.heatmaps import bundle, captions, cell, views
from codi_core.ui.heatmaps import choice as sweep_choice
from codi_core.ui.heatmaps.link import Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.steer import style

layout.enter(__file__, Setup)
style.style()
model = st.session_state["model"]
with shown_errors():
    choice = sweep_choice.choose(model)
    if choice is not None:
        left, right = st.columns([2.1, 1], gap="large")
        with left, shown_errors():
            views.view(choice)
        with right, shown_errors():
            cell.numbers(choice)
            buttons = st.container()
        with shown_errors():
            cell.below(choice)
        st.caption(plain(captions.of_sweep(choice.table)))
        bundles = st.container(horizontal=True, gap="small")
        with bundles:
            bundle.of_sweep(choice)
        with buttons, shown_errors():
            cell.live(choice, model)
        with bundles, shown_errors():
            bundle.of_cell(choice, model)
