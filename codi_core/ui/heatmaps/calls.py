"""Stored sweeps as the pages call them. Reading them needs no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from codi_core.services.bundle import bundle_sweep
from codi_core.services.effects import Flip
from codi_core.services.shared.remote import RemoteWorkbench
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.claims import Evidence, Family, Finding, evidence, findings_of
from codi_core.services.sweeps.run import measure_bands
from codi_core.services.sweeps.stored import (
    Agreement,
    baseline_of,
    cell_outcomes,
    cell_questions,
    left_out,
    recheck,
    stored_sweeps,
    sweep_keys,
)
from codi_core.services.sweeps.stored import of_model as of_model_in
from codi_core.ui.shell.calls import behind, on_wait, workbench
from codi_core.values.outcomes import Outcomes
from codi_core.values.sweep import Grid, Reading, Row, SweepTable


def stored() -> list[SweepTable]:
    """All of them, newest first. Shared by all sessions: not to be written to."""
    return stored_in(workbench())


def stored_in(bench: Workbench | RemoteWorkbench) -> list[SweepTable]:
    """As `stored`, outside of any session."""
    return _stored(tuple(sweep_keys(bench.store)), bench)


def unreadable() -> int:
    """How many stored sweeps are left out."""
    return _unreadable(tuple(sweep_keys(workbench().store)))


def of_model(model: str) -> list[SweepTable]:
    """Those of a model by its name here."""
    return of_model_in(stored(), model)


def changed(table: SweepTable, place: int, standard: bool) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Questions that a condition fixed, and those it broke."""
    found: Any = _changed(table.key, place, standard, table)
    return found  # type: ignore[no-any-return]


def outcomes(table: SweepTable, place: int, standard: bool) -> tuple[Outcomes, Outcomes]:
    """Of the baseline and of the condition."""
    base = baseline_of(table, place, standard)
    found = _outcomes(table.key, base, place, table)
    return found[base], found[place]


def bundler(table: SweepTable) -> Callable[[], bytes]:
    """Makes the .zip when its button is pressed, which is outside of any script run."""
    bench = workbench()
    return lambda: bench.call(bundle_sweep, table.key)[1]


def again(table: SweepTable, place: int, n: int, model: str) -> Agreement:
    with st.spinner(f"Running {n} questions again …", show_time=True):
        return workbench().call(recheck, table, place, n, behind("recheck"), on_wait=on_wait, model=model)


def measure(table: SweepTable, rows: Sequence[Row], model: str) -> None:
    """The random bands of some cells."""
    with st.spinner(f"Pushing in random directions, for {len(rows)} cell{'s' * (len(rows) > 1)} …", show_time=True):
        workbench().call(measure_bands, table, rows, model, None, behind("band"), on_wait=on_wait)


@st.cache_resource(max_entries=32, show_spinner=False)
def grid(key: str, variant: str, reading: Reading, _table: SweepTable) -> Grid:
    """Shared by all sessions: not to be written to."""
    return Grid(_table, variant, reading)


@st.cache_resource(max_entries=6, show_spinner="Reading who was right …")
def read(key: str, _table: SweepTable) -> Evidence:
    """Shared by all sessions: not to be written to."""
    return evidence(workbench().store, _table)


@st.cache_data(max_entries=16, show_spinner="Testing the claims …")
def findings(keys: tuple[str, ...], model: str, eval_set: str, setting: str, _tables: dict[Family, SweepTable | None]) -> list[Finding]:
    found = {family: read(table.key, table) if table else None for family, table in _tables.items()}
    return findings_of(found, model, eval_set, setting)


@st.cache_resource(max_entries=2, show_spinner=False)
def _stored(keys: tuple[str, ...], _bench: Workbench | RemoteWorkbench) -> list[SweepTable]:
    return stored_sweeps(_bench.store)


@st.cache_data(max_entries=2, show_spinner=False)
def _unreadable(keys: tuple[str, ...]) -> int:
    return left_out(workbench().store)


@st.cache_data(max_entries=64, show_spinner=False)
def _changed(key: str, place: int, standard: bool, _table: SweepTable) -> Any:
    return cell_questions(workbench().store, _table, place, standard)


@st.cache_data(max_entries=64, show_spinner=False)
def _outcomes(key: str, base: int, place: int, _table: SweepTable) -> dict[int, Outcomes]:
    return cell_outcomes(workbench().store, _table, (base, place))
