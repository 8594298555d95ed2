"""Sentences about a stored sweep: the whole condition of the numbers on screen, and what a cell says."""

from __future__ import annotations

import html
from typing import Any

from codi_core.figures.sweeps import ALPHA, Grid, Row, p_text, pair_name, points, signed
from codi_core.services.claims import OUTSIDE
from codi_core.types import SweepTable


def condition(table: SweepTable) -> str:
    cells = table.cells["role"].value_counts()
    controls = int(cells.get("random", 0) + cells.get("shuffled", 0))
    means = f"means over {table.means.eval_set.n:,} questions of '{table.means.eval_set.name}'"
    return " · ".join(
        [
            table.model_name,
            f"model {table.model_key[:8]}",
            f"{table.rollout.passes} passes",
            f"'{table.eval_set.name}', {table.eval_set.n:,} questions, seed {table.eval_set.seed}",
            means + (", addition-first only" if table.means.only == "addition" else ""),
            f"{cells.get('cell', 0):,} cells and {controls:,} random or shuffled directions",
            f"made {table.created[:10]} by {table.code[:10]}",
            f"key {table.key}",
        ]
    )


def named(grid: Grid, row: Row) -> str:
    a, b, index, coefficient = grid.called(row)
    return f"{pair_name(a, b)} at z{index}, α = {signed(coefficient)}"


def readings(row: Row) -> str:
    """What is added, and what either reading calls it."""
    a, b, index, c = int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])
    return (
        f"Adds {signed(c)} · (mean {b} − mean {a}) at index {index}. In the posts' code (B − A) this is {pair_name(a, b)} at {signed(c)}; "
        f"as their text reads (A − B) it is {pair_name(a, b)} at {signed(-c)}."
    )


def verdict(row: Row) -> str:
    """One sentence from the corrected p and the random band."""
    p, percentile = float(row["p_max"]), float(row["percentile"])
    where = _where(percentile)
    if p >= ALPHA or p != p:
        return f"No effect on accuracy is seen once the whole grid is corrected for (max-statistic p {p_text(p)}); {where}."
    rises = float(row["delta"]) > 0
    return f"Accuracy {'rises' if rises else 'falls'}, also after correction for the whole grid (max-statistic p {p_text(p)}); {where}."


def _where(percentile: float) -> str:
    if percentile != percentile:
        return "random directions were not run"
    if percentile >= OUTSIDE:
        return f"it does better than random directions (percentile {percentile:.0f})"
    if percentile <= 100 - OUTSIDE:
        return f"it does worse than random directions (percentile {percentile:.0f})"
    return f"random directions do as much (percentile {percentile:.0f})"


def facts(row: Row, table: SweepTable) -> dict[str, str]:
    """By name, as HTML."""
    base = float(row["accuracy"]) - float(row["delta"])
    found = {
        "Accuracy": f"{row['accuracy']:.1%} <small>{row['low']:.1%} – {row['high']:.1%}; unsteered {base:.1%}</small>",
        f"Against {row['passes']} passes": _difference(row, ""),
    }
    if int(row["passes"]) != table.rollout.passes:
        found[f"Against all {table.rollout.passes} passes"] = _difference(row, "_all")
    found |= {
        "Fixed / broken": f"{row['fixed']:.0f} / {row['broken']:.0f}",
        "n (effective)": f"{row['n']:,.0f} ({row['effective_n']:,.0f})",
        "Random band": _band(row),
        "Gold margin": f"{row['margin']:+.3f} <small>{row['margin_low']:+.3f} to {row['margin_high']:+.3f} logits</small>",
        "Dose ‖αv‖ / ‖site‖": _dose(row),
    }
    return found


def _difference(row: Row, suffix: str) -> str:
    interval = f"{points(row['delta_low' + suffix])} to {points(row['delta_high' + suffix])}"
    names = {"p": "p", "p_holm": "Holm", "p_bh": "BH", "p_max": "max"}
    ps = " · ".join(f"{name} {html.escape(p_text(float(row[column + suffix])))}" for column, name in names.items())
    return f"{points(row['delta' + suffix])} points <small>{interval}</small><br><small>{ps}</small>"


def _band(row: Row) -> str:
    if row["percentile"] != row["percentile"]:
        return "not run"
    return f"percentile {row['percentile']:.0f} <small>on the margin {row['margin_percentile']:.0f}</small>"


def _dose(row: Row) -> str:
    if row["dose"] == row["dose"]:
        return f"{row['dose']:.2f}"
    return f"keys {row['dose_k']:.2f} · values {row['dose_v']:.2f}" if row["dose_k"] == row["dose_k"] else "–"


def exported(table: SweepTable, records: list[dict[str, Any]]) -> dict[str, Any]:
    """Numbers as JSON data, with what made them."""
    return {"condition": condition(table), "sweep": table.key, "model": table.model_key, "code": table.code, "cells": records}
