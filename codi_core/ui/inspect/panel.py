"""The latent thoughts: the lens grids, the chosen cell, and a token's way through both."""

from __future__ import annotations

from dataclasses import dataclass

import plotly.graph_objects as go
import streamlit as st

from codi_core.errors import LensError
from codi_core.figures.lens import MEASURES, OF_A_TOKEN, heatmap, lens_table, measured, trajectories, wide_table
from codi_core.figures.paint import COLOUR_BY, TARGETED, ColourBy, paint
from codi_core.figures.panels import Panel, difference_panel, marks_legend, token_panel
from codi_core.figures.text import glyphs, position, tracked_name
from codi_core.figures.token_lines import token_lines
from codi_core.services.cards import ModelCard
from codi_core.services.inspect import Inspection, InspectRequest
from codi_core.ui.compare.tray import pin_button
from codi_core.ui.inspect import sparse
from codi_core.ui.inspect.captions import exported
from codi_core.ui.inspect.link import Setup
from codi_core.ui.model.link import Setup as ModelSetup
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import lens_choice, linked, own_gold
from codi_core.ui.widgets.export import chart, export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.lens_card import lens_card
from codi_core.ui.widgets.lens_choice import LensChoice
from codi_core.ui.widgets.ranking import ranking
from codi_core.values.lens import LensOption
from codi_core.values.model import TopToken

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


def request_of(card: ModelCard, prompt: str, passes: int) -> InspectRequest:
    """All that a view of the page needs to know, asked for at once: what the viewer and the model named, and the chosen cell's token."""
    model = st.session_state["model"]
    gold, steps = own_gold.given()
    return InspectRequest(
        model,
        prompt,
        passes,
        tracked=tuple(url.read_tracked()[:MAX_TRACKED]),
        lenses=tuple(lens.name for lens in lens_choice.chosen_several(model).lenses),
        own=True,
        gold=gold,
        steps=steps,
        cell=url.read_cell(passes + 1, card.n_layers + 1),
    )


def inspected(request: InspectRequest) -> Inspection:
    """When a lens cannot be read another one can still be chosen."""
    try:
        return calls.inspection(request)
    except LensError:
        lens_choice.choose_several(request.model)
        raise


@st.fragment
def lens_panel(card: ModelCard, prompt: str, passes: int) -> None:
    """Reruns alone when a cell, a token, a lens or the colouring changes; the rollout behind it is kept by the workbench."""
    with shown_errors():
        request = request_of(card, prompt, passes)
        inspection = inspected(request)
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key="lens-head"):
            st.header("Latent thoughts", anchor=False, width="content")
            st.caption(f"{plain(inspection.condition)} · {inspection.milliseconds:.0f} ms", width="stretch")
            pin_button(_pinned(request))
        for reason in inspection.refused.values():
            st.error(plain(reason), icon=":material/error:")
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            view, menu = _controls(inspection, lens_choice.choose_several(request.model))
        panels = _panels(inspection, view)
        assert request.cell is not None
        with menu:
            _export(inspection, list(panels.values()), view)
        _draw(inspection, panels, view, request.cell)
        lens_choice.notes(inspection)
        _trajectory(inspection, request.cell)
        sparse.show(request, request.cell)
        _card(view, request.model)


def _pinned(request: InspectRequest) -> Setup:
    """What is kept of the page to be compared: one lens."""
    steps = ",".join(request.steps)
    return Setup(request.model, request.prompt, request.gold, steps, request.passes, request.lenses[:1], track=request.tracked)


def _card(view: View, model: str) -> None:
    """Of a lens that is read and has one."""
    trained = {lens.name: lens for lens in view.lenses.lenses if lens.card}
    if not trained:
        return
    names = list(trained)
    with st.expander(f"Lens card of {plain(' and '.join(names))}: held-out KL and agreement at every index and layer"):
        name = names[0]
        if len(names) > 1:
            name = st.segmented_control("Lens card of", names, default=name, required=True, key="shown-lens-card")
        lens_card(trained[name], view.flip, view.table, group="lens")
        twin = calls.twin(model)
        if twin and not twin.differs:
            ModelSetup(model=model, twin=True, lens=name).link("The same card beside that of the model's control")


def _controls(inspection: Inspection, lenses: LensChoice) -> tuple[View, st.delta_generator.DeltaGenerator]:
    """The controls' values, and the place for the export menu beside them."""
    by = linked.segmented("Colour by", "by", COLOUR_BY)
    target = None
    if by in TARGETED:
        names = [token.text for token in inspection.tracked]
        called = {token.text: tracked_name(token) for token in inspection.tracked}
        here = linked.bound("target", names, names[0] if names else "", lambda name: called.get(name, "none"))
        target = st.selectbox("Target", names, width=230, placeholder="Track a token", **here)
    st.space("stretch")
    flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
    table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
    menu = st.container(width="content")
    return View(lenses, by if target or by not in TARGETED else COLOUR_BY[0], target, flip, table), menu


def _panels(inspection: Inspection, view: View) -> dict[str, Panel]:
    """By label of the lens, left to right."""
    target = next((token for token in inspection.tracked if token.text == view.target), None)
    painted = {name: paint(grid, view.by, target) for name, grid in inspection.grids.items()}

    def panel(lens: LensOption) -> Panel:
        return token_panel(lens.title, inspection.grids[lens.name], painted[lens.name], inspection.tracked, inspection.relations)

    panels = {lens.label: panel(lens) for lens in view.lenses.shown}
    if view.lenses.difference:
        a, b = (lens.name for lens in view.lenses.difference)
        panels["Difference"] = difference_panel(inspection.grids[a], inspection.grids[b], painted[a], painted[b])
    return panels


def _export(inspection: Inspection, panels: list[Panel], view: View) -> None:
    grids = [inspection.grids[name] for name in inspection.request.lenses]
    export_menu(
        f"codi-lens-{inspection.request.key}",
        lambda: heatmap(panels, view.flip, inspection.rollout.question, inspection.condition),
        lambda: [lens_table(grid, inspection.tracked) for grid in grids],
        lambda: exported(inspection),
    )


def _draw(inspection: Inspection, panels: dict[str, Panel], view: View, cell: tuple[int, int]) -> None:
    """One grid has the chosen cell beside it; several take the width and have it below."""
    alone = len(panels) == 1
    with st.container(key="lens-grids"):
        places = st.columns([2, 1] if alone else len(panels), gap="large" if alone else "small")
    for place, (label, panel) in zip(places, panels.items(), strict=False):
        with place:
            _panel(label, panel, view, cell, titled=not alone)
    legend = marks_legend(list(panels.values()), inspection.relations)
    with places[0] if alone else st.container():
        about = lens_choice.abouts(view.lenses.lenses)
        same = " A dot: both lenses have the same top token." if view.lenses.difference else ""
        st.caption(plain(about) + (f" Marks: {plain(legend)}." if legend else "") + same)
    with places[1] if alone else st.container():
        _details(inspection, cell)


def _panel(label: str, panel: Panel, view: View, cell: tuple[int, int], titled: bool) -> None:
    if titled:
        st.markdown(f"**{plain(panel.name)}**")
    if view.table:
        st.dataframe(wide_table(panel, view.flip), hide_index=True, height="content")
        st.caption(f"Value: {panel.painted.title}")
    else:
        heatgrid(
            panel,
            chosen=cell,
            flip=view.flip,
            label=f"{label} lens: top-1 token",
            key=f"grid-{label}",
            on_pick=url.write_cell,
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
        _tracked(inspection)


def _tracked(inspection: Inspection) -> None:
    tracked = url.read_tracked()
    names = {token.text: tracked_name(token) for token in inspection.tracked}
    st.session_state["track-box"] = tracked
    st.multiselect(
        "Tracked tokens",
        tracked,
        key="track-box",
        format_func=lambda text: names.get(text, text),
        accept_new_options=True,
        max_selections=MAX_TRACKED,
        placeholder="Type a token, or click one above",
        help="Step values of known problems and the model's own answer are tracked anyway. All spellings of a token count together; "
        "`id:123` is exactly that token.",
        on_change=linked.taken("track-box", lambda tokens: url.write_all("track", list(tokens))),
    )
    for token in inspection.tracked:
        if token.note and token.text in tracked:
            whole = "" if token.answered is None else f" As the answer, all {token.pieces} have a probability of {token.answered:.2g}."
            st.caption(plain(token.note + whole))


def track(token: TopToken) -> None:
    """Add a token to the tracked ones: by its text, which covers its spellings, or by its id when the text shows nothing."""
    text = token.token.strip()
    name = text if text and text.isprintable() else f"id:{token.id}"
    tracked = url.read_tracked()
    if name not in tracked and len(tracked) < MAX_TRACKED:
        url.write_all("track", [*tracked, name])


def _trajectory(inspection: Inspection, cell: tuple[int, int]) -> None:
    """A measure over layers and indices: of the chosen cell's token and all tracked ones, or of the whole distribution."""
    names = inspection.request.lenses
    with st.container(horizontal=True, vertical_alignment="bottom"):
        measure = linked.segmented("Over layers and indices", "measure", MEASURES)
        lens = names[0]
        if len(names) > 1:
            lens = st.segmented_control("Lens", names, default=lens, required=True, key="trajectory-lens")
    grid, here = inspection.grids[lens], inspection.here[lens]
    if measure in OF_A_TOKEN:
        tokens = [here, *(token for token in inspection.tracked if here.ids[0] not in token.ids)]
        for note in (token.note for token in tokens if token.note):
            st.caption(plain(note))
        labels = [f"▸ {here.tokens[0].strip() or glyphs(here.tokens[0])}", *map(tracked_name, tokens[1:])]  # ▸: of the chosen cell
        lines = dict(zip(labels, tokens, strict=True))

        def draw() -> go.Figure:
            return token_lines({label: measured(grid, measure, token) for label, token in lines.items()}, measure, *cell)
    else:

        def draw() -> go.Figure:
            return trajectories(measured(grid, measure, here), measure, *cell)

    chart(draw, key="trajectory", title=f"{measure}, {lens} lens", condition=inspection.condition)
