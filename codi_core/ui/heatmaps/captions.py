"""Sentences about a stored sweep: what a cell says."""

from __future__ import annotations

import html
from typing import Any

from codi_core.figures.provenance import of_sweep
from codi_core.ui.widgets import verdict
from codi_core.values.outcomes import OnlyForm
from codi_core.values.stats import Estimate
from codi_core.values.sweep import Grid, Row, SweepTable, pair_name, signed
from codi_core.values.verdict import p_text, points


def named(grid: Grid, row: Row) -> str:
    a, b, index, coefficient = grid.called(row)
    return f"{pair_name(a, b)} at {grid.site(index)}, α = {signed(coefficient)}"


def readings(row: Row) -> str:
    """What is added, and what either reading calls it."""
    a, b, index, c = int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])
    return (
        f"Adds {signed(c)} · (mean {b} − mean {a}) at index {index}. In the posts' code (B − A) this is {pair_name(a, b)} at {signed(c)}; "
        f"as their text reads (A − B) it is {pair_name(a, b)} at {signed(-c)}."
    )


def facts(row: Row, only_form: OnlyForm | None) -> dict[str, str]:
    """By name, as HTML. ``only_form``: None where the questions are not to be had."""
    margin = Estimate(*(float(row[name]) for name in ("margin", "margin_low", "margin_high")))
    return {**verdict.flips(int(row["fixed"]), int(row["broken"]), only_form), **verdict.gold_margin(margin), "dose": _dose(row)}


def sure(row: Row, table: SweepTable) -> dict[str, str]:
    """What else there is to say on how sure the verdict is: by name, as HTML."""
    found = {f"Against {row['passes']} passes": _difference(row, "")}
    if int(row["passes"]) != table.rollout.passes:
        found[f"Against all {table.rollout.passes} passes"] = _difference(row, "_all")
    found["effective n"] = f"{row['effective_n']:,.0f} of {row['n']:,.0f} <small>for the accuracy itself</small>"
    if row["percentile"] == row["percentile"]:
        found["percentile"] = f"{row['margin_percentile']:.0f} <small>of the change of the gold margin</small>"
    return found


def _difference(row: Row, suffix: str) -> str:
    interval = f"{points(row['delta_low' + suffix])} to {points(row['delta_high' + suffix])}"
    names = {"p": "p", "p_holm": "Holm", "p_bh": "BH", "p_max": "max"}
    ps = " · ".join(f"{name} {html.escape(p_text(float(row[column + suffix])))}" for column, name in names.items())
    return f"{points(row['delta' + suffix])} points <small>{interval}</small><br><small>{ps}</small>"


def _dose(row: Row) -> str:
    if row["dose"] == row["dose"]:
        return f"{row['dose']:.2f}"
    return f"keys {row['dose_k']:.2f} · values {row['dose_v']:.2f}" if row["dose_k"] == row["dose_k"] else "–"


def exported(table: SweepTable, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Numbers as JSON data, with what made them."""
    return {"condition": of_sweep(table), "sweep": table.key, "model": table.model_key, "code": table.code, "cells": records}
