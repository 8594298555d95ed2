"""Stored sweeps as the pages call them. Reading them needs no model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

from codi_core.services.bundle import bundle_sweep
from codi_core.services.claims import Evidence, Family, Finding, evidence, findings_of
from codi_core.services.effects import Flip
from codi_core.services.sweeps import Agreement, cell_questions, recheck, stored_sweeps
from codi_core.types import SweepTable
from codi_core.ui.calls import poke, viewer, workbench


@st.cache_resource(ttl=30, show_spinner="Reading stored sweeps …")
def stored() -> list[SweepTable]:
    """All of them, newest first; new ones show up after half a minute. Shared by all sessions: not to be written to."""
    return stored_sweeps(workbench().store)


def of_model(model: str) -> list[SweepTable]:
    """Those of a model by its name here: a folder is stored under its last part."""
    return [table for table in stored() if table.model_name in (model, Path(model).expanduser().name)]


def changed(table: SweepTable, place: int, standard: bool) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """Questions that a condition fixed, and those it broke."""
    found: Any = _changed(table.key, place, standard, table)
    return found  # type: ignore[no-any-return]


def bundler(table: SweepTable) -> Callable[[], bytes]:
    """Makes the .zip when its button is pressed, which is outside of any script run."""
    bench = workbench()
    return lambda: bench.call(bundle_sweep, table.key)[1]


def again(table: SweepTable, place: int, n: int, model: str) -> Agreement:
    with st.spinner(f"Running {n} questions again …", show_time=True):
        return workbench().call(recheck, table, place, n, f"{viewer()}/recheck", poke=poke, model=model)


@st.cache_resource(max_entries=6, show_spinner="Reading who was right …")
def read(key: str, _table: SweepTable) -> Evidence:
    """Shared by all sessions: not to be written to."""
    return evidence(workbench().store, _table)


@st.cache_data(max_entries=16, show_spinner="Testing the claims …")
def findings(keys: tuple[str, ...], model: str, eval_set: str, setting: str, _tables: dict[Family, SweepTable | None]) -> list[Finding]:
    found = {family: read(table.key, table) if table else None for family, table in _tables.items()}
    return findings_of(found, model, eval_set, setting)


@st.cache_data(max_entries=64, show_spinner=False)
def _changed(key: str, place: int, standard: bool, _table: SweepTable) -> Any:
    return cell_questions(workbench().store, _table, place, standard)
