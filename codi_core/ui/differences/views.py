"""A × B: difference vectors read by a lens, one of them in full, and how all of them lie to each other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import cast, get_args

import numpy as np
import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.figures import differences as figures
from codi_core.figures.differences import ABREAST, BY, By, Pair
from codi_core.figures.lens import heatmap, wide_table
from codi_core.figures.panels import Panel
from codi_core.problems.evalsets import means_sets
from codi_core.services.cards import ModelCard
from codi_core.services.differences import DifferenceReport, DifferenceRequest
from codi_core.services.shared.interventions import KV, Difference, Hidden, Method
from codi_core.ui.differences.link import SIGNS, SIZES
from codi_core.ui.shell import calls, url
from codi_core.ui.steer import link as steer_link
from codi_core.ui.widgets import lens_choice, linked
from codi_core.ui.widgets.export import chart, export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.arrays import Floats
from codi_core.values.vectors import Space

FIRST_PAIR = (2, 4)
STEERED_INDEX = 3
"""Where a link to Steer adds the vector first."""
ABOUT = "Differences of the mean residual streams at indices A and B after each block, each read by a lens at its own depth."


@dataclass(frozen=True)
class View:
    """What the controls above the grids ask for."""

    request: DifferenceRequest
    by: By
    indices: tuple[int, ...]
    flip: bool
    table: bool


def controls(model: str, passes: int) -> tuple[View, DeltaGenerator]:
    """The controls' values, and the place for the export menu beside them."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        lens = lens_choice.box(model)
        about = "B-A: mean B minus mean A, as the posts' code has it. A-B: as their text reads."
        sign = linked.segmented("Reading of “A−B”", "reading", SIGNS, about=about)
        means = linked.select("Means from", "means", means_sets(), width=130)
        n = linked.segmented("Questions", "means-n", SIZES, default="500")
        bias = lens.constant and st.toggle(
            "With bias, as in the post",
            key="bias",
            bind="query-params",
            help="Adds the translator's bias to the difference. In a difference of two residuals it cancels, so that is no fair reading.",
        )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = linked.segmented("Colour by", "by", BY)
        st.space("stretch")
        first = 0 if st.toggle("Index 0", key="zero", bind="query-params", help="The end of the prompt too") else 1
        flip = st.toggle("Flip", key="flip", bind="query-params", help="Put the embeddings on top instead of the output")
        table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
        menu = st.container(width="content")
    request = DifferenceRequest(model, lens.name, means, int(n), sign=sign, with_bias=bias, passes=passes)
    return View(request, by, tuple(range(first, passes + 1)), flip, table), menu


def read(view: View) -> DifferenceReport:
    return calls.differences(view.request)


def condition(card: ModelCard, report: DifferenceReport) -> str:
    """Everything that made the numbers, in one line."""
    grid = report.grid
    facts = [
        card.spec.name,
        f"weights {card.spec.checkpoint[:8]}",
        card.spec.dtype,
        f"{grid.means.passes} passes",
        f"means over {grid.n:,} questions of '{grid.means.eval_set.name}', seed {grid.means.eval_set.seed}",
        f"{'mean B − mean A' if grid.sign == 'B-A' else 'mean A − mean B'}",
        f"{grid.lens} lens" + (", bias added" if grid.with_bias else ", linear part" if report.constant else ""),
        f"means' key {grid.means.key}",
    ]
    return " · ".join(facts)


def grids(view: View, report: DifferenceReport, card: ModelCard, menu: DeltaGenerator) -> None:
    """A grid for each A: a column for each B. A click chooses the pair and the depth."""
    painted = figures.paint_differences(report.grid, view.by)
    panels = [figures.source_panel(report.grid, painted, a, view.indices) for a in view.indices]
    (a, b), depth = chosen(view, report)
    for start in range(0, len(panels), ABREAST):
        with st.container(key=f"difference-grids-{start}"):
            places = st.columns(ABREAST, gap="small")
        for place, at in zip(places, range(start, min(start + ABREAST, len(panels))), strict=False):
            with place:
                cell = (view.indices.index(b), depth) if view.indices[at] == a else None
                _source(view, panels[at], view.indices[at], cell, legend=at == len(panels) - 1)
    st.caption(f"{ABOUT} Depths differ in meaning: early ones are usually unreadable. Click a cell to choose the pair and the layer.")
    with menu:
        export_menu(
            f"codi-differences-{view.request.key}",
            lambda: figures.grid_figure(panels, view.flip, f"Difference vectors, {report.grid.lens} lens", condition(card, report)),
            lambda: [figures.difference_table(report.grid, view.indices)],
            lambda: exported(view, report, card),
        )


def _source(view: View, panel: Panel, a: int, cell: tuple[int, int] | None, legend: bool) -> None:
    st.markdown(f"**{panel.name}**")
    if view.table:
        st.dataframe(wide_table(panel, view.flip), hide_index=True, height="content", key=f"difference-table-{a}")
        return

    def pick(column: int, depth: int) -> None:
        if view.indices[column] != a:
            write_pair((a, view.indices[column]), depth)

    same = {(view.indices.index(a), depth): "quiet" for depth in range(panel.shape[1])}
    heatgrid(
        panel,
        chosen=cell,
        flip=view.flip,
        label=f"{panel.name}: first token of each difference",
        key=f"differences-{a}",
        on_pick=pick,
        group="differences",
        edges=same,
        legend=legend,
    )


def chosen(view: View, report: DifferenceReport) -> tuple[Pair, int]:
    """`pair=2.4` and `depth=5` in the URL; the first pair and the output when absent or outside the grid."""
    depths = [str(depth) for depth in range(report.grid.norms.shape[2])]
    pairs = {f"{a}.{b}": (a, b) for a in view.indices for b in view.indices if a != b}
    first = f"{FIRST_PAIR[0]}.{FIRST_PAIR[1]}"
    return pairs.get(url.one_of("pair", list(pairs), first), FIRST_PAIR), int(url.one_of("depth", depths, depths[-1]))


def write_pair(pair: Pair, depth: int) -> None:
    url.write("pair", f"{pair[0]}.{pair[1]}")
    url.write("depth", str(depth))


def column(view: View, report: DifferenceReport) -> None:
    """The chosen difference in full, and the way to steer with it."""
    pair, depth = chosen(view, report)
    st.header(f"{figures.arrow(pair)}: {figures.formula(report.grid, pair)}", anchor=False)
    panel = figures.column_panel(report.grid, pair)
    if view.table:
        st.dataframe(wide_table(panel, view.flip), hide_index=True, height="content", key="difference-column-table")
    else:
        heatgrid(
            panel,
            chosen=(0, depth),
            flip=view.flip,
            label=f"The ten likeliest tokens of {figures.arrow(pair)} at each layer",
            key="difference-column",
            on_pick=lambda rank, at: write_pair(pair, at),
        )
    _steer(view, pair, depth)


def _steer(view: View, pair: Pair, depth: int) -> None:
    vector = Difference(*pair, view.request.sign)
    where: dict[str, Method] = {
        **({f"after block {depth}": Hidden(vector, 1.0, (STEERED_INDEX,), "resid", depth)} if depth else {}),
        "in z": Hidden(vector, 1.0, (STEERED_INDEX,), "z"),
        "in the KV cache": KV(vector, 1.0, (STEERED_INDEX,)),
    }
    request = view.request
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("Steer with it", width="content")
        for words, method in where.items():
            setup = steer_link.Setup(model=request.model, methods=(method,), means_set=request.eval_set, means_n=request.n)
            setup.link(words, width="content")


def lengths(view: View, report: DifferenceReport, card: ModelCard) -> None:
    pair, depth = chosen(view, report)
    grid, at = report.grid, (*pair, depth)
    st.markdown(f"**Layer {depth}**")
    st.caption(
        f"Length {grid.norms[at]:.3g} · cosine of its halves {grid.split_half[at]:.3f} · entropy {grid.entropy[at]:.2f} nats · "
        f"{grid.n:,} questions"
    )
    title = f"Length and split-half cosine of {figures.arrow(pair)}"
    chart(lambda: figures.profile(grid, pair, depth), key="difference-profile", title=title, condition=condition(card, report))
    st.caption(
        "In front the chosen pair, behind it all others. The halves share no story's numbers: a cosine near 1 is a stable direction."
    )


def cosines(view: View, report: DifferenceReport, card: ModelCard) -> None:
    """Between all pairs, whatever the lens: large ones mean that two steps are one direction."""
    pair, depth = chosen(view, report)
    st.header("Cosines between the differences", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        space = cast(
            Space,
            st.segmented_control(
                "Space",
                get_args(Space),
                default="z",
                required=True,
                **linked.bound("cosine-space", get_args(Space), "z"),
                help="z: after the projection. h: before it. resid: the residual stream at the chosen layer. "
                "kv: keys (rotation undone) and values of all layers as one vector.",
            ),
        )
        st.space("stretch")
        menu = st.container(width="content")
    matrix = report.cosines[space][depth] if space == "resid" else report.cosines[space]
    panel = figures.cosine_panel(matrix, report.pairs, view.indices)
    shown = [one for one in report.pairs if set(one) <= set(view.indices)]
    own = shown.index((min(pair), max(pair)))
    left, right = st.columns([2.4, 1], gap="large")
    with left:
        if view.table:
            st.dataframe(figures.cosine_table(matrix, report.pairs), hide_index=True, height="content")
        else:
            heatgrid(
                panel,
                chosen=(own, len(shown) - 1 - own),
                flip=False,
                label=f"Cosines between differences, {space}",
                key="difference-cosines",
                on_pick=lambda across, up: write_pair(shown[len(shown) - 1 - up], depth),
            )
    with right:
        st.markdown(f"**Most like {figures.arrow(shown[own])}**")
        st.dataframe(_nearest(panel, shown, own), hide_index=True, height="content", key="difference-nearest")
        st.caption("For B < A both signs turn, and so does the cosine.")
    where = f", layer {depth}" if space == "resid" else ""
    title = f"Cosines between difference vectors, {space}{where}"
    with menu:
        export_menu(
            f"codi-difference-cosines-{space}-{view.request.key}",
            lambda: heatmap([panel], False, title, condition(card, report)),
            lambda: [figures.cosine_table(matrix, report.pairs)],
            lambda: exported(view, report, card),
            key="export-cosines",
        )


def _nearest(panel: Panel, shown: list[Pair], own: int) -> pd.DataFrame:
    values = panel.painted.values[own][::-1]
    order = [place for place in np.argsort(-np.abs(np.nan_to_num(values))) if place != own][:8]
    return pd.DataFrame(
        {"Pair": [figures.arrow(shown[place]) for place in order], "Cosine": [round(float(values[place]), 3) for place in order]}
    )


def exported(view: View, report: DifferenceReport, card: ModelCard) -> dict[str, object]:
    """Everything on the page as JSON data, with what made it."""
    return {
        "condition": condition(card, report),
        "request": {**asdict(view.request), "kind": view.request.kind, "key": view.request.key},
        "model": {**asdict(card.spec), "key": card.key},
        "means": {**asdict(report.grid.means), "key": report.grid.means.key, "n": report.grid.n},
        "columns": figures.difference_table(report.grid, view.indices).to_dict(orient="records"),
        "pairs": report.pairs,
        "cosines": {space: _known(values) for space, values in report.cosines.items()},
    }


def _known(values: Floats) -> list[object]:
    """Nested lists; what is undefined becomes null."""
    known = values.astype(object)
    known[np.isnan(values)] = None
    return list(known.tolist())
