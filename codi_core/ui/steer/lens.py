"""Baseline | Steered | Difference: what the lens reads in every latent, with the place of the edit and what it can reach."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from codi_core.figures.grids import NONE
from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import COLOUR_BY, TARGETED, paint
from codi_core.figures.panels import Panel, token_panel
from codi_core.figures.steer import change_panel
from codi_core.services.steer import SteeredAnswer, Steering
from codi_core.ui.compare.tray import pin_button
from codi_core.ui.inspect.panel import track
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.steer.captions import condition, exported
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import lens_choice, linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.ranking import ranking
from codi_core.values.lens import LensGrid
from codi_core.values.model import TopToken
from codi_core.values.reach import Reach

PANES = ("Steered", "Random control")


def grids(steering: Steering) -> None:
    lens = steering.request.lenses[0]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="xsmall"):
        st.header("Latent thoughts", anchor=False, width="content")
        option = lens_choice.box(steering.request.model)
        by = linked.segmented("Colour by", "by", COLOUR_BY)
        names = [token.text for token in steering.tracked]
        aim = st.selectbox("Target", names, key="target", width=130, placeholder="None tracked") if by in TARGETED else None
        which = PANES[0]
        if steering.control:
            which = st.segmented_control(
                "Beside the baseline", PANES, default=which, required=True, wrap=True, **linked.bound("beside", PANES, which)
            )
        st.space("stretch")
        flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
    pane = steering.control if which == PANES[1] and steering.control else steering.steered
    target = next((token for token in steering.tracked if token.text == aim), None)
    shown = by if by not in TARGETED or target else COLOUR_BY[0]

    def panel(name: str, of: SteeredAnswer) -> Panel:
        return token_panel(name, of.grids[lens], paint(of.grids[lens], shown, target), steering.tracked, {})

    panels = [
        panel("Baseline", steering.baseline),
        panel(which, pane),
        change_panel("Difference", steering.baseline.grids[lens], pane.grids[lens], pane.change[lens]),
    ]
    area = reached(steering)
    cell = url.read_cell(*panels[0].shape)
    with st.container(key="steer-grids"):
        places = st.columns(3, gap="small")
    for place, one in zip(places, panels, strict=True):
        with place:
            st.markdown(f"**{one.name}**")
            heatgrid(
                one,
                chosen=cell,
                flip=flip,
                label=f"{one.name}: {lens} lens",
                key=f"steer-grid-{one.name}",
                on_pick=url.write_cell,
                group="steer",
                edges=NONE if one.name == "Baseline" else _turned(area, flip),
            )
    summary = lens_choice.summary(option.card) if option.card else ""
    with st.container(horizontal=True, gap="small"):
        st.caption(f"{_legend(area)} {plain(f'{option.about} {summary}')}", width="stretch")
        menu = st.container(width="content")
    _cell(panels[0].title(*cell), {"Baseline": steering.baseline.grids[lens], which: pane.grids[lens]}, cell)
    st.caption(plain(condition(steering)))
    with menu, st.container(horizontal=True, gap="small"):
        pin_button(replace(Setup.read(), model=steering.request.model, prompt=steering.request.prompt))
        export_menu(
            f"codi-steer-{steering.request.key}",
            lambda: heatmap(panels, flip, steering.request.prompt, condition(steering)),
            lambda: [lens_table(one.grids[lens], steering.tracked) for one in (steering.baseline, pane)],
            lambda: exported(steering),
        )


def _legend(area: Reach) -> str:
    if not area.cells.any():
        return "Dashed: where it is added. This edit reaches the answer, but none of these latents."
    return "Dashed: where it is added. Green line: the edit reaches what lies inside of it; the rest cannot change."


def _cell(title: str, grids: dict[str, LensGrid], cell: tuple[int, int]) -> None:
    """The chosen cell in both, below their grids."""
    for place, (one, grid) in zip(st.columns(3, gap="small"), grids.items(), strict=False):
        tops = zip(grid.top_ids[cell].tolist(), grid.top_tokens[cell].tolist(), grid.top_probs[cell].tolist(), strict=True)
        with place:
            st.markdown(f"**{title}** · {one}")
            label = f"{one}: top tokens at {title}"
            ranking([TopToken(*top) for top in tops][:6], label=label, key=f"steer-cell-{one}", on_pick=track)


def reached(steering: Steering) -> Reach:
    """Of all interventions together."""
    shape = steering.baseline.change[steering.request.lenses[0]].shape
    areas = [method.reach((shape[0], shape[1])) for method in steering.request.interventions]
    first = areas[0]
    for area in areas[1:]:
        first = Reach(first.site | area.site, first.cells | area.cells)
    return first


def _turned(area: Reach, flip: bool) -> dict[tuple[int, int], str]:
    return {cell: words.replace("below", "above") for cell, words in area.edges.items()} if flip else area.edges
