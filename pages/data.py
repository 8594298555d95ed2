"""Data: what an eval set is made of, and its questions."""

from __future__ import annotations

import streamlit as st

from codi_core.ui.data import bundle, views
from codi_core.ui.data.link import Setup
from codi_core.ui.shell import calls, layout
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import eval_choice

layout.enter(__file__, Setup)
with shown_errors():
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choice = eval_choice.choose("templates", 0, width=230)
        bundle.receive()
    eval_choice.describe(choice)
    found = calls.question_set(choice.name, choice.n)
    st.caption(plain(views.condition(found.spec)))
    views.how_read(found)
    views.overview(found.spec, found.questions)
    views.browse(found)
