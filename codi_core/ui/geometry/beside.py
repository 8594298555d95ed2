"""The latents of a model's control beside its own: how much of the variance each component holds in either, and the difference."""

from __future__ import annotations

from dataclasses import asdict

import plotly.graph_objects as go
import streamlit as st

from codi_core.figures import geometry as figures
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.geometry import GeometryRequest, explained_contrast
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.plot import plot
from codi_core.values.latents import LatentGeometry


def show(own: LatentGeometry, control: LatentGeometry, request: GeometryRequest, name: str) -> None:
    """``name``: what requests call the control."""
    found, names = explained_contrast(own, control), (request.model, f"control: {name}")
    condition = f"{request.model} beside its control {name} · key {request.key}"

    def draw() -> go.Figure:
        return figures.contrast_scree(own, control, names, found)

    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{plain(figures.contrast_facts(own, control, found))}**", width="stretch")
        export_menu(
            f"codi-geometry-control-{request.key}",
            lambda: stand_alone(draw(), "Variance of components, model beside control", condition),
            lambda: [figures.contrast_components(found)],
            lambda: {
                "condition": condition,
                "means": asdict(own.means),
                "control": asdict(control.means),
                "table": figures.contrast_components(found).to_dict(orient="records"),
            },
            key="export-control",
        )
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        plot(draw, key="geometry-control", label="Latents of the model and of its control")
    with right:
        st.dataframe(figures.contrast_components(found), hide_index=True, height=300)
    st.caption(
        "Components are each model's own, in the order of their variance; differences of the same questions, clustered 95 % interval."
    )
