"""The chosen view of a sweep: grids one can click, or figures; each with its export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures import sweep_curves as curves
from codi_core.figures.grids import sweep_grid
from codi_core.figures.provenance import of_sweep
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.sweeps import SweepPanel, Tops, by_pair, by_site, by_variant, heatmaps, tops
from codi_core.services.shared.interventions import variants
from codi_core.ui.heatmaps import captions
from codi_core.ui.heatmaps import choice as sweep_choice
from codi_core.ui.heatmaps.choice import Choice
from codi_core.ui.heatmaps.link import VIEWS
from codi_core.ui.shell import url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import draw
from codi_core.ui.widgets.plot import plot
from codi_core.values.sweep import pair_name, signed


def view(choice: Choice) -> None:
    {"dose": _dose, "marginals": _marginals, "signs": _signs}.get(choice.view, _grids)(choice)


def condition(choice: Choice) -> str:
    """Everything that made what is on screen."""
    options = choice.options
    reading = "mean B − mean A" if options.reading == "B-A" else "mean A − mean B"
    return f"{choice.table.title}, {choice.variant} · {options.title} · “A−B” = {reading} · {of_sweep(choice.table)}"


# Grids


def panels_of(choice: Choice) -> list[SweepPanel]:
    """On the scale of what they show, or on the whole sweep's."""
    grids = choice.grids.values() if choice.view == "variants" else [choice.grid]
    panels = _panels(choice, tops((row for grid in grids for row in grid.rows.values()), choice.options))
    if choice.whole_scale:
        return panels
    return _panels(choice, tops((row for panel in panels for line in panel.found for row in line if row is not None), choice.options))


def _panels(choice: Choice, scale: Tops) -> list[SweepPanel]:
    grid, options = choice.grid, choice.options
    if choice.view == "pairs":
        return [by_pair(grid, index, choice.coefficients[0], options, scale) for index in grid.indices]
    if choice.view == "variants":
        index, known = int(choice.row["index"]), variants()
        columns = {known[name].short if name in known else name: one for name, one in choice.grids.items()}
        return [by_variant(columns, index, coefficient, options, scale) for coefficient in choice.coefficients]
    return [by_site(grid, coefficient, options, scale) for coefficient in choice.coefficients]


def _grids(choice: Choice) -> None:
    panels = panels_of(choice)
    across = 3 if choice.view == "pairs" else 1 if choice.view == "variants" else min(2, len(panels))
    title = f"{choice.table.title}: {choice.options.title}"
    _head(choice, lambda: heatmaps(panels, title, condition(choice), across), lambda: _table(panels))
    for first in range(0, len(panels), across):
        for place, panel in zip(st.columns(across, gap="small"), panels[first : first + across], strict=False):
            with place:
                st.markdown(f"**{plain(panel.name)}**")
                _grid(choice, panel, legend=panel is panels[-1])
    notes = ["■ stops after the steered pass, → runs all passes."] if choice.view == "variants" and choice.table.name == "factorial" else []
    if choice.options.mask != "none":
        notes.append("Grey cells are not significant.")
    if choice.options.measure == "Percentile" and any(np.isnan(panel.painted.values).any() for panel in panels):
        notes.append("–: no random band was measured. Open a cell to measure its own; `sweep … --bands-at SIZE` measures all at a |α|.")
    if choice.view == "pairs":
        notes.append("Above and below the diagonal: the same pair with opposite signs.")
    notes += [f"Left out: {reason}" for reason in choice.table.refused]
    st.caption(plain(" ".join(notes)))


def _grid(choice: Choice, panel: SweepPanel, legend: bool) -> None:
    rows, columns = panel.painted.values.shape
    here = ((c, r) for r in range(rows) for c in range(columns) if (row := panel.found[r][c]) and row["place"] == choice.row["place"])
    chosen = next(here, None)

    def picked(column: int, row: int) -> None:
        if (found := panel.found[row][column]) is not None:
            url.write("variant", found["variant"])
            sweep_choice.write_pick(found)

    axis = "" if choice.view == "sites" else panel.axes[0]
    draw(sweep_grid(panel, chosen, axis, legend), key=f"sweep-grid-{choice.view}-{panel.name}", on_pick=picked)


def _table(panels: Sequence[SweepPanel]) -> pd.DataFrame:
    """Every cell on screen, with all its columns."""
    rows = [{"panel": panel.name, **row} for panel in panels for line in panel.found for row in line if row is not None]
    return pd.DataFrame(rows)


# Figures


def _head(choice: Choice, figure: Callable[[], go.Figure], table: Callable[[], pd.DataFrame]) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(choice.table.title)}** · {plain(choice.options.title)}")
        st.space("stretch")
        export_menu(
            f"codi-sweep-{choice.table.key}-{choice.view}",
            figure,
            lambda: [table()],
            lambda: captions.exported(choice.table, table().to_dict("records")) | {"shown": condition(choice)},  # type: ignore[arg-type]
            key="sweep-export",
        )


def _shown(choice: Choice, draw: Callable[[], go.Figure], table: pd.DataFrame, note: str) -> None:
    _head(choice, lambda: stand_alone(draw(), choice.table.title, condition(choice)), lambda: table)
    plot(draw, key=f"sweep-figure-{choice.view}", label=f"{VIEWS[choice.view]}: {choice.table.title}")
    st.caption(plain(note))


def _dose(choice: Choice) -> None:
    a, b, index, coefficient = choice.grid.called(choice.row)
    column = curves.curve_column(choice.options)
    lines = [curves.curve(choice.grid, a, b, site, column, baseline(choice, column, site)) for site in choice.grid.indices]
    draw = partial(curves.dose_response, lines, choice.grid.site(index), column, coefficient)
    rows = [row for site in choice.grid.indices for c in sorted(choice.grid.coefficients) if (row := choice.grid.at(a, b, site, c))]
    note = f"{pair_name(a, b)} at every site; bars: 95 % intervals; band: random directions as long as the push, where measured."
    _shown(choice, draw, pd.DataFrame(rows), note)


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
    draw = partial(curves.marginal_figure, choice.grid, coefficient, index, choice.options)
    note = (
        f"All ordered pairs at α = {signed(coefficient)}; {choice.grid.site(index)} (the chosen cell's site) in front, each of its pairs a "
        "circle. "
        "A mean over partners is no independent measurement: the pairs share their questions."
    )
    _shown(choice, draw, curves.marginals(choice.grid, coefficient, choice.options), note)


def _signs(choice: Choice) -> None:
    table = curves.signs(choice.grid, choice.options)
    draw = partial(curves.sign_figure, choice.grid, choice.options, choice.row)
    clear = int((table["minus_clear"] & table["plus_clear"] & (table["minus"] > 0) & (table["plus"] > 0)).sum()) if len(table) else 0
    note = (
        f"A dot a pair and site. Dotted: a push that helps as much with one sign as it harms with the other. Shaded: both signs help "
        f"({clear} of {len(table):,} clearly, p < .05 as chosen under Significance)."
    )
    _shown(choice, draw, table, note)
