"""Which latents: space, layer, split and passes; everything in the URL."""

from __future__ import annotations

import streamlit as st

from codi_core.problems.evalsets import EVAL_SETS, means_sets
from codi_core.services.cards import ModelCard
from codi_core.services.geometry import SPACES, GeometryRequest
from codi_core.services.shared.requests import MeansRequest
from codi_core.ui.geometry.link import SIZES
from codi_core.ui.widgets import linked, passes_choice
from codi_core.values.latents import GeometrySpace

NAMES: dict[GeometrySpace, str] = {"z": "z", "h": "h", "k": "K", "v": "V", "resid": "residual"}
ALL = "all"


def request_of(card: ModelCard, model: str) -> GeometryRequest:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        space: GeometrySpace = st.segmented_control(
            "Latents",
            SPACES,
            default="z",
            required=True,
            **linked.bound("latents", SPACES, "z", lambda space: NAMES[space]),
            help="z: after the projection, as the next pass reads it. h: before it. K: keys with their rotation undone, V: values of the "
            "cache slot. residual: the residual stream after a block.",
        )
        layer = _layer(space, card)
        split = linked.select(
            "Split",
            "means",
            means_sets(),
            width=140,
            about="\n\n".join(f"**{name}**: {EVAL_SETS[name].description}" for name in means_sets()),
        )
        n = linked.segmented("Questions", "means-n", SIZES, default="500", title=lambda n: f"{int(n):,}")
        count = passes_choice.choose(card, least=1)
        within = st.toggle(
            "Without index means",
            key="within",
            bind="query-params",
            help="Takes the mean of every index away first: what is left is how questions differ, not how passes do.",
        )
    return GeometryRequest(model, space, layer, MeansRequest(split, int(n)), count, "index" if within else "all")


def _layer(space: GeometrySpace, card: ModelCard) -> int | None:
    if space in ("z", "h"):
        return None
    if space == "resid":
        depths = [str(depth) for depth in range(1, card.n_layers + 1)]
        return int(linked.select("After block", "depth", depths, default=depths[-1], width=110))
    layers = [ALL, *map(str, range(card.n_layers))]
    layer: str = st.selectbox("Layer", layers, width=110, **linked.bound("layer", layers, ALL))
    return None if layer == ALL else int(layer)
