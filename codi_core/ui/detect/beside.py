"""What is asked of a model's readings, asked of its control's: the same map, the difference of the two, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import streamlit as st

from codi_core.figures.contrast import contrast_panel, contrast_sentence, contrast_table
from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.panels import Panel
from codi_core.services.detect import detection_contrast
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.lens import LensReadings
from codi_core.values.stats import Contrast


@dataclass(frozen=True)
class Question:
    """What a view asks, question by question."""

    what: str
    asked: Callable[[LensReadings], Any]
    """One of those `services.detect.detection_contrast` takes."""
    panel: Callable[[LensReadings], Panel]
    """The map of whichever model."""
    k: int | None = None
    share: bool = True
    """Otherwise nats."""


def show(own: LensReadings, control: LensReadings, question: Question, cell: tuple[int, int], table: bool) -> None:
    keys = (own.spec.key, len(own.questions), control.spec.key, len(control.questions), question.what)
    found = _contrast(keys, own, control, question)
    panels = [question.panel(control), contrast_panel(question.what, found, question.share)]
    condition = f"{own.spec.model.name} beside its control {control.spec.model.name} · keys {own.spec.key} and {control.spec.key}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown(f"**{plain(contrast_sentence(question.what, found, question.share))}**", width="stretch")
        export_menu(
            f"codi-detect-control-{own.spec.key}",
            lambda: heatmap(panels, False, f"{question.what}, model beside control", condition),
            lambda: [contrast_table(found)],
            lambda: {
                "condition": condition,
                "spec": asdict(own.spec),
                "control": asdict(control.spec),
                "table": contrast_table(found).to_dict(orient="records"),
            },
            key="export-control",
        )
    places = st.columns([1, 1, 0.85], gap="small")
    for place, panel, name in zip(places, panels, (f"Control: {control.spec.model.name}", panels[1].name), strict=False):
        with place:
            st.markdown(f"**{plain(name)}**")
            if table:
                st.dataframe(wide_table(panel, False), hide_index=True, height="content")
            else:
                label = f"{name}: {panel.painted.title}"
                heatgrid(
                    panel, chosen=cell, flip=False, label=label, key=f"grid-beside-{panel.name}", on_pick=url.write_cell, group="detect"
                )
    st.caption(
        "∗ p < .05 in the whole map. Difference of the same questions, clustered 95 % interval; the control's passes are fed no latent."
    )


@st.cache_data(max_entries=32, show_spinner=False)
def _contrast(keys: tuple[str | int, ...], _own: LensReadings, _control: LensReadings, _question: Question) -> Contrast:
    return detection_contrast(_own, _control, _question.asked, _question.k)
