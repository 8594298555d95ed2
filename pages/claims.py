"""Claims: what the posts said, with a verdict computed from the stored sweeps of the chosen model."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import claims_page, layout
from codi_core.ui.errors import shown_errors

layout.require_app("pages/claims.py")
claims_page.style()
model = st.session_state["model"]
with shown_errors():
    eval_set, setting = claims_page.choose(model)
    claims_page.claims(model, eval_set, setting)
with shown_errors():
    claims_page.matched(model, eval_set)
with shown_errors():
    claims_page.confirmed(model)
claims_page.rules()
