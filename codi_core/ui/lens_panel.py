"""The latent thoughts: the lens grids, the chosen cell, and a token's way through both."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from codi_core.figures.lens import MEASURES, OF_A_TOKEN, heatmap, lens_table, measured, trajectories, wide_table
from codi_core.figures.paint import COLOUR_BY, TARGETED, ColourBy, paint
from codi_core.figures.panels import Panel, difference_panel, marks_legend, token_panel
from codi_core.figures.text import position, short
from codi_core.services.inspect import Inspection, InspectRequest
from codi_core.types import TopToken, TrackedToken
from codi_core.ui import calls, lens_choice, state
from codi_core.ui.errors import plain, shown_errors
from codi_core.ui.export import chart, export_menu
from codi_core.ui.heatgrid import heatgrid
from codi_core.ui.lens_card import lens_card
from codi_core.ui.lens_choice import LensChoice
from codi_core.ui.ranking import ranking
from codi_core.ui.words import EARLY_LAYERS, condition, exported

MAX_TRACKED = 12
"""More would crowd the page."""


@dataclass(frozen=True)
class View:
    """What the controls above the grids ask for."""

    lenses: LensChoice
    by: ColourBy
    target: str | None
    flip: bool
    table: bool


@st.fragment
def lens_panel(request: InspectRequest) -> None:
    """Reruns alone when a cell, a token, a lens or the colouring changes; the rollout behind it is kept by the workbench."""
    with shown_errors():
        st.subheader("Latent thoughts", anchor=False)
        line, notes = st.container(), st.container()
        bar = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
        with bar:
            lenses = lens_choice.choose(request.model)
        request = with_tracked(replace(request, lenses=lenses.read))
        inspection = calls.inspection(request)
        line.caption(f"{plain(condition(inspection))} · {inspection.milliseconds:.0f} ms")
        with notes:
            lens_choice.notes(inspection, lenses)
        with bar:
            view, menu = _controls(inspection, lenses)
        panels = _panels(inspection, view)
        cell = state.read_cell(*panels[0].shape)
        with menu:
            _export(inspection, panels, view)
        _draw(inspection, panels, view, cell)
        _trajectory(request, lenses, cell)
        if card := inspection.lens_cards.get(lenses.tuned):
            with st.expander(f"Lens card of {plain(card.name)}: held-out KL and agreement at every index and layer"):
                lens_card(card, view.flip, view.table, group="lens")


def with_tracked(request: InspectRequest) -> InspectRequest:
    """With the viewer's tokens, as far as the model has them, and with what the model itself answered."""
    answer = calls.inspection(request).rollout.answer.strip()
    own = (answer,) if 0 < len(answer) <= 20 else ()
    wanted = replace(request, tracked=(*state.read_tracked()[:MAX_TRACKED], *own))
    with shown_errors():
        calls.inspection(wanted)
        return wanted
    return replace(request, tracked=own)


def _controls(inspection: Inspection, lenses: LensChoice) -> tuple[View, st.delta_generator.DeltaGenerator]:
    """The controls' values, and the place for the export menu beside them."""
    by = st.segmented_control("Colour by", COLOUR_BY, default=COLOUR_BY[0], required=True, key="by", bind="query-params")
    target = None
    if by in TARGETED:
        names = [token.text for token in inspection.tracked]
        target = st.selectbox("Target", names, key="target", bind="query-params", width=130, placeholder="Track a token")
    st.space("stretch")
    flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
    table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
    menu = st.container(width="content")
    return View(lenses, by if target or by not in TARGETED else COLOUR_BY[0], target, flip, table), menu


def _panels(inspection: Inspection, view: View) -> list[Panel]:
    target = next((token for token in inspection.tracked if token.text == view.target), None)
    painted = {name: paint(grid, view.by, target) for name, grid in inspection.grids.items()}

    def panel(title: str, name: str) -> Panel:
        return token_panel(title, inspection.grids[name], painted[name], inspection.tracked, inspection.relations)

    logit, tuned = "logit", view.lenses.tuned
    made = {
        "Logit": lambda: panel("Logit", logit),
        "Tuned": lambda: panel(f"Tuned ({tuned.partition(':')[2]})", tuned),
        "Difference": lambda: difference_panel(inspection.grids[tuned], inspection.grids[logit], painted[tuned], painted[logit]),
    }
    return [made[kind]() for kind in view.lenses.shown]


def _export(inspection: Inspection, panels: list[Panel], view: View) -> None:
    grids = [inspection.grids[name] for name in inspection.request.lenses]
    export_menu(
        f"codi-lens-{inspection.request.key}",
        lambda: heatmap(panels, view.flip, inspection.rollout.question, condition(inspection)),
        lambda: [lens_table(grid, inspection.tracked) for grid in grids],
        lambda: exported(inspection),
    )


def _draw(inspection: Inspection, panels: list[Panel], view: View, cell: tuple[int, int]) -> None:
    """One grid has the chosen cell beside it; several take the width and have it below."""
    alone = len(panels) == 1
    with st.container(key="lens-grids"):
        places = st.columns([2, 1] if alone else len(panels), gap="large" if alone else "small")
    for place, panel in zip(places, panels, strict=False):
        with place:
            _panel(panel, view, cell, titled=not alone)
    legend = marks_legend(panels, inspection.relations)
    with places[0] if alone else st.container():
        same = " A dot: both lenses have the same top token." if "Difference" in view.lenses.shown else ""
        st.caption(EARLY_LAYERS + (f" Marks: {plain(legend)}." if legend else "") + same)
    with places[1] if alone else st.container():
        _details(inspection, cell)


def _panel(panel: Panel, view: View, cell: tuple[int, int], titled: bool) -> None:
    if titled:
        st.markdown(f"**{plain(panel.name)}**")
    if view.table:
        st.dataframe(wide_table(panel, view.flip), hide_index=True, height="content")
        st.caption(f"Value: {panel.painted.title}")
    else:
        kind = panel.name.partition(" ")[0]
        heatgrid(
            panel,
            chosen=cell,
            flip=view.flip,
            label=f"{kind} lens: top-1 token",
            key=f"grid-{kind}",
            on_pick=state.write_cell,
            group="lens",
        )


def _details(inspection: Inspection, cell: tuple[int, int]) -> None:
    """The chosen cell's tokens under each lens, and the tracked ones."""
    index, depth = cell
    several = len(inspection.grids) > 1
    if several:
        st.markdown(f"**{position(index)} · layer {depth}**")
    places = st.columns(len(inspection.grids) + 1, gap="large") if several else [st.container()] * 2
    for place, (name, grid) in zip(places, inspection.grids.items(), strict=False):
        with place:
            st.markdown(f"**{plain(name) if several else f'{position(index)} · layer {depth}'}**")
            st.caption(f"Entropy {grid.entropy[cell]:.2f} nats · KL to output {grid.kl[cell]:.2f} nats · click a token to track it")
            columns = zip(grid.top_ids[cell].tolist(), grid.top_tokens[cell].tolist(), grid.top_probs[cell].tolist(), strict=True)
            label = f"Top tokens at {position(index)}, layer {depth}" + (f", {name} lens" if several else "")
            ranking([TopToken(*row) for row in columns], label=label, key=f"tokens-{name}", on_pick=track)
    with places[-1]:
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
        help="Step values of known problems and the model's own answer are tracked anyway. All spellings of a token count together; "
        "`id:123` is exactly that token.",
        on_change=lambda: state.write_all("track", list(st.session_state["track-box"])),
    )


def track(token: TopToken) -> None:
    """Add a token to the tracked ones: by its text, which covers its spellings, or by its id when the text shows nothing."""
    text = token.token.strip()
    name = text if text and text.isprintable() else f"id:{token.id}"
    tracked = state.read_tracked()
    if name not in tracked and len(tracked) < MAX_TRACKED:
        state.write_all("track", [*tracked, name])


def _trajectory(request: InspectRequest, lenses: LensChoice, cell: tuple[int, int]) -> None:
    """A measure over layers and indices: of the chosen cell's token or a tracked one, or of the whole distribution."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = st.segmented_control(
            "Over layers and indices", MEASURES, default=MEASURES[0], required=True, key="measure", bind="query-params"
        )
        lens = lenses.read[0]
        if len(lenses.read) > 1:
            lens = st.segmented_control("Lens", lenses.read, default=lens, required=True, key="trajectory-lens")
        token_place = st.container(width="content")
    grid = calls.inspection(request).grids[lens]
    top = int(grid.top_ids[cell][0])
    inspection = calls.inspection(replace(request, tracked=(*request.tracked, f"id:{top}")))
    token = inspection.tracked[len(request.tracked)]
    if measure in OF_A_TOKEN:
        with token_place:
            token = _followed(inspection.tracked, top)
        if token.note:
            st.caption(plain(token.note))
    values = measured(inspection.grids[lens], measure, token)
    title = f"{measure} of {short(token.text, 20)}" if measure in OF_A_TOKEN else measure
    chart(trajectories(values, measure, *cell), key="trajectory", title=f"{title}, {lens} lens", condition=condition(inspection))


def _followed(tracked: tuple[TrackedToken, ...], top: int) -> TrackedToken:
    """The token to follow: the chosen cell's, or one of the others."""
    tokens = {token.text: token for token in tracked}
    here = f"id:{top}"
    names = [here, *(name for name, token in tokens.items() if top not in token.ids)]
    labels = {name: plain(short(tokens[name].tokens[0] if name == here else name, 16)) for name in names}
    name = st.segmented_control(
        "Token",
        names,
        default=here,
        required=True,
        key="follow",
        format_func=lambda n: f"{labels[n]} (this cell)" if n == here else labels[n],
    )
    return tokens.get(name, tokens[here])
