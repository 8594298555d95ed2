"""Latents along their principal components, the scree against its null, cosines of the means, and the way to the Steer page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures import geometry as figures
from codi_core.figures.geometry import COLOUR_BY, component
from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.text import position
from codi_core.services.cards import ModelCard
from codi_core.services.geometry import GeometryRequest, answered_right, component_method, geometry, geometry_command
from codi_core.ui.ablate import captions
from codi_core.ui.geometry.form import NAMES
from codi_core.ui.shell import calls
from codi_core.ui.shell.errors import plain
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.plot import plot
from codi_core.values.latents import LatentGeometry
from codi_core.values.signs import decimal

COSINES: dict[str, Literal["means", "differences"]] = {"Mean latents": "means", "Difference vectors": "differences"}
NULL = (
    "Null: parallel analysis (Horn 1965; shuffled as in Buja & Eyuboglu 1992): every coordinate is shuffled over all latents on its own, "
    "20 times, which keeps how far each one spreads and breaks what they have in common. A component counts while it explains more than "
    "the same one in all 20 (p < 5 %); those that do not are drawn pale. Intervals: cluster bootstrap over questions, directions fixed."
)


def found_for(request: GeometryRequest) -> LatentGeometry:
    """The first time, the split's questions are rolled out."""
    with st.spinner("Reading the latents …", show_time=True):
        return _geometry(request.key, request, calls.viewer())


@st.cache_data(max_entries=8, show_spinner=False)
def _geometry(key: str, _request: GeometryRequest, _viewer: str) -> LatentGeometry:
    return calls.workbench().call(geometry, _request, f"{_viewer}/geometry", on_wait=calls.on_wait)


@st.cache_data(max_entries=8, show_spinner="Answering the questions …")
def _right(key: str, _request: GeometryRequest, _viewer: str) -> npt.NDArray[np.bool_]:
    return calls.workbench().call(answered_right, _request, _viewer, on_wait=calls.on_wait)


def show(found: LatentGeometry, request: GeometryRequest, card: ModelCard) -> None:
    condition = _condition(found, request, card)
    st.markdown(f"**{plain(_verdict(found))}**")
    left, right = st.columns([1.5, 1], gap="large")
    with left:
        axes = _scatter(found, request, condition)
    with right:
        _scree(found, request, condition, axes)
        _steer(found, request, axes)
    _cosines(found, request, condition)
    st.caption(plain(condition))
    captions.repeat(geometry_command(request))


def _verdict(found: LatentGeometry) -> str:
    share, between = found.explained, found.by_index
    first = f"PC1 holds {share.value[0]:.1%} of the variance ({share.low[0]:.1%} to {share.high[0]:.1%})"
    where = "" if found.centre == "index" else f", {between.value[0]:.0%} of it between indices"
    count = len(share.value)
    kept = f"{'All' if found.retained == count else found.retained} of the {count} shown explain more than shuffled coordinates"
    return f"{first}{where}. {kept}. {found.dimensions} dimensions, n = {share.n:,} questions."


def _scatter(found: LatentGeometry, request: GeometryRequest, condition: str) -> tuple[int, int]:
    places = list(range(len(found.explained.value)))
    up = min(1, len(places) - 1)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        x: int = st.selectbox("Across", places, width=90, **linked.bound("x", places, 0, component))
        y: int = st.selectbox("Up", places, index=up, width=90, **linked.bound("y", places, up, component))
        by = linked.segmented("Colour by", "by", COLOUR_BY)
        step = _step(found) if by == "Step value" else 1
        draw = _drawing(found, request, (x, y), by, step)
        table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        _menu("scatter", found, request, condition, draw, lambda: [figures.score_table(found)])
    if table:
        st.dataframe(figures.score_table(found), hide_index=True, height=520)
    else:
        plot(draw, key="geometry-scatter", label="Latents along two principal components")
    drawn, count = len(figures.shown_questions(found, request.passes)), len(found.questions)
    if drawn < count:
        st.caption(f"{drawn:,} of {count:,} questions are drawn; every number is of all of them.")
    return x, y


def _step(found: LatentGeometry) -> int:
    most = max((len(question.steps) for question in found.questions), default=0)
    steps = [*range(1, most), -1]
    chosen: int = st.selectbox("Value of", steps, width=150, **linked.bound("step", steps, steps[0], figures.step_name))
    return chosen


def _drawing(
    found: LatentGeometry, request: GeometryRequest, axes: tuple[int, int], by: figures.ColourBy, step: int
) -> Callable[[], go.Figure]:
    """The indices to draw are asked for here, before the figure is."""
    all_of_them, passes = range(request.passes + 1), tuple(range(1, request.passes + 1))
    indices = st.pills(
        "Indices",
        all_of_them,
        selection_mode="multi",
        default=list(passes),
        **linked.bound("indices", all_of_them, passes, lambda index: position(index) if index else "bot"),
        help="Components are those of the passes, z1 on; bot is projected on them.",
    )
    right = _right(f"{request.key}-right", request, calls.behind("right")) if by == "Answered right" else None
    return lambda: figures.scatter(found, axes, by, sorted(indices), step, right)


def _scree(found: LatentGeometry, request: GeometryRequest, condition: str, axes: tuple[int, int]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.markdown("**Scree against its null**")
        st.space("stretch")
        table = st.toggle("Table", key="scree-table", bind="query-params", help="The same numbers as a table, and more")
        _menu("scree", found, request, condition, lambda: figures.scree(found, axes), lambda: [figures.component_table(found)])
    if table:
        st.dataframe(figures.component_table(found), hide_index=True, height=300)
    else:
        plot(lambda: figures.scree(found, axes), key="geometry-scree", label="Share of variance by component, against the null")
    facts = [f"same direction in both halves of the questions: cosine {found.split_half[place]:.2f}" for place in axes]
    for place, fact in zip(dict.fromkeys(axes), facts, strict=False):
        between = "" if found.centre == "index" else f"{found.by_index.value[place]:.0%} of it between indices · "
        tokens = "".join(
            f" · cosine with the embedding of {name} {decimal(values[place], '+.2f')}" for name, values in found.tokens.items()
        )
        st.caption(plain(f"{component(place)}: {between}{fact}{tokens}"))
    st.caption(plain(NULL))


def _steer(found: LatentGeometry, request: GeometryRequest, axes: tuple[int, int]) -> None:
    st.markdown("**Steer along a component**")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        place = st.segmented_control(
            "Component", list(dict.fromkeys(axes)), default=axes[0], required=True, format_func=component, key=f"push-{axes}"
        )
        last = request.passes if request.space in ("k", "v", "resid") else request.passes - 1
        first, at = min(3, last), range(last + 1)
        index = st.segmented_control("At index", at, default=first, required=True, **linked.bound("at", at, first))
    method = component_method(request, place + 1, index)
    if method is None:
        st.caption("There is no such steering source: it is made of all layers of K or V together, and of latents with their index means.")
        return
    setup = Setup(
        model=request.model,
        methods=(method,),
        means_set=request.means.eval_set,
        means_n=request.means.n,
        passes=request.passes,
        eval_set="templates" if request.means.eval_set == "bundled" else "bundled",
    )
    label = f"Use {component(place)} of {NAMES[request.space]} as a steering vector at index {index}"
    setup.link(label)


def _cosines(found: LatentGeometry, request: GeometryRequest, condition: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        which = st.segmented_control(
            "Cosines between", list(COSINES), default="Mean latents", required=True, **linked.bound("cosines", COSINES, "Mean latents")
        )
        table = st.toggle("Table", key="cosine-table", bind="query-params", help="The same numbers as a table")
        panel = figures.cosine_panel(found, COSINES[which])
        _menu(
            "cosines",
            found,
            request,
            condition,
            lambda: heatmap([panel], False, panel.name, condition),
            lambda: [figures.cosine_table(found)],
        )
    if table:
        st.dataframe(wide_table(panel, False), hide_index=True, height="content")
        return
    with st.container(width=640 if COSINES[which] == "means" else "stretch"):
        heatgrid(
            panel,
            chosen=None,
            flip=False,
            label=f"Cosines between {which.lower()}",
            key=f"geometry-cosines-{which}",
            on_pick=lambda column, row: None,
            hint="hover: the same from either half of the questions",
        )


def _condition(found: LatentGeometry, request: GeometryRequest, card: ModelCard) -> str:
    layer = "" if found.layer is None else f" of layer {found.layer}" if found.space != "resid" else f" after block {found.layer}"
    return captions.line(
        *captions.format_model(card),
        f"{NAMES[found.space]}{layer} of passes 1 to {request.passes}",
        *(["index means taken away"] if found.centre == "index" else []),
        captions.format_set(found.means.eval_set),
        f"key {request.key}",
    )


def _menu(
    name: str,
    found: LatentGeometry,
    request: GeometryRequest,
    condition: str,
    figure: Callable[[], go.Figure],
    tables: Callable[[], list[pd.DataFrame]],
) -> None:
    def drawn() -> go.Figure:
        made = figure()
        return made if name == "cosines" else stand_alone(made, f"Latents {NAMES[found.space]}: {name}", condition)

    def value() -> dict[str, Any]:
        records = [frame.to_dict(orient="records") for frame in tables()]
        return {
            "condition": condition,
            "command": geometry_command(request),
            "request": {**asdict(request), "kind": request.kind, "key": request.key},
            "means": {**asdict(found.means), "key": found.means.key},
            "table": [record for each in records for record in each],
        }

    export_menu(f"codi-geometry-{name}-{request.key}", drawn, tables, value, key=f"export-{name}")
