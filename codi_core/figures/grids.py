"""Grids in the terms of the component that draws them (``ui/widgets/heatgrid.js``): on a page of the app, and on a static one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from codi_core.figures.lens import layer_axis
from codi_core.figures.paint import Paint
from codi_core.figures.panels import Panel
from codi_core.figures.sweeps import SweepPanel, facts

NONE: Mapping[tuple[int, int], str] = MappingProxyType({})
HINT = "hover: more · click or Enter: details"


def panel_grid(
    panel: Panel,
    label: str,
    chosen: tuple[int, int] | None = None,
    flip: bool = False,
    group: str = "",
    edges: Mapping[tuple[int, int], str] = NONE,
    legend: bool = True,
    hint: str = HINT,
) -> dict[str, Any]:
    """Indices across, depths up, last depth on top unless ``flip``; a click says (index, depth). ``edges``: see `ui.widgets.heatgrid`."""
    indices, depths = panel.shape
    rows = list(range(depths)) if flip else list(reversed(range(depths)))
    fill, ink = colours(panel.painted)

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

    return {
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


def sweep_grid(panel: SweepPanel, chosen: tuple[int, int] | None, axis: str, legend: bool = True) -> dict[str, Any]:
    """Of a stored sweep; a click says (column, row). ``chosen`` likewise; ``axis`` names the rows where they do not name themselves."""
    rows, columns = panel.painted.values.shape
    fill, ink = colours(panel.painted)
    return {
        "rows": [{"id": r, "label": name} for r, name in enumerate(panel.rows)],
        "columns": [{"id": c, "label": name} for c, name in enumerate(panel.columns)],
        "cells": [[_sweep_cell(panel, r, c, fill[r][c], ink[r][c]) for c in range(columns)] for r in range(rows)],
        "chosen": list(chosen) if chosen else None,
        "label": f"{panel.name}: {panel.painted.title}",
        "group": "sweep",
        "axis": axis,
        "cellHeight": 26,
        "names": "58px" if len(panel.rows[0]) > 3 else "30px",
        "hint": HINT if legend else "",
        "legend": legend_of(panel.painted) if legend else None,
    }


def _sweep_cell(panel: SweepPanel, r: int, c: int, fill: str, ink: str) -> dict[str, Any]:
    found, text = panel.found[r][c], panel.texts[r][c]
    lines = facts(found) if found else ["not run"]
    return {
        "text": text,
        "title": panel.title(r, c),
        "value": lines[0],
        "fill": fill,
        "ink": ink,
        "top": [],
        "facts": lines[1:],
        "mark": "",
        "edge": "quiet" if panel.quiet[r, c] else "",
    }


def colours(painted: Paint) -> tuple[list[list[str]], list[list[str]]]:
    """Fill and ink of every cell, as CSS that follows the theme."""
    dark = painted.on_dark
    if dark is painted:
        return painted.fill, painted.ink
    both = ((painted.fill, dark.fill), (painted.ink, dark.ink))
    fill, ink = ([list(map(_themed, *rows)) for rows in zip(*pair, strict=True)] for pair in both)
    return fill, ink


def legend_of(painted: Paint) -> dict[str, Any]:
    stops = list(map(_themed, painted.stops, painted.on_dark.stops)) if painted.on_dark is not painted else painted.stops
    return {"title": painted.title, "stops": stops, "ticks": [list(tick) for tick in painted.ticks]}


def _themed(light: str, dark: str) -> str:
    return f"light-dark({light}, {dark})"
