"""Which latents: space, layer, split and passes; everything in the URL."""

from __future__ import annotations

import streamlit as st

from codi_core.problems.evalsets import EVAL_SETS
from codi_core.services.cards import ModelCard
from codi_core.services.geometry import SPACES, GeometryRequest
from codi_core.services.steer import MeansRequest
from codi_core.types import GeometrySpace
from codi_core.ui.steer_state import MEANS_SETS

NAMES: dict[GeometrySpace, str] = {"z": "z", "h": "h", "k": "K", "v": "V", "resid": "residual"}
SIZES = (100, 200, 500, 1_000)
ALL = "all"


def request_of(card: ModelCard, model: str) -> GeometryRequest:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        space: GeometrySpace = st.segmented_control(
            "Latents",
            SPACES,
            default="z",
            required=True,
            format_func=lambda space: NAMES[space],
            key="latents",
            bind="query-params",
            help="z: after the projection, as the next pass reads it. h: before it. K: keys with their rotation undone, V: values of the "
            "cache slot. residual: the residual stream after a block.",
        )
        layer = _layer(space, card)
        split = st.selectbox(
            "Split",
            MEANS_SETS,
            key="split",
            bind="query-params",
            width=140,
            help="\n\n".join(f"**{name}**: {EVAL_SETS[name].description}" for name in MEANS_SETS),
        )
        n = st.segmented_control(
            "Questions", SIZES, default=500, required=True, key="questions", bind="query-params", format_func=lambda n: f"{n:,}"
        )
        passes = st.segmented_control("Latent passes", range(1, 9), default=6, required=True, key="passes", bind="query-params")
        within = st.toggle(
            "Without index means",
            key="within",
            bind="query-params",
            help="Takes the mean of every index away first: what is left is how questions differ, not how passes do.",
        )
    return GeometryRequest(model, space, layer, MeansRequest(split, n), passes, "index" if within else "all")


def _layer(space: GeometrySpace, card: ModelCard) -> int | None:
    if space in ("z", "h"):
        return None
    if space == "resid":
        depths = [str(depth) for depth in range(1, card.n_layers + 1)]
        return int(st.selectbox("After block", depths, index=len(depths) - 1, key="depth", bind="query-params", width=110))
    layer = st.selectbox("Layer", [ALL, *map(str, range(card.n_layers))], key="layer", bind="query-params", width=110)
    return None if layer == ALL else int(layer)
