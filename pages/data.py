"""Data: what an eval set is made of, and its questions."""

from __future__ import annotations

import streamlit as st

from codi_core.ui import calls, data_page, eval_choice, layout
from codi_core.ui.errors import plain, shown_errors

layout.require_app("pages/data.py")
with shown_errors():
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choice = eval_choice.choose(default_n=0)
    if choice is not None:
        eval_choice.describe(choice)
        spec, questions = calls.eval_set(choice.name, choice.n)
        st.caption(plain(data_page.condition(spec)))
        data_page.overview(spec, questions)
        data_page.browse(spec, questions)
