"""What sets KV steering apart from hidden-state steering, factor by factor; and whether what was selected holds on other questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from codi_core.evaluation.stats import holm, mcnemar
from codi_core.services.sweeps.claims import HELPFUL, Evidence, PerQuestion, baseline_of, estimate, mean_right, place_of
from codi_core.sweeps.presets import variants
from codi_core.values.sweep import Grid, Row, SweepTable
from codi_core.values.verdict import ALPHA, Band, p_text

REFERENCE = "kv-stop"


@dataclass(frozen=True)
class Factor:
    """One way of steering, on the cells of the claims."""

    variant: str
    title: str
    space: str
    then: str
    cells: int
    effect: float
    """Mean difference to the baseline with as many passes."""
    low: float
    high: float
    percentile: float
    """Mean over the cells, each in its own band; NaN where not all of these were measured."""
    unmeasured: tuple[Row, ...]
    """Cells whose band is missing."""
    apart: float
    """The effect minus that of keys and values, stopped: the posts' experiment."""
    apart_low: float
    apart_high: float
    apart_p: float
    """Holm's, over the ways of steering; NaN for the posts' own."""

    @property
    def is_reference(self) -> bool:
        return self.variant == REFERENCE

    @property
    def clear(self) -> bool:
        """It differs from the posts' way."""
        return self.apart_p < ALPHA


def factorial(own: Evidence) -> list[Factor]:
    """Every variant on the cells that the claims say help, with what sets it apart from the posts' way, question by question."""
    gains = {name: (rows, _gain(own, rows)) for name, rows in _claimed(own)}
    if REFERENCE not in gains:
        return []
    reference = gains[REFERENCE][1]
    apart = {name: estimate(gain - reference, own.clusters) for name, (_, gain) in gains.items()}
    others = [name for name in gains if name != REFERENCE]
    adjusted = dict(zip(others, holm([apart[name][3] for name in others]).tolist() if others else [], strict=True))
    found, known = [], variants()
    for name, (rows, gain) in gains.items():
        effect, low, high, _ = estimate(gain, own.clusters)
        space, then = name.rsplit("-", 1)
        places = [place_of(own, row).percentile for row in rows]
        percentile = float(np.mean([np.nan if place is None else place for place in places]))
        missing = tuple(row for row, place in zip(rows, places, strict=True) if place is None)
        title = known[name].title if name in known else name
        shift = (*apart[name][:3], adjusted.get(name, np.nan))
        found.append(Factor(name, title, space, then, len(rows), effect, low, high, percentile, missing, *shift))
    return found


def _claimed(own: Evidence) -> Iterator[tuple[str, list[Row]]]:
    cells = own.table.cells
    for name in dict.fromkeys(cells.loc[cells["role"] == "cell", "variant"]):
        grid = Grid(own.table, str(name))
        index = grid.indices[-1]
        rows = [row for c, pairs in HELPFUL.items() for pair in pairs if (row := grid.at(*pair, index, c)) is not None]
        if rows:
            yield str(name), rows


def _gain(own: Evidence, rows: Sequence[Row]) -> PerQuestion:
    """``[question]``: mean difference to the baseline with as many passes."""
    return mean_right(own, rows) - baseline_of(own, rows[0], "same")


# Selected on one split, tested once on another


Confirmed = Literal["confirmed", "not confirmed", "not testable"]


@dataclass(frozen=True)
class Confirmation:
    preset: str
    title: str
    row: Row
    """The cell on the confirming questions."""
    selected: Row | None
    """The same cell where it was chosen; None when that sweep is not stored."""
    percentile: float | None
    """Among random directions of the cell's own length."""
    verdict: Confirmed
    why: str


def confirmations(tables: Sequence[SweepTable]) -> list[Confirmation]:
    """Cells chosen on the split `select` and run once on `confirm`. ``tables``: of one model. p is Holm's over the chosen cells."""
    found = []
    for table in (table for table in tables if table.eval_set.name == "confirm"):
        chosen = next((one for one in tables if one.eval_set.name == "select" and one.name == table.name), None)
        rows = table.cells[table.cells["role"] == "cell"].to_dict("records")
        for row in rows:
            own = {str(name): value for name, value in row.items()}
            selected = _same_cell(chosen, own)
            band = Band.of(float(own["delta"]), Grid(table, str(own["variant"])).band(own, "delta"))
            verdict, why = _confirmed(own, selected, band, len(rows))
            found.append(Confirmation(table.name, table.title, own, selected, band.percentile, verdict, why))
    return found


def _confirmed(row: Row, selected: Row | None, band: Band, cells: int) -> tuple[Confirmed, str]:
    """Better on the second split, too, by Holm's p over the ``cells`` chosen, and above random directions of the cell's own length."""
    if selected is not None and not (selected["delta"] > 0 and selected["p_max"] < ALPHA):
        return "not testable", "No better than the baseline where it was chosen: there was nothing to confirm"
    wrong = round(float(row["n"]) * (1 - float(row["accuracy"]) + float(row["delta"])))
    if (floor := min(1.0, cells * float(mcnemar(wrong, 0)))) >= ALPHA:
        return (
            "not testable",
            f"Only {wrong} questions are wrong unsteered: fixing all has an adjusted p of {p_text(floor)}",
        )
    if not (row["delta"] > 0 and row["p_holm"] < ALPHA):
        return "not confirmed", "No better than the baseline on the second split"
    if band.percentile is None:
        return "not testable", "Better on both splits, but its band was not measured"
    return ("confirmed" if band.above else "not confirmed"), f"Better on both splits; {band.words('rises')}"


def _same_cell(table: SweepTable | None, row: Row) -> Row | None:
    if table is None:
        return None
    names = ["variant", "a", "b", "index", "coefficient"]
    cells: pd.DataFrame = table.cells[table.cells["role"] == "cell"]
    same = cells[(cells[names] == pd.Series({name: row[name] for name in names})).all(axis=1)]
    return {str(name): value for name, value in same.iloc[0].to_dict().items()} if len(same) else None
