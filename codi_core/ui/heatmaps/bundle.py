"""Everything behind a sweep, or behind one of its cells, in one .zip."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from codi_core.services.sweeps.stored import cell_request
from codi_core.ui.heatmaps import calls as sweep_calls
from codi_core.ui.heatmaps.choice import Choice
from codi_core.ui.shell import calls
from codi_core.ui.steer import calls as steer_calls


def of_sweep(choice: Choice) -> None:
    """Stored numbers: no model is needed."""
    st.download_button(
        "Bundle of the sweep (ZIP)",
        sweep_calls.bundler(choice.table),
        f"codi-sweep-{choice.table.key}.zip",
        "application/zip",
        key="sweep-bundle",
        icon=":material/folder_zip:",
        on_click="ignore",
        help="Spec, a row for every condition and for every answer, versions and hashes, the command line, and a notebook that repeats it.",
    )


def of_cell(choice: Choice, model: str) -> None:
    """Nothing where the condition cannot be run: the files or the weights are others."""
    chosen = next(one for one in calls.choices() if one.name == model)
    if not chosen.present or calls.card(model).key != choice.table.model_key:
        return
    st.download_button(
        "Bundle of this cell (ZIP)",
        steer_calls.bundler(replace(cell_request(choice.table, int(choice.row["place"])), model=model)),
        f"codi-condition-{choice.row['key']}.zip",
        "application/zip",
        key="cell-bundle",
        icon=":material/folder_zip:",
        on_click="ignore",
        help="Runs the condition if it was not run here before; then as for the sweep.",
    )
