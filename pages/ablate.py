"""Ablate: what the latents are needed for. Thinking stopped early, every latent replaced over an eval set, the latents of one prompt."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import ablate_early, ablate_map, ablate_prompt, layout
from codi_core.ui.errors import shown_errors

VIEWS = {"Early stop": ablate_early.view, "Every latent": ablate_map.view, "One prompt": ablate_prompt.view}

layout.require_app("pages/ablate.py")
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        names = list(VIEWS)
        experiment = st.segmented_control("Experiment", names, default=names[0], required=True, key="experiment", bind="query-params")
        VIEWS[experiment](card, model)
