"""Patch: latents of one prompt put in another; and every cell, over many pairs, beside controls."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.patch import maps, pair
from codi_core.ui.patch.link import Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors

layout.enter(__file__, Setup)
model = st.session_state["model"]
card = layout.open_model()
if card is not None:
    with shown_errors():
        chosen = pair.choose(card, model)
        pair.view(chosen, card)
        maps.view(chosen, card)
