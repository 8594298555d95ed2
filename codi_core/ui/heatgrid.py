"""The grid on the page: a Streamlit component (v2, inline, no build step) with full-cell clicks, arrow keys, hover and ARIA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from codi_core.figures.lens import layer_axis
from codi_core.figures.paint import Paint
from codi_core.figures.panels import Panel
from codi_core.ui.component import component, event

HTML = """
<div class="frame"><div class="y" aria-hidden="true"></div><div class="main">
  <div class="scroll"><table role="grid"></table></div>
  <div class="legend"><span class="title"></span><div class="scale" aria-hidden="true"><div class="bar"></div></div>
    <span class="hint"></span></div>
</div></div>
<div class="tip" role="status"></div>
"""
_mount = component("heatgrid", HTML)
NONE: Mapping[tuple[int, int], str] = MappingProxyType({})


def heatgrid(
    panel: Panel,
    *,
    chosen: tuple[int, int] | None,
    flip: bool,
    label: str,
    key: str,
    on_pick: Callable[[int, int], None],
    group: str = "",
    edges: Mapping[tuple[int, int], str] = NONE,
    legend: bool = True,
    hint: str = "hover: more · click or Enter: details",
) -> None:
    """Draw a panel, last depth on top unless ``flip``. ``on_pick(index, depth)`` runs before the next script run.

    Grids of one ``group`` show which cell is hovered in another of them. ``edges`` by (index, depth): ``site`` where an edit acts,
    ``left`` and ``below`` for an edge of what it reaches. Without ``chosen`` no cell is marked.
    """
    indices, depths = panel.shape
    rows = list(range(depths)) if flip else list(reversed(range(depths)))
    fill, ink = panel.painted.fill, panel.painted.ink

    def cell(i: int, d: int) -> dict[str, object]:
        shown = panel.cells[i][d]
        return {
            "text": shown.text,
            "title": panel.title(i, d),
            "value": panel.painted.said(i, d),
            "fill": fill[i][d],
            "ink": ink[i][d],
            "top": shown.top,
            "facts": shown.facts,
            "mark": shown.mark,
            "edge": edges.get((i, d), ""),
        }

    data = {
        "rows": [{"id": depth, "label": panel.row(depth)} for depth in rows],
        "columns": [{"id": index, "label": panel.column(index)} for index in range(indices)],
        "cells": [[cell(i, d) for i in range(indices)] for d in rows],
        "chosen": list(chosen) if chosen else None,
        "label": label,
        "group": group,
        "axis": panel.axis or layer_axis(depths),
        "names": f"{max(30, 8 * max(map(len, panel.rows), default=0))}px",
        "cellHeight": 34 if depths <= 10 else 26,
        "hint": hint,
        "legend": legend_of(panel.painted) if legend else None,
    }
    draw(data, key=key, on_pick=on_pick)


def legend_of(painted: Paint) -> dict[str, Any]:
    return {"title": painted.title, "stops": painted.stops, "ticks": [list(tick) for tick in painted.ticks]}


def draw(data: dict[str, Any], key: str, on_pick: Callable[[int, int], None]) -> None:
    """Any grid of cells, in the component's own terms (see heatgrid.js). ``on_pick(column id, row id)``."""

    def picked() -> None:
        if pick := event(key, "pick"):
            on_pick(int(pick[0]), int(pick[1]))

    _mount(key=key, data=data, on_pick_change=picked)
