"""Influence: what passes and answer attend to, what a cut edge costs, and what latents do to later ones."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.influence import prompt, sets
from codi_core.ui.influence.link import VIEWS, Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets import linked

layout.enter(__file__, Setup)
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        view = linked.segmented("Experiment", "view", VIEWS)
        {"One prompt": prompt.view, "Over an eval set": sets.view}[view](card, model)
