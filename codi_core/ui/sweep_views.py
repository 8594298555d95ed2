"""The chosen view of a sweep: grids one can click, or figures; each with its export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures import sweep_curves as curves
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.sweeps import SweepPanel, by_pair, by_site, by_variant, facts, heatmaps, pair_name, signed, tops
from codi_core.ui import state, sweep_choice, sweep_words
from codi_core.ui.errors import plain
from codi_core.ui.export import export_menu
from codi_core.ui.heatgrid import draw, legend_of
from codi_core.ui.sweep_choice import Choice

CHART = {"displaylogo": False}


def view(choice: Choice) -> None:
    {"dose": _dose, "marginals": _marginals, "signs": _signs}.get(choice.view, _grids)(choice)


def condition(choice: Choice) -> str:
    """Everything that made what is on screen."""
    asked = choice.asked
    reading = "mean B − mean A" if asked.reading == "B-A" else "mean A − mean B"
    return f"{choice.table.title}, {choice.variant} · {asked.title} · “A−B” = {reading} · {sweep_words.condition(choice.table)}"


# Grids


def panels_of(choice: Choice) -> list[SweepPanel]:
    grid, asked = choice.grid, choice.asked
    scale = tops(choice.grids.values() if choice.view == "variants" else [grid], asked)
    if choice.view == "pairs":
        return [by_pair(grid, index, choice.coefficients[0], asked, scale) for index in grid.indices]
    if choice.view == "variants":
        index, columns = int(choice.row["index"]), {_short(name): one for name, one in choice.grids.items()}
        return [by_variant(columns, index, coefficient, asked, scale) for coefficient in choice.coefficients]
    return [by_site(grid, coefficient, asked, scale) for coefficient in choice.coefficients]


def _short(variant: str) -> str:
    return variant.replace("-continue", " →").replace("-stop", " ■").replace("layer-", "layer ")


def _grids(choice: Choice) -> None:
    panels = panels_of(choice)
    across = 3 if choice.view == "pairs" else 1 if choice.view == "variants" else min(2, len(panels))
    title = f"{choice.table.title}: {choice.asked.title}"
    _head(choice, lambda: heatmaps(panels, title, condition(choice), across), lambda: _table(panels))
    for first in range(0, len(panels), across):
        for place, panel in zip(st.columns(across, gap="small"), panels[first : first + across], strict=False):
            with place:
                st.markdown(f"**{plain(panel.name)}**")
                _grid(choice, panel, legend=panel is panels[-1])
    notes = ["■ stops after the steered pass, → runs all passes."] if choice.view == "variants" and choice.table.name == "factorial" else []
    if choice.asked.mask != "none":
        notes.append("Grey cells are not significant.")
    if choice.view == "pairs":
        notes.append("Above and below the diagonal: the same pair with opposite signs.")
    notes += [f"Left out: {reason}" for reason in choice.table.refused]
    st.caption(plain(" ".join(notes)))


def _grid(choice: Choice, panel: SweepPanel, legend: bool) -> None:
    rows, columns = panel.painted.values.shape
    chosen = next(
        ([c, r] for r in range(rows) for c in range(columns) if (row := panel.found[r][c]) and row["place"] == choice.row["place"]), None
    )

    def picked(column: int, row: int) -> None:
        if (found := panel.found[row][column]) is not None:
            state.write("variant", found["variant"])
            sweep_choice.write_pick(found)

    draw(
        {
            "rows": [{"id": r, "label": name} for r, name in enumerate(panel.rows)],
            "columns": [{"id": c, "label": name} for c, name in enumerate(panel.columns)],
            "cells": [[_cell(panel, r, c) for c in range(columns)] for r in range(rows)],
            "chosen": chosen,
            "label": f"{panel.name}: {panel.painted.title}",
            "group": "sweep",
            "axis": "" if choice.view == "sites" else panel.axes[0],
            "cellHeight": 26,
            "names": "58px" if len(panel.rows[0]) > 3 else "30px",
            "hint": "hover: more · click or Enter: details" if legend else "",
            "legend": legend_of(panel.painted) if legend else None,
        },
        key=f"sweep-grid-{choice.view}-{panel.name}",
        on_pick=picked,
    )


def _cell(panel: SweepPanel, r: int, c: int) -> dict[str, Any]:
    found, text = panel.found[r][c], panel.texts[r][c]
    lines = facts(found) if found else ["not run"]
    return {
        "text": text,
        "title": panel.title(r, c),
        "value": lines[0],
        "fill": panel.painted.fill[r][c],
        "ink": panel.painted.ink[r][c],
        "top": [],
        "facts": lines[1:],
        "mark": "",
        "edge": "quiet" if panel.quiet[r, c] else "",
    }


def _table(panels: Sequence[SweepPanel]) -> pd.DataFrame:
    """Every cell on screen, with all its columns."""
    rows = [{"panel": panel.name, **row} for panel in panels for line in panel.found for row in line if row is not None]
    return pd.DataFrame(rows)


# Figures


def _head(choice: Choice, figure: Callable[[], go.Figure], table: Callable[[], pd.DataFrame]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(choice.table.title)}** · {plain(choice.asked.title)}")
        st.space("stretch")
        export_menu(
            f"codi-sweep-{choice.table.key}-{choice.view}",
            figure,
            lambda: [table()],
            lambda: sweep_words.exported(choice.table, table().to_dict("records")) | {"shown": condition(choice)},  # type: ignore[arg-type]
            key="sweep-export",
        )


def _shown(choice: Choice, figure: go.Figure, table: pd.DataFrame, note: str) -> None:
    _head(choice, lambda: stand_alone(figure, choice.table.title, condition(choice)), lambda: table)
    st.plotly_chart(figure, key=f"sweep-figure-{choice.view}", config=CHART)
    st.caption(plain(note))


def _dose(choice: Choice) -> None:
    a, b, index, coefficient = choice.grid.called(choice.row)
    column = curves.curve_column(choice.asked)
    lines = [curves.curve(choice.grid, a, b, site, column, baseline(choice, column, site)) for site in choice.grid.indices]
    figure = curves.dose_response(lines, f"z{index}", column, coefficient)
    rows = [row for site in choice.grid.indices for c in sorted(choice.grid.coefficients) if (row := choice.grid.at(a, b, site, c))]
    note = f"{pair_name(a, b)} at every site; bars: 95 % intervals; band: all random and shuffled directions of that size."
    _shown(choice, figure, pd.DataFrame(rows), note)


def baseline(choice: Choice, column: str, index: int) -> float:
    """The value at coefficient 0."""
    if column != "accuracy":
        return 0.0 if column != "delta_all" else _zero(choice, index, "delta_all")
    return _zero(choice, index, "accuracy")


def _zero(choice: Choice, index: int, column: str) -> float:
    """Unsteered, with as many passes as conditions at this index run."""
    cells = choice.table.cells
    passes = next(row["passes"] for row in choice.grid.rows.values() if row["index"] == index)
    accuracy = cells[cells["role"] == "baseline"].set_index("passes")["accuracy"]
    return float(accuracy[passes]) - (float(accuracy[choice.table.rollout.passes]) if column == "delta_all" else 0.0)


def _marginals(choice: Choice) -> None:
    coefficient, index = choice.coefficients[0], int(choice.row["index"])
    figure = curves.marginal_figure(choice.grid, coefficient, index, choice.asked)
    note = (
        f"All ordered pairs at α = {signed(coefficient)}; z{index} (the chosen cell's site) in front, each of its pairs a circle; "
        "shaded: its random band. A mean over partners is no independent measurement: the pairs share their questions."
    )
    _shown(choice, figure, curves.marginals(choice.grid, coefficient, choice.asked), note)


def _signs(choice: Choice) -> None:
    table = curves.signs(choice.grid, choice.asked)
    figure = curves.sign_figure(choice.grid, choice.asked, choice.row)
    clear = int((table["minus_clear"] & table["plus_clear"] & (table["minus"] > 0) & (table["plus"] > 0)).sum()) if len(table) else 0
    note = (
        f"A dot a pair and site. Dotted: a push that helps as much with one sign as it harms with the other. Shaded: both signs help "
        f"({clear} of {len(table):,} clearly, p < .05 as chosen under Significance)."
    )
    _shown(choice, figure, table, note)
