"""The token grid: a Streamlit component (v2, inline, no build step) with full-cell clicks, arrow keys, hover and ARIA."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from codi_core.figures.lens import layer_axis
from codi_core.figures.paint import CIVIDIS, Paint
from codi_core.figures.text import glyphs, percent, position, short
from codi_core.types import LensGrid, TrackedToken
from codi_core.ui.component import component

HTML = """
<div class="frame"><div class="y" aria-hidden="true"></div><div class="main">
  <div class="scroll"><table role="grid"></table></div>
  <div class="legend"><span class="title"></span><div class="scale" aria-hidden="true"><div class="bar"></div></div>
    <span class="hint">hover: top 10 · click or Enter: details</span></div>
</div></div>
<div class="tip" role="status"></div>
"""
_mount = component("heatgrid", HTML)
STOPS = [f"rgb({r:.0f},{g:.0f},{b:.0f})" for r, g, b in CIVIDIS]


def heatgrid(
    grid: LensGrid,
    painted: Paint,
    tracked: Sequence[TrackedToken],
    *,
    chosen: tuple[int, int],
    flip: bool,
    label: str,
    key: str,
    on_pick: Callable[[int, int], None],
) -> None:
    """Draw a grid, last depth on top unless ``flip``. ``on_pick(index, depth)`` runs before the next script run."""
    indices, depths = grid.entropy.shape
    rows = list(range(depths)) if flip else list(reversed(range(depths)))
    fill, ink = painted.fill, painted.ink

    def picked() -> None:
        if pick := st.session_state[key].get("pick"):
            on_pick(int(pick[0]), int(pick[1]))

    data = {
        "rows": [{"id": depth, "label": str(depth)} for depth in rows],
        "columns": [{"id": index, "label": position(index)} for index in range(indices)],
        "cells": [[_cell(grid, painted, tracked, i, d, fill[i][d], ink[i][d]) for i in range(indices)] for d in rows],
        "chosen": list(chosen),
        "label": label,
        "axis": layer_axis(grid),
        "cellHeight": 34 if depths <= 10 else 26,
        "legend": {"title": painted.title, "stops": STOPS, "ticks": [list(tick) for tick in painted.ticks]},
    }
    _mount(key=key, data=data, on_pick_change=picked)


def _cell(grid: LensGrid, painted: Paint, tracked: Sequence[TrackedToken], i: int, d: int, fill: str, ink: str) -> dict[str, Any]:
    top = zip(grid.top_tokens[i, d], grid.top_probs[i, d], strict=True)
    ranks = [f"{short(token.text, 14)}: rank {grid.rank_of(token)[i, d]:,}, {percent(grid.prob_of(token)[i, d])}" for token in tracked]
    return {
        "text": short(str(grid.top_tokens[i, d, 0])),
        "title": f"{position(i)} · layer {d}",
        "value": f"{painted.title} {painted.values[i, d]:{painted.form}}",
        "fill": fill,
        "ink": ink,
        "top": [[glyphs(str(token)), percent(float(prob))] for token, prob in top],
        "facts": [f"entropy {grid.entropy[i, d]:.2f} · KL to output {grid.kl[i, d]:.2f} nats", *ranks],
    }
