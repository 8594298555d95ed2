"""The matched factorial: what removes the difference between steering the KV cache and steering hidden states."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures.claims import Mark, forest
from codi_core.figures.provenance import of_sweep
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.shared.commands import sweep_command
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.sweeps.factorial import Factor, factorial
from codi_core.ui.claims.tables import latest
from codi_core.ui.heatmaps import calls
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.table import wide
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import points


def matched(model: str, eval_set: str) -> None:
    st.header("What removes the difference", anchor=False)
    st.caption(
        "The cells that the posts found helpful, steered in every way: the same pairs, index and coefficients; only where the vector is "
        "added, keys or values, and whether the remaining passes follow differ."
    )
    table = latest(model, "factorial", eval_set)
    if table is None:
        st.markdown("Not stored for this model and eval set. This computes it:")
        st.code(sweep_command(SweepRequest(model, "factorial", eval_set)), language="bash", wrap_lines=True)
        return
    found = factorial(calls.read(table.key, table))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(said(found))}**")
        st.space("stretch")
        rows = pd.DataFrame([asdict(factor) for factor in found]).drop(columns="unmeasured")
        export_menu(
            f"codi-factorial-{table.key}",
            lambda: stand_alone(factor_forest(found), "Matched factorial", of_sweep(table)),
            lambda: [rows],
            lambda: {"condition": of_sweep(table), "rows": rows.to_dict("records")},
            key="factorial-export",
        )
    st.html(_factors(found))
    _bands(found, table, model)
    st.caption(plain(of_sweep(table)))


def _bands(found: Sequence[Factor], table: SweepTable, model: str) -> None:
    """Says why there is no percentile, and measures it on demand."""
    missing = [row for factor in found for row in factor.unmeasured]
    if not missing:
        return
    st.caption(
        f"No percentiles: random directions as long as the push were not tried for {len(missing):,} of these cells. Measuring them takes "
        f"about {20 * len(missing):,} conditions, minutes on the shipped models; interrupted, it goes on. They are kept for everybody."
    )
    if st.button("Measure their random bands", icon=":material/casino:", key="factorial-bands"):
        calls.measure(table, missing, model)
        st.rerun()
    n = table.eval_set.n
    st.code(sweep_command(SweepRequest(model, table.name, table.eval_set.name, n)), language="bash")


def said(found: Sequence[Factor]) -> str:
    """Which ways of steering differ from the posts' one."""
    reference = next((factor for factor in found if factor.is_reference), None)
    if reference is None:
        return "The posts' way is not among the stored ones."
    apart = [factor.title for factor in found if factor.clear]
    start = f"{reference.title}: {points(reference.effect)} points ({points(reference.low)} to {points(reference.high)}). "
    return start + (f"Clearly different (Holm's p < .05): {'; '.join(apart)}." if apart else "No other way differs clearly from it.")


SPACES = {
    "z": "Hidden z",
    "h-on-z": "Hidden z, along means of h",
    "h": "Hidden h",
    "kv": "Keys and values",
    "k": "Keys only",
    "v": "Values only",
}


def _factors(found: Sequence[Factor]) -> str:
    """Spaces down; stopping and going on across."""
    by_place = {(factor.space, factor.then): factor for factor in found}
    head = "<th>Added to</th>" + "".join(
        f"<th scope=col>{name}<small>mean difference, points · percentile · apart from keys and values, stopped</small></th>"
        for name in ("Stop, then answer", "Continue to the last pass")
    )
    rows = ""
    for space in dict.fromkeys(factor.space for factor in found):
        cells = "".join(f"<td>{_factor(by_place.get((space, then)))}</td>" for then in ("stop", "continue"))
        rows += f"<tr><td>{html.escape(SPACES.get(space, space.replace('resid-', 'Residual stream, depth ')))}</td>{cells}</tr>"
    return wide(f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', "What removes the difference")


def _factor(factor: Factor | None) -> str:
    if factor is None:
        return "–"
    apart = f"apart {points(factor.apart)} ({points(factor.apart_low)} to {points(factor.apart_high)})"
    clear = "clearly " if factor.clear else ""
    own = f"{points(factor.effect)} ({points(factor.low)} to {points(factor.high)}){_percentile(factor)}"
    return f"{own}<small>{'the posts’ way' if factor.is_reference else clear + apart}</small>"


def _percentile(factor: Factor) -> str:
    return "" if factor.percentile != factor.percentile else f" · percentile {factor.percentile:.0f}"


def factor_forest(found: Sequence[Factor]) -> go.Figure:
    marks: list[Mark | None] = [Mark(100 * f.effect, 100 * f.low, 100 * f.high, _percentile(f).removeprefix(" · ")) for f in found]
    return forest([factor.title for factor in found], {"Mean difference over the claimed cells": marks})
