"""Geometry: how the latents of a split lie. Principal components against a null, means per index, components as steering vectors."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from codi_core.ui.geometry import beside, form, views
from codi_core.ui.geometry.link import Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors
from codi_core.ui.widgets import control

layout.enter(__file__, Setup)
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        request = form.request_of(card, model)
        twin = control.chosen(model)
        found = views.found_for(request)
        if twin:
            with shown_errors():
                beside.show(found, views.found_for(replace(request, model=twin)), request, twin)
        views.show(found, request, card)
