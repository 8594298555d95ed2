"""Router: page config, the model picker, and navigation over pages/."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: spinning threads stall a shared machine

import streamlit as st

from codi_core.ui import layout

st.set_page_config(page_title="CODI Explorer", page_icon=layout.ICON, layout="wide")
layout.style()
page = st.navigation(
    [
        st.Page("pages/inspect.py", title="Inspect", icon=":material/search:", default=True),
        st.Page("pages/steer.py", title="Steer", icon=":material/tune:"),
        st.Page("pages/detect.py", title="Detect", icon=":material/radar:"),
        st.Page("pages/differences.py", title="Differences", icon=":material/difference:"),
        st.Page("pages/ablate.py", title="Ablate", icon=":material/content_cut:"),
        st.Page("pages/geometry.py", title="Geometry", icon=":material/scatter_plot:"),
        st.Page("pages/heatmaps.py", title="Heatmaps", icon=":material/grid_on:"),
        st.Page("pages/claims.py", title="Claims", icon=":material/fact_check:"),
        st.Page("pages/data.py", title="Data", icon=":material/dataset:"),
        st.Page("pages/model.py", title="Model", icon=":material/memory:"),
        st.Page("pages/tour.py", title="Tour", icon=":material/tour:"),
    ],
    position="top",
)
layout.arrive(page)
layout.model_picker()
page.run()
