"""Geometry: how the latents of a split lie. Principal components against a null, means per index, components as steering vectors."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import geometry_form, geometry_views, layout
from codi_core.ui.errors import shown_errors

layout.require_app("pages/geometry.py")
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        request = geometry_form.request_of(card, model)
        geometry_views.show(geometry_views.found_for(request), request, card)
