"""Claims: the posts' experiments done again, the claims of the field as one table, and a verdict for every claim of the posts."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.claims import confirmed, factorial, field, rules, steps, style, tables
from codi_core.ui.claims.link import Setup
from codi_core.ui.shell import layout
from codi_core.ui.shell.errors import shown_errors

layout.enter(__file__, Setup)
style.style()
model = st.session_state["model"]
with shown_errors():
    eval_set, setting = tables.choose(model)
    stored, found = tables.read(model, eval_set, setting)
    steps.workflow(model, stored, found)
    with shown_errors():
        field.field(model)
    tables.claims(model, setting, stored, found)
with shown_errors():
    factorial.matched(model, eval_set)
with shown_errors():
    confirmed.confirmed(model)
rules.rules()
