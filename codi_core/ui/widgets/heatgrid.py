"""The grid on the page: a Streamlit component (v2, inline, no build step) with full-cell clicks, arrow keys, hover and ARIA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from codi_core.figures.grids import HINT, NONE, panel_grid
from codi_core.figures.panels import Panel
from codi_core.ui.widgets.component import HERE, component, event

HTML = (HERE / "heatgrid.html").read_text(encoding="utf-8")
_mount = component("heatgrid", HTML)


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
    hint: str = HINT,
    drag: str = "",
    on_drop: Callable[[tuple[int, int], tuple[int, int]], None] | None = None,
) -> None:
    """Draw a panel, last depth on top unless ``flip``. ``on_pick(index, depth)`` runs before the next script run.

    Grids of one ``group`` show which cell is hovered in another of them. ``edges`` by (index, depth): ``site`` where an edit acts,
    ``left`` and ``below`` for an edge of what it reaches. Without ``chosen`` no cell is marked. Cells of a grid named ``drag`` can be
    dropped on those of another one so named: ``on_drop(there, here)``.
    """
    data = panel_grid(panel, label, chosen, flip, group, edges, legend, hint) | {"drag": drag}
    draw(data, key=key, on_pick=on_pick, on_drop=on_drop)


def draw(
    data: dict[str, Any],
    key: str,
    on_pick: Callable[[int, int], None],
    on_drop: Callable[[tuple[int, int], tuple[int, int]], None] | None = None,
) -> None:
    """Any grid of cells, in the component's own terms (see heatgrid.js). ``on_pick(column id, row id)``."""

    def picked() -> None:
        if pick := event(key, "pick"):
            on_pick(int(pick[0]), int(pick[1]))

    def dropped() -> None:
        if on_drop and (drop := event(key, "drop")):
            there, here = (int(drop[0]), int(drop[1])), (int(drop[2]), int(drop[3]))
            on_drop(there, here)

    _mount(key=key, data=data, on_pick_change=picked, on_drop_change=dropped)
