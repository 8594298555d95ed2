"""What was selected on one split and tested once on another."""

from __future__ import annotations

import shlex

import pandas as pd
import streamlit as st

from codi_core.services.shared.commands import sweep_command
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.sweeps.claims import SETTINGS
from codi_core.services.sweeps.factorial import Confirmed, confirmations
from codi_core.ui.heatmaps import calls
from codi_core.values.sweep import Row, pair_name, signed, site_name
from codi_core.values.verdict import p_text, points

SIGNS: dict[Confirmed, str] = {"confirmed": "✓", "not confirmed": "○", "not testable": "–"}


def confirmed(model: str) -> None:
    st.header("Selected, then confirmed", anchor=False)
    found = confirmations(calls.of_model(model))
    if not found:
        st.caption("Winners of a grid on the split 'select' are run once on the split 'confirm', which nobody looked at before:")
        select = sweep_command(SweepRequest(model, SETTINGS["corrected"]["kv"], "select"))
        st.code(f"{select}\n{shlex.join(['python', '-m', 'codi_core', 'confirm', '--model', model])}", language="bash", wrap_lines=True)
        return
    rows = [
        {
            "sweep": one.title,
            "cell": _cell(one.row),
            "on select (points)": points(one.selected["delta"]) if one.selected else "–",
            "p (max-statistic)": p_text(float(one.selected["p_max"])) if one.selected else "–",
            "on confirm (points)": f"{points(one.row['delta'])} ({points(one.row['delta_low'])} to {points(one.row['delta_high'])})",
            "p (Holm)": p_text(float(one.row["p_holm"])),
            "percentile": "–" if one.percentile is None else f"{one.percentile:.0f}",
            "verdict": f"{SIGNS[one.verdict]} {one.verdict}",
            "why": one.why,
        }
        for one in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption(
        "Confirmed: better on the second split too, with Holm's p < .05 over the cells that were chosen, and above random directions of "
        "the cell's own length. Not testable: no better on the first split, so nothing was to be confirmed, or too few questions are wrong."
        " The splits share no numbers of a story and no wording; values of steps may coincide."
    )


def _cell(row: Row) -> str:
    site = site_name(str(row["variant"]), int(row["index"]))
    return f"{pair_name(row['a'], row['b'])} at {site}, {signed(row['coefficient'])}"
