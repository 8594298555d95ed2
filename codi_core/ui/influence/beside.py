"""Influence over an eval set, beside the model's control: attention by kind of key, and what the answer loses without a slot."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.influence import beside_table, mass_contrast, mass_panel
from codi_core.services.influence_sets import InfluenceSetRequest, influence_contrast
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.influence import InfluenceContrast, InfluenceSet


def show(own: InfluenceSet, control: InfluenceSet, request: InfluenceSetRequest, name: str) -> None:
    """``name``: what requests call the control. Both are complete."""
    found = _contrast((own.spec.key, control.spec.key), request, own, control)
    difference, sentence = mass_contrast(found)
    st.markdown(f"**{plain(sentence)}**")
    panels = (mass_panel(control.mass.value, control.uniform, "Mean attention", control.mass), difference)
    for place, title, panel in zip(st.columns(2, gap="large"), (f"Control: {name}", difference.name), panels, strict=True):
        with place:
            st.markdown(f"**{plain(title)}**")
            key = f"influence-beside-{panel is difference}"
            heatgrid(panel, chosen=None, flip=True, label=f"{title}: mean attention", key=key, on_pick=lambda i, k: None, hint="")
    st.dataframe(beside_table(own, control, found).round(3), hide_index=True)
    st.caption(
        "Differences of the same questions, clustered 95 % interval; ∗ and p are for the whole map. In the control z never acts, so "
        "replaced latents have no counterpart there."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _contrast(keys: tuple[str, str], _request: InfluenceSetRequest, _own: InfluenceSet, _control: InfluenceSet) -> InfluenceContrast:
    return calls.workbench().call(influence_contrast, _request, _own.spec, _control.spec)
