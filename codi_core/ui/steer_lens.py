"""Baseline | Steered | Difference: what the lens reads in every latent, with the place of the edit and what it can reach."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import COLOUR_BY, TARGETED, paint
from codi_core.figures.panels import Panel, token_panel
from codi_core.figures.steer import Reach, change_panel, reach
from codi_core.services.steer import Pane, Steering
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.methods import Method
from codi_core.types import LensGrid, TopToken
from codi_core.ui import calls, state
from codi_core.ui.errors import plain
from codi_core.ui.export import export_menu
from codi_core.ui.heatgrid import NONE, heatgrid
from codi_core.ui.lens_choice import summary
from codi_core.ui.lens_panel import track
from codi_core.ui.ranking import ranking
from codi_core.ui.steer_words import condition, exported
from codi_core.ui.words import EARLY_LAYERS

LOGIT = "logit"
PANES = ("Steered", "Random control")


def chosen_lens(model: str) -> str:
    """`steer-lens=` in the URL, when the model has that lens."""
    given = state.read("steer-lens", LOGIT)
    return given if given in _lenses(model) else LOGIT


def _lenses(model: str) -> list[str]:
    return [LOGIT, *(card.name for card in calls.lens_cards(model))]


def _lens_box(model: str) -> None:
    st.session_state["steer-lens-box"] = chosen_lens(model)
    st.selectbox("Lens", _lenses(model), key="steer-lens-box", width=140, on_change=_write_lens)


def _write_lens() -> None:
    state.write("steer-lens", st.session_state["steer-lens-box"])


def grids(steering: Steering) -> None:
    st.subheader("Latent thoughts", anchor=False)
    lens, model = steering.request.lenses[0], steering.request.model
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        _lens_box(model)
        by = st.segmented_control("Colour by", COLOUR_BY, default=COLOUR_BY[0], required=True, wrap=True, key="by", bind="query-params")
        names = [token.text for token in steering.tracked]
        aim = st.selectbox("Target", names, key="target", width=130, placeholder="None tracked") if by in TARGETED else None
        which = PANES[0]
        if steering.control:
            which = st.segmented_control(
                "Beside the baseline", PANES, default=which, required=True, wrap=True, key="beside", bind="query-params"
            )
        st.space("stretch")
        flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
        menu = st.container(width="content")
    pane = steering.control if which == PANES[1] and steering.control else steering.steered
    target = next((token for token in steering.tracked if token.text == aim), None)
    shown = by if by not in TARGETED or target else COLOUR_BY[0]

    def panel(name: str, of: Pane) -> Panel:
        return token_panel(name, of.grids[lens], paint(of.grids[lens], shown, target), steering.tracked, {})

    panels = [
        panel("Baseline", steering.baseline),
        panel(which, pane),
        change_panel("Difference", steering.baseline.grids[lens], pane.grids[lens], pane.change[lens]),
    ]
    area = reached(steering)
    cell = state.read_cell(*panels[0].shape)
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
                on_pick=state.write_cell,
                group="steer",
                edges=NONE if one.name == "Baseline" else _turned(area, flip),
            )
    card = next((card for card in calls.lens_cards(model) if card.name == lens), None)
    st.caption(f"{_legend(area)} {plain(summary(card)) if card else EARLY_LAYERS}")
    _cell(panels[0].title(*cell), {"Baseline": steering.baseline.grids[lens], which: pane.grids[lens]}, cell)
    st.caption(plain(condition(steering)))
    with menu:
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
    areas = [_reach((shape[0], shape[1]), method) for method in steering.request.interventions]
    first = areas[0]
    for area in areas[1:]:
        first = Reach(first.site | area.site, first.cells | area.cells)
    return first


def _reach(shape: tuple[int, int], method: Method) -> Reach:
    if isinstance(method, KV):
        return reach(shape, "kv", method.indices, layers=method.layers)
    space = method.space  # type: ignore[attr-defined]
    layers = () if isinstance(method, Hidden) else method.layers  # type: ignore[attr-defined]
    return reach(shape, space, method.indices, method.layer, layers)  # type: ignore[attr-defined]


def _turned(area: Reach, flip: bool) -> dict[tuple[int, int], str]:
    return {cell: words.replace("below", "above") for cell, words in area.edges.items()} if flip else area.edges
