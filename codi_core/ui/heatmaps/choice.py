"""Which stored sweep is looked at, and how: every choice is in the URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from codi_core.figures.sweeps import CORRECTIONS, MEASURES, ViewOptions
from codi_core.services.shared.commands import sweep_command
from codi_core.services.shared.interventions import SWEEPS, variants
from codi_core.services.shared.requests import SweepRequest
from codi_core.ui.heatmaps import calls
from codi_core.ui.heatmaps.link import LEAST, VIEWS, Setup, key_of, pick_text
from codi_core.ui.shell import missing, url
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import linked
from codi_core.values.sweep import Grid, Row, SweepTable, signed

SEVERAL = ("sites", "variants")
"""Views that show several coefficients side by side."""
GRIDS = (*SEVERAL, "pairs")
FEW = 0.5
"""Coefficient shown first where there is one."""


@dataclass(frozen=True)
class Choice:
    table: SweepTable
    variant: str
    view: str
    options: ViewOptions
    coefficients: tuple[float, ...]
    """In the chosen reading; at least one."""
    grids: dict[str, Grid]
    """By variant."""
    row: Row
    """The chosen cell."""
    whole_scale: bool
    """Whether colours run over the whole sweep's values instead of those on screen."""

    @property
    def grid(self) -> Grid:
        return self.grids[self.variant]


def choose(model: str) -> Choice | None:
    """None when no sweep of the model is stored; the page then says how to make one."""
    tables = calls.of_model(model)
    if lost := calls.unreadable():
        st.caption(f"Stored sweeps that cannot be read, and are left out: {lost}. The server's log says why.")
    if not tables:
        _nothing(model)
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        table = _table(tables)
        names = list(dict.fromkeys(table.cells.loc[table.cells["role"] == "cell", "variant"]))
        variant = names[0]
        if len(names) > 1:
            variant = linked.select("Variant", "variant", names, title=_variant, width=330)
    return _look(table, variant, names)


def _nothing(model: str) -> None:
    st.info(plain(f"No sweep of {model} is stored on this machine."), icon=":material/grid_off:")
    st.markdown("This computes the grid of the posts' KV experiment; interrupted at any moment, the same command goes on:")
    st.code(sweep_command(SweepRequest(model, "post-kv")), language="bash", wrap_lines=True)
    others = sorted({table.model_name for table in calls.stored()} - {model})
    if others:
        st.markdown("Stored sweeps can be looked at for: " + ", ".join(f"**{plain(name)}**" for name in others) + " (choose it above).")


def _table(tables: list[SweepTable]) -> SweepTable:
    known = ["post-kv", *SWEEPS]  # the one with most of the claims greets the newcomer
    names = sorted({table.name for table in tables}, key=lambda name: known.index(name) if name in known else len(known))
    name = linked.select("Sweep", "sweep", names, title=lambda name: SWEEPS[name].title if name in SWEEPS else name, width=300)
    of_name = [table for table in tables if table.name == name]
    sets = list(dict.fromkeys(table.eval_set.name for table in of_name))
    sets.sort(key=lambda name: name != "templates")
    eval_set = linked.select("Eval set", "set", sets, width=150)
    runs = {table.key: table for table in of_name if table.eval_set.name == eval_set}
    if len(runs) == 1:
        return next(iter(runs.values()))
    key = linked.select("Run", "run", list(runs), title=lambda key: _run_name(runs[key]), width=330)
    return runs[key]


def _variant(name: str) -> str:
    known = variants()
    return known[name].title if name in known else name


def _run_name(table: SweepTable) -> str:
    return f"{table.eval_set.n:,} questions · {table.created[:16].replace('T', ' ')} · model {table.model_key[:6]}"


BASELINES = {"same": "As many passes", "all": "All passes"}
READINGS = {"B-A": "mean B − mean A (code)", "A-B": "mean A − mean B (text)"}
ABOUT_BASELINES = "Unsteered with as many passes as the condition runs, or with all of them. They differ only where steering stops early."
ABOUT_READINGS = "The posts' code adds mean B − mean A, their text reads the other way round: the same numbers under the opposite sign."
ABOUT_SCALE = "Colours over all of its coefficients, so that one colour always means one value. Otherwise they run over what is shown."
MASKS: dict[str, str] = {mask: "no mask" if mask == "none" else f"p < .05, {name}" for mask, name in CORRECTIONS.items()}


def _look(table: SweepTable, variant: str, variants: list[str]) -> Choice:
    views = {name: title for name, title in VIEWS.items() if name != "variants" or len(variants) > 1}
    first = "variants" if len(variants) > 1 else "sites"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = linked.segmented("Show", "view", list(views), default=first, title=VIEWS.__getitem__)
        measure = linked.select("Value", "measure", MEASURES, width=150)
        mask: Any = linked.select("Significance", "mask", list(MASKS), title=MASKS.__getitem__, width=230)
        against: Any = linked.segmented("Baseline", "against", list(BASELINES), title=BASELINES.__getitem__, about=ABOUT_BASELINES)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        reading: Any = linked.segmented("“A−B” means", "reading", list(READINGS), title=READINGS.__getitem__, about=ABOUT_READINGS)
        about = "Cells with fewer independent questions are left out."
        least = linked.number("Effective n ≥", "least", most=LEAST, step=50, width=130, about=about)
        options = ViewOptions(measure, against, mask, reading, least)
        grids = {name: Grid(table, name, options.reading) for name in variants}
        coefficients = _coefficients(grids[variant], several=view in SEVERAL)
        whole = view in GRIDS and linked.toggle("Scale of the whole sweep", "scale", ("shown", "sweep"), about=ABOUT_SCALE)
    return Choice(table, variant, view, options, coefficients, grids, _row(grids[variant], options, coefficients), whole)


def _coefficients(grid: Grid, several: bool) -> tuple[float, ...]:
    """One, or several to be shown side by side: `alpha=0.5,1`. In either reading the same numbers are there."""
    known = {f"{value:g}": value for value in sorted({*grid.coefficients, *(-value for value in grid.coefficients)})}
    titles = {name: signed(value) for name, value in known.items()}
    default = f"{FEW:g}" if f"{FEW:g}" in known else next(iter(known))
    given = url.read("alpha", default)
    chosen = [name for name in given.split(",") if name in known] or [default]
    missing.check("alpha", [given], [given] if set(given.split(",")) <= set(known) else [], ", ".join(chosen))
    common: Any = {"format_func": titles.__getitem__, "on_change": linked.taken(linked.key_of("alpha"), _write_alpha)}
    if several:
        st.pills("Coefficients α, side by side", list(known), selection_mode="multi", key=linked.shows("alpha", chosen), **common)
        return tuple(sorted(known[name] for name in chosen))
    st.segmented_control("Coefficient α", list(known), required=True, key=linked.shows("alpha", chosen[0]), **common)
    return (known[chosen[0]],)


def _write_alpha(value: str | list[str]) -> None:
    url.write("alpha", ",".join(value) if isinstance(value, list) else str(value))


def _row(grid: Grid, options: ViewOptions, coefficients: tuple[float, ...]) -> Row:
    """The cell in the URL, at a coefficient that is on screen; else the one with the largest effect."""
    key = Setup.read().pick
    row = grid.rows.get(key) if key else None
    missing.check("pick", url.read_all("pick"), [] if row is None else url.read_all("pick"), "the cell with the largest effect")
    if row is not None:
        a, b, index, coefficient = grid.called(row)
        shown = row if {coefficient, -coefficient} & set(coefficients) else grid.at(a, b, index, coefficients[0])
        if shown is not None:
            return shown
    on_screen = [row for row in grid.rows.values() if grid.called(row)[3] in coefficients] or list(grid.rows.values())
    return max(on_screen, key=lambda row: float(row[f"delta{options.suffix}"]))


def write_pick(row: Row) -> None:
    """The chosen cell, as stored."""
    url.write("pick", pick_text(key_of(row)))
