"""Which stored sweep is looked at, and how: every choice is in the URL."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from codi_core.figures.sweeps import CORRECTIONS, MEASURES, Asked, Grid, Key, Row, signed
from codi_core.services.sweeps import SweepRequest, sweep_command
from codi_core.sweeps.presets import SWEEPS, VARIANTS
from codi_core.types import SweepTable
from codi_core.ui import state, sweep_calls
from codi_core.ui.errors import plain

VIEWS = {
    "sites": "Pair × site",
    "pairs": "A × B",
    "variants": "Pair × variant",
    "dose": "Dose and response",
    "marginals": "Marginals",
    "signs": "Signs",
}
SEVERAL = ("sites", "variants")
"""Views that show several coefficients side by side."""
FEW = 0.5
"""Coefficient shown first where there is one."""


@dataclass(frozen=True)
class Choice:
    table: SweepTable
    variant: str
    view: str
    asked: Asked
    coefficients: tuple[float, ...]
    """In the chosen reading; at least one."""
    grids: dict[str, Grid]
    """By variant."""
    row: Row
    """The chosen cell."""

    @property
    def grid(self) -> Grid:
        return self.grids[self.variant]


def choose(model: str) -> Choice | None:
    """None when no sweep of the model is stored; the page then says how to make one."""
    tables = sweep_calls.of_model(model)
    if not tables:
        _nothing(model)
        return None
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        table = _table(tables)
        variants = list(dict.fromkeys(table.cells.loc[table.cells["role"] == "cell", "variant"]))
        variant = variants[0]
        if len(variants) > 1:
            variant = pick("Variant", "variant", variants, lambda name: VARIANTS[name].title if name in VARIANTS else name, 330)
    return _look(table, variant, variants)


def _nothing(model: str) -> None:
    st.info(plain(f"No sweep of {model} is stored on this machine."), icon=":material/grid_off:")
    st.markdown("This computes the grid of the posts' KV experiment; interrupted at any moment, the same command goes on:")
    st.code(sweep_command(SweepRequest(model, "post-kv")), language="bash")
    others = sorted({table.model_name for table in sweep_calls.stored()} - {model})
    if others:
        st.markdown("Stored sweeps can be looked at for: " + ", ".join(f"**{plain(name)}**" for name in others) + " (choose it above).")


def _table(tables: list[SweepTable]) -> SweepTable:
    known = ["post-kv", *SWEEPS]  # the one with most of the claims greets the newcomer
    names = sorted({table.name for table in tables}, key=lambda name: known.index(name) if name in known else len(known))
    name = pick("Sweep", "sweep", names, lambda name: SWEEPS[name].title if name in SWEEPS else name, 300)
    of_name = [table for table in tables if table.name == name]
    sets = list(dict.fromkeys(table.eval_set.name for table in of_name))
    sets.sort(key=lambda name: name != "templates")
    eval_set = pick("Eval set", "on", sets, str, 150)
    runs = {table.key: table for table in of_name if table.eval_set.name == eval_set}
    if len(runs) == 1:
        return next(iter(runs.values()))
    key = pick("Run", "run", list(runs), lambda key: _run_name(runs[key]), 330)
    return runs[key]


def _run_name(table: SweepTable) -> str:
    return f"{table.eval_set.n:,} questions · {table.created[:16].replace('T', ' ')} · model {table.model_key[:6]}"


def pick(label: str, name: str, options: list[str], title: Callable[[str], str], width: int) -> str:
    """A list of which one entry is always chosen."""
    key = _seeded(name, _read(name, options, options[0]))
    return str(st.selectbox(label, options, key=key, on_change=_write, args=(name,), format_func=title, width=width))


def segmented(label: str, name: str, titles: Mapping[str, str], default: str, about: str | None = None) -> str:
    key, title = _seeded(name, _read(name, list(titles), default)), titles.__getitem__
    chosen = st.segmented_control(
        label, list(titles), required=True, key=key, on_change=_write, args=(name,), format_func=title, help=about
    )
    return str(chosen)


def _read(name: str, options: list[str], default: str) -> str:
    """The URL's value: the option's own name, which outlives its title on the screen."""
    given = state.read(name, default)
    return given if given in options else default


def _seeded(name: str, value: Any) -> str:
    """Key of a widget that shows what the URL says, whoever wrote it."""
    st.session_state[f"sweep-{name}"] = value
    return f"sweep-{name}"


def _write(name: str) -> None:
    value = st.session_state[f"sweep-{name}"]
    state.write(name, ",".join(value) if isinstance(value, list) else str(value))


BASELINES = {"same": "As many passes", "all": "All passes"}
READINGS = {"B-A": "mean B − mean A (code)", "A-B": "mean A − mean B (text)"}
ABOUT_BASELINES = "Unsteered with as many passes as the condition runs, or with all of them. They differ only where steering stops early."
ABOUT_READINGS = "The posts' code adds mean B − mean A, their text reads the other way round: the same numbers under the opposite sign."
MASKS: dict[str, str] = {mask: "no mask" if mask == "none" else f"p < .05, {name}" for mask, name in CORRECTIONS.items()}


def _look(table: SweepTable, variant: str, variants: list[str]) -> Choice:
    views = {name: title for name, title in VIEWS.items() if name != "variants" or len(variants) > 1}
    first = "variants" if len(variants) > 1 else "sites"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        view = segmented("Show", "grid", views, first)
        measure: Any = pick("Value", "show", list(MEASURES), str, 150)
        mask: Any = pick("Significance", "mask", list(MASKS), lambda name: MASKS[name], 230)
        against: Any = segmented("Baseline", "base", BASELINES, "same", ABOUT_BASELINES)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        reading: Any = segmented("“A−B” means", "reading", READINGS, "B-A", ABOUT_READINGS)
        asked = Asked(measure, against, mask, reading, _least())
        grids = {name: Grid(table.cells, name, asked.reading) for name in variants}
        coefficients = _coefficients(grids[variant], several=view in SEVERAL)
    return Choice(table, variant, view, asked, coefficients, grids, _row(grids[variant], asked, coefficients))


def _least() -> int:
    given = state.read("least", "0")
    key = _seeded("least", int(given) if given.isdecimal() and len(given) < 6 else 0)
    about = "Cells with fewer independent questions are left out."
    return int(st.number_input("Effective n ≥", 0, 99_999, step=50, key=key, on_change=_write, args=("least",), width=130, help=about))


def _coefficients(grid: Grid, several: bool) -> tuple[float, ...]:
    """One, or several to be shown side by side: `alpha=0.5,1`. In either reading the same numbers are there."""
    known = {f"{value:g}": value for value in sorted({*grid.coefficients, *(-value for value in grid.coefficients)})}
    titles = {name: signed(value) for name, value in known.items()}
    default = f"{FEW:g}" if f"{FEW:g}" in known else next(iter(known))
    chosen = [name for name in state.read("alpha", default).split(",") if name in known] or [default]
    common: Any = {"format_func": titles.__getitem__, "on_change": _write, "args": ("alpha",)}
    if several:
        st.pills("Coefficients α, side by side", list(known), selection_mode="multi", key=_seeded("alpha", chosen), **common)
        return tuple(sorted(known[name] for name in chosen))
    st.segmented_control("Coefficient α", list(known), required=True, key=_seeded("alpha", chosen[0]), **common)
    return (known[chosen[0]],)


def _row(grid: Grid, asked: Asked, coefficients: tuple[float, ...]) -> Row:
    """The cell in the URL, at a coefficient that is on screen; else the one with the largest effect."""
    key = read_pick()
    row = grid.rows.get(key) if key else None
    if row is not None:
        a, b, index, coefficient = grid.called(row)
        shown = row if {coefficient, -coefficient} & set(coefficients) else grid.at(a, b, index, coefficients[0])
        if shown is not None:
            return shown
    on_screen = [row for row in grid.rows.values() if grid.called(row)[3] in coefficients] or list(grid.rows.values())
    return max(on_screen, key=lambda row: float(row[f"delta{asked.suffix}"]))


def read_pick() -> Key | None:
    """`pick=A,B,index,coefficient` of the stored cell."""
    found = re.fullmatch(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(-?\d+(?:\.\d+)?)", state.read("pick"))
    return (int(found[1]), int(found[2]), int(found[3]), float(found[4])) if found else None


def write_pick(row: Row) -> None:
    state.write("pick", pick_of(row))


def pick_of(row: Row) -> str:
    return f"{row['a']},{row['b']},{row['index']},{float(row['coefficient']):g}"
