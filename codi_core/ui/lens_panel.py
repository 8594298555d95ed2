"""The latent thoughts: the lens grid, the chosen cell, and a token's way through both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from codi_core.figures.lens import heatmap, lens_table, trajectories, wide_table
from codi_core.figures.paint import COLOUR_BY, TARGETED, Paint, paint
from codi_core.figures.text import position, short
from codi_core.services.inspect import Inspection, InspectRequest
from codi_core.types import LensGrid, TopToken, TrackedToken
from codi_core.ui import calls, state
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.export import export_menu
from codi_core.ui.heatgrid import heatgrid
from codi_core.ui.ranking import ranking
from codi_core.ui.words import EARLY_LAYERS, condition, exported

LENS = "logit"
MAX_TRACKED = 12
"""More would crowd the page."""


@st.fragment
def lens_panel(request: InspectRequest) -> None:
    """Reruns alone when a cell, a token or the colouring changes; the rollout behind it is kept by the workbench."""
    with shown_errors():
        request = with_tracked(request)
        inspection = calls.inspection(request)
        grid = inspection.grids[LENS]
        cell = state.read_cell(*grid.entropy.shape)
        st.subheader("Latent thoughts", anchor=False)
        st.caption(f"{plain(condition(inspection, LENS))} · {inspection.milliseconds:.0f} ms")
        painted = _toolbar(inspection, grid)
        left, right = st.columns([2, 1], gap="large")
        with left:
            _grid(inspection, grid, painted, cell)
        with right:
            _cell(grid, cell)
        _trajectory(request, grid, cell)


def with_tracked(request: InspectRequest) -> InspectRequest:
    """With the viewer's tokens, as far as the model has them, and with what the model itself answered."""
    answer = calls.inspection(request).rollout.answer.strip()
    own = (answer,) if 0 < len(answer) <= 20 else ()
    wanted = replace(request, tracked=(*state.read_tracked()[:MAX_TRACKED], *own))
    with shown_errors():
        calls.inspection(wanted)
        return wanted
    return replace(request, tracked=own)


def _toolbar(inspection: Inspection, grid: LensGrid) -> Paint:
    """The controls above the grid, and what they make of it."""
    tracked = {token.text: token for token in inspection.tracked}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = st.segmented_control("Colour by", COLOUR_BY, default=COLOUR_BY[0], required=True, key="by", bind="query-params")
        target = None
        if by in TARGETED:
            target = st.selectbox("Target", list(tracked), key="target", width=130, placeholder="Track a token")
        st.space("stretch")
        flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
        st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        chosen = by if by not in TARGETED or target else COLOUR_BY[0]
        aim = tracked.get(target) if target else None
        line = condition(inspection, LENS)
        export_menu(
            f"codi-lens-{inspection.request.key}",
            lambda: heatmap(grid, chosen, aim, flip, short(inspection.rollout.question, 110).replace("␣", " "), line),
            lambda: lens_table(grid, inspection.tracked),
            lambda: exported(inspection, LENS, grid),
        )
    return paint(grid, chosen, aim)


def _grid(inspection: Inspection, grid: LensGrid, painted: Paint, cell: tuple[int, int]) -> None:
    flip = bool(st.session_state.get("flip"))
    if st.session_state.get("table"):
        st.dataframe(wide_table(grid, painted, flip), hide_index=True, height="content")
        st.caption(f"Value: {painted.title}")
    else:
        heatgrid(
            grid, painted, inspection.tracked, chosen=cell, flip=flip, label="Logit lens: top-1 token", key="grid", on_pick=state.write_cell
        )
    st.caption(EARLY_LAYERS)


def _cell(grid: LensGrid, cell: tuple[int, int]) -> None:
    index, depth = cell
    st.markdown(f"**{position(index)} · layer {depth}**")
    st.caption(f"Entropy {grid.entropy[cell]:.2f} nats · KL to output {grid.kl[cell]:.2f} nats · click a token to track it")
    columns = zip(grid.top_ids[cell].tolist(), grid.top_tokens[cell].tolist(), grid.top_probs[cell].tolist(), strict=True)
    ranking([TopToken(*row) for row in columns], label=f"Top tokens at {position(index)}, layer {depth}", key="cell-tokens", on_pick=track)
    _tracked()


def _tracked() -> None:
    tracked = state.read_tracked()
    st.session_state["track-box"] = tracked
    st.multiselect(
        "Tracked tokens",
        tracked,
        key="track-box",
        accept_new_options=True,
        max_selections=MAX_TRACKED,
        placeholder="Type a token, or click one above",
        help="Step values of known problems and the model's own answer are tracked anyway. `id:123` tracks exactly that token.",
        on_change=lambda: state.write_tracked(list(st.session_state["track-box"])),
    )


def track(token: TopToken) -> None:
    """Add a token to the tracked ones: by its text, which covers its spellings, or by its id when the text shows nothing."""
    text = token.token.strip()
    name = text if text and text.isprintable() else f"id:{token.id}"
    tracked = state.read_tracked()
    if name not in tracked and len(tracked) < MAX_TRACKED:
        state.write_tracked([*tracked, name])


def _trajectory(request: InspectRequest, grid: LensGrid, cell: tuple[int, int]) -> None:
    top = f"id:{grid.top_ids[cell][0]}"
    inspection = calls.inspection(replace(request, tracked=(*request.tracked, top)))
    tokens = {token.text: token for token in inspection.tracked}
    names = [top, *(name for name, token in tokens.items() if grid.top_ids[cell][0] not in token.ids)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.segmented_control(
            "Token over layers and indices",
            names,
            default=top,
            required=True,
            key="follow",
            format_func=lambda n: _label(tokens[n], n == top),
        )
        st.space("stretch")
        measure: Any = st.segmented_control(
            "Measure", ("Probability", "Rank"), default="Probability", required=True, key="measure", bind="query-params"
        )
    token = tokens.get(name, tokens[top])
    if token.note:
        st.caption(plain(token.note))
    st.plotly_chart(trajectories(inspection.grids[LENS], token, measure, *cell), key="trajectory", config={"displaylogo": False})


def _label(token: TrackedToken, top: bool) -> str:
    return plain(f"{short(token.tokens[0], 16)} (this cell)" if top else short(token.text, 16))
