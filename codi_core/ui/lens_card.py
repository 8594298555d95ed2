"""The lens card: how near a tuned lens comes to the model's output on questions it never saw, beside the logit lens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.lens_card import MEASURES, card_panels, card_table
from codi_core.types import LensCard
from codi_core.ui import state
from codi_core.ui.errors import plain
from codi_core.ui.export import export_menu
from codi_core.ui.heatgrid import heatgrid


def lens_card(card: LensCard, flip: bool = False, table: bool = False, group: str = "lens-card") -> None:
    """Grids of one ``group`` are linked."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        measure = st.segmented_control("Held out", MEASURES, default=MEASURES[0], required=True, key="card-measure", bind="query-params")
        st.space("stretch")
        menu = st.container(width="content")
    panels = card_panels(card, measure)
    chosen = state.read_cell(*panels[0].shape)
    with st.container(key="card-grids"):
        places = st.columns(len(panels), gap="small")
    for place, panel in zip(places, panels, strict=True):
        with place:
            st.markdown(f"**{plain(panel.name)}**")
            if table:
                st.dataframe(wide_table(panel, flip), hide_index=True, height="content", key=f"card-table-{panel.name}")
            else:
                label = f"{panel.name}: {panel.painted.title}"
                key = f"card-{panel.name.partition(' ')[0]}"
                heatgrid(panel, chosen=chosen, flip=flip, label=label, key=key, on_pick=state.write_cell, group=group)
    st.caption(plain(condition(card)))
    with menu:
        export_menu(
            f"codi-lens-card-{card.key}",
            lambda: heatmap(panels, flip, f"{card.name}: {measure}", condition(card)),
            lambda: [card_table(card)],
            lambda: exported(card),
            key="export-card",
        )


def condition(card: LensCard) -> str:
    """Everything that made the lens, in one line."""
    where = f"indices {', '.join(map(str, card.indices))}" if card.indices else "positions of the prompt's text"
    facts = [
        card.model.name,
        f"weights {card.model.checkpoint[:8]}",
        card.name,
        f"trained on {card.n_latents:,} states at {where} of '{card.train_set}'",
        f"{card.steps:,} steps of {card.batch}, lr {card.lr:g}, seed {card.seed}",
        f"measured on {card.n_held_out:,} held-out questions of '{card.held_out_set}'",
        f"key {card.key}",
    ]
    return " · ".join(facts)


def exported(card: LensCard) -> dict[str, Any]:
    """The card as JSON data; of its training questions only how many."""
    fields = {
        name: value
        for name, value in asdict(card).items()
        if name not in ("questions", "kl_tuned", "kl_plain", "agree_tuned", "agree_plain")
    }
    return {**fields, "questions": len(card.questions), "held_out": card_table(card).to_dict(orient="records")}
