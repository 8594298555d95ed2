"""Influence over an eval set, beside the model's control: attention by kind of key, and what the answer loses without a slot."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from codi_core.figures.contrast import contrast_table
from codi_core.figures.influence import beside_table, mass_contrast, mass_panel
from codi_core.figures.lens import heatmap
from codi_core.services.influence_sets import InfluenceSetRequest, influence_contrast
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.influence import InfluenceContrast, InfluenceSet


def contrast_of(own: InfluenceSet, control: InfluenceSet, request: InfluenceSetRequest) -> InfluenceContrast:
    """Both are complete."""
    return _contrast((own.spec.key, control.spec.key), request, own, control)


def show(own: InfluenceSet, control: InfluenceSet, found: InfluenceContrast, name: str) -> None:
    """``name``: what requests call the control."""
    difference, sentence = mass_contrast(found)
    condition = f"beside its control {name} · keys {own.spec.key} and {control.spec.key}"
    table = beside_table(own, control, found)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{plain(sentence)}**", width="stretch")
        export_menu(
            f"codi-influence-control-{own.spec.key}",
            lambda: heatmap([difference], True, sentence, condition),
            lambda: [contrast_table(found.mass), table],
            lambda: {
                "condition": condition,
                "spec": asdict(own.spec),
                "control": asdict(control.spec),
                "mass": contrast_table(found.mass).to_dict(orient="records"),
                "hidden": table.to_dict(orient="records"),
            },
            key="export-control",
        )
    panels = (mass_panel(control.mass.value, control.uniform, "Mean attention", control.mass), difference)
    for place, title, panel in zip(st.columns(2, gap="large"), (f"Control: {name}", difference.name), panels, strict=True):
        with place:
            st.markdown(f"**{plain(title)}**")
            key = f"influence-beside-{panel is difference}"
            heatgrid(panel, chosen=None, flip=True, label=f"{title}: mean attention", key=key, on_pick=lambda i, k: None, hint="")
    st.dataframe(table.round(3), hide_index=True)
    st.caption(
        "Differences of the same questions, clustered 95 % interval; ∗ and p are for the whole map. In the control z never acts, so "
        "replaced latents have no counterpart there."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _contrast(keys: tuple[str, str], _request: InfluenceSetRequest, _own: InfluenceSet, _control: InfluenceSet) -> InfluenceContrast:
    return calls.workbench().call(influence_contrast, _request, _own.spec, _control.spec)
