"""A ▸ B as a grid to choose from, coloured by what a stored sweep found at this index; without one, by how long the differences are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import streamlit as st

from codi_core.errors import CodiError
from codi_core.figures.grids import colours, legend_of
from codi_core.figures.paint import Paint, amounts
from codi_core.figures.sweeps import ViewOptions, facts, paint, said, tops
from codi_core.services.shared.interventions import Method, flags_of, methods_of
from codi_core.services.vectors import VectorInfo
from codi_core.ui.heatmaps import calls as sweeps
from codi_core.ui.steer import calls, link
from codi_core.ui.steer.link import Setup
from codi_core.ui.widgets.heatgrid import draw
from codi_core.values.sweep import Grid, Row, SweepTable, signed

OPTIONS = ViewOptions()
Kind = tuple[str, dict[str, str]]
"""A method's name and its flags, as far as they are not of one cell."""
NAMED_APART = ("a", "b", "sign", "coefficient", "indices")
"""Flags in which the cells of a sweep's variant differ, and the reading, which only turns the sign."""


@dataclass(frozen=True)
class Swept:
    """Stored cells of the intervention that is set, whatever their pair, index and coefficient."""

    table: SweepTable
    grid: Grid
    index: int
    alpha: float

    @property
    def nearest(self) -> float:
        """The stored coefficient that is nearest to the one that is set."""
        return min(self.grid.coefficients, key=lambda coefficient: (abs(coefficient - self.alpha), -coefficient))

    def at(self, a: int, b: int) -> Row | None:
        return self.grid.at(a, b, self.index, self.nearest) if a != b else None

    def of_pair(self, a: int, b: int) -> dict[float, Row]:
        """By coefficient, at this index."""
        found = {coefficient: self.grid.at(a, b, self.index, coefficient) for coefficient in self.grid.coefficients}
        return {coefficient: row for coefficient, row in found.items() if row is not None}

    @property
    def title(self) -> str:
        asked = self.table.eval_set
        return f"Points at α = {signed(self.nearest)}, stored sweep: {asked.n:,} of '{asked.name}'"


def swept(setup: Setup, model: str) -> Swept | None:
    """Of several the one with most cells, then the one on the eval set that is chosen."""
    flags = flags_of(setup.methods[0])
    if len(setup.methods) != 1 or "a" not in flags or not flags.get("indices", "").isdecimal():
        return None
    index, found = int(flags["indices"]), []
    for table in sweeps.of_model(model):
        same_means = (table.means.eval_set.name, table.means.only, table.overlap) == (setup.means_set, setup.means_only, setup.overlap)
        if same_means and (variant := _variant_of(table, setup.methods[0])):
            grid = sweeps.grid(table.key, variant, "A-B" if flags.get("sign") == "A-B" else "B-A", table)
            found.append(Swept(table, grid, index, float(flags["coefficient"])))
    found = [one for one in found if index in one.grid.indices]
    return max(found, key=lambda one: (len(one.grid.rows), one.table.eval_set.name == setup.eval_set), default=None)


def _variant_of(table: SweepTable, method: Method) -> str | None:
    wanted = _kind(method)
    return next((name for name, kind in _kinds(table.key, table).items() if kind == wanted), None)


@st.cache_resource(max_entries=64, show_spinner=False)
def _kinds(key: str, _table: SweepTable) -> dict[str, Kind]:
    """By variant. Asked with every move of the slider, of every sweep there is."""
    cells = _table.cells[_table.cells["role"] == "cell"].drop_duplicates("variant")
    return {name: _kind(methods_of(text)[0]) for name, text in zip(cells["variant"], cells["intervention"], strict=True)}


def _kind(method: Method) -> Kind:
    return method.kind, {name: text for name, text in flags_of(method).items() if name not in NAMED_APART}


def has_pair(setup: Setup) -> bool:
    return {"a", "b"} <= link.options(setup.methods[0]).keys()


def matrix(setup: Setup, model: str, passes: int, stored: Swept | None) -> None:
    """Nothing for directions without a pair, nor for one that is refused beside it.

    Lengths need the means, whose questions may have to be rolled out first: what a sweep has found is shown without them, at once.
    """
    if has_pair(setup):
        method, flags = setup.methods[0], link.options(setup.methods[0])
        with suppress(CodiError):
            found = stored or calls.norms(model, method.where, setup.means, passes)
            _grid(found, passes + 1, int(flags["a"]), int(flags["b"]))


def _grid(found: Swept | VectorInfo, count: int, chosen_a: int, chosen_b: int) -> None:
    stored = found if isinstance(found, Swept) else None
    painted, text = _lengths(found) if isinstance(found, VectorInfo) else _effects(found, count)
    fill, ink = colours(painted)

    def cell(a: int, b: int) -> dict[str, Any]:
        row = stored.at(a, b) if stored else None
        lines = [_length(found, a, b)] if isinstance(found, VectorInfo) else facts(row) if row else ["not in the sweep"]
        return {
            "text": text(a, b) if a != b else "",
            "title": f"A = {a}, B = {b}",
            "value": lines[0],
            "fill": fill[a][b],
            "ink": ink[a][b],
            "top": [],
            "facts": lines[1:],
            "mark": "",
            "edge": "quiet" if a == b or (stored and row is None) else "",
            "off": a == b,
        }

    def picked(b: int, a: int) -> None:  # never on the diagonal, whose cells are off
        link.write_flags({"a": str(a), "b": str(b)})

    data = {
        "rows": [{"id": a, "label": str(a)} for a in range(count)],
        "columns": [{"id": b, "label": f"B {b}"} for b in range(count)],
        "cells": [[cell(a, b) for b in range(count)] for a in range(count)],
        "chosen": [chosen_b, chosen_a],
        "label": f"A by B: {painted.title}",
        "group": "",
        "axis": "A",
        "cellHeight": 22,
        "hint": "",
        "legend": legend_of(painted),
    }
    draw(data, "steer-pairs", picked)


def _effects(stored: Swept, count: int) -> tuple[Paint, Callable[[int, int], str]]:
    rows = {(a, b): row for a in range(count) for b in range(count) if (row := stored.at(a, b))}
    values = np.full((count, count), np.nan, np.float32)
    for place, row in rows.items():
        values[place] = row[OPTIONS.column]
    texts = {place: said(float(row[OPTIONS.column]), OPTIONS) for place, row in rows.items()}
    return replace(paint(values, OPTIONS, tops(rows.values(), OPTIONS)), title=stored.title), lambda a, b: texts.get((a, b), "·")


def _lengths(info: VectorInfo) -> tuple[Paint, Callable[[int, int], str]]:
    kv = info.matrix.ndim == 3
    painted = amounts("‖mean B − mean A‖" + (", keys / values" if kv else ""), info.matrix.sum(0) if kv else info.matrix)
    parts = info.matrix if kv else info.matrix[None]
    return painted, lambda a, b: "/".join(f"{part[a, b]:.2g}" for part in parts)


def _length(info: VectorInfo, a: int, b: int) -> str:
    kv = info.matrix.ndim == 3
    names = ("keys", "values") if kv else ("‖B − A‖",)
    parts = info.matrix if kv else info.matrix[None]
    return "length: " + ", ".join(f"{name} {part[a, b]:.2g}" for name, part in zip(names, parts, strict=True))
