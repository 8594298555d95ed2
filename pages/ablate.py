"""Ablate: what the latents are needed for. Thinking stopped early, every latent replaced over an eval set, the latents of one prompt."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.ablate import early, prompt, sites
from codi_core.ui.ablate.link import VIEWS, Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets import linked

layout.enter(__file__, Setup)
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        view = linked.segmented("Experiment", "view", VIEWS)
        {"Early stop": early.view, "Every latent": sites.view, "One prompt": prompt.view}[view](card, model)
