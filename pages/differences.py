"""Differences: the step from one latent to another, averaged over many prompts, read by a lens at every depth."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import differences, layout
from codi_core.ui.errors import plain, shown_errors

layout.require_app("pages/differences.py")
card = layout.open_model()
if card is not None:
    with shown_errors():
        view, menu = differences.controls(st.session_state["model"])
        report = differences.read(view)
        st.caption(plain(differences.condition(card, report)))
        differences.grids(view, report, card, menu)
        left, right = st.columns([1.5, 1], gap="large")
        with left:
            differences.column(view, report)
        with right:
            differences.lengths(view, report, card)
        differences.cosines(view, report, card)
