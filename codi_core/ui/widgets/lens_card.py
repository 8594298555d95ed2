"""The lens card: how near a trained lens comes to the model's output on questions it never saw, beside the logit lens."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import streamlit as st

from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.lens_card import MEASURES, card_panels, card_table
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.lens import LensCard, LensOption


def lens_card(option: LensOption, flip: bool = False, table: bool = False, group: str = "lens-card") -> None:
    """Of a lens that has a card. Grids of one ``group`` are linked."""
    card = option.card
    assert card is not None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        here = linked.bound("card-measure", MEASURES, MEASURES[0])
        measure = st.segmented_control("Held out", MEASURES, default=MEASURES[0], required=True, **here)
        st.space("stretch")
        menu = st.container(width="content")
    panels = card_panels(card, option.title, measure)
    chosen = url.read_cell(*panels[0].shape)
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
                heatgrid(panel, chosen=chosen, flip=flip, label=label, key=key, on_pick=url.write_cell, group=group)
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
        card.recipe,
        f"measured on {card.n_held_out:,} held-out questions of '{card.held_out_set}'",
        f"key {card.key}",
    ]
    return " · ".join(facts)


def exported(card: LensCard) -> dict[str, Any]:
    """The card as JSON data; of its training questions only how many."""
    fields = {name: value for name, value in asdict(card).items() if name not in ("questions", "kl", "kl_plain", "agree", "agree_plain")}
    return {**fields, "questions": len(card.questions), "held_out": card_table(card).to_dict(orient="records")}
