"""Router: page config, navigation over PAGES, and the page."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: spinning threads stall a shared machine

import streamlit as st

from codi_core.ui.shell import layout, login

layout.from_the_top()
st.set_page_config(page_title="CODI Explorer", page_icon=layout.ICON, layout="wide")
layout.style()
login.require()
page = st.navigation(layout.navigation(), position="top")
layout.finish_redirect(page)
page.run()
