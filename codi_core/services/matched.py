"""What sets KV steering apart from hidden-state steering, factor by factor; and whether what was selected holds on other questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from codi_core.figures.sweeps import ALPHA, Grid, Row
from codi_core.services.claims import HELPFUL, OUTSIDE, Evidence, Floats, estimate, mean_right
from codi_core.sweeps.presets import VARIANTS
from codi_core.types import SweepTable


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
    """Mean over the cells."""
    apart: float
    """The effect minus that of keys and values, stopped: the posts' experiment."""
    apart_low: float
    apart_high: float


REFERENCE = "kv-stop"


def factorial(own: Evidence) -> list[Factor]:
    """Every variant on the cells that the claims say help, with what sets it apart from the posts' way, question by question."""
    gains = {name: (rows, _gain(own, rows)) for name, rows in _claimed(own)}
    if REFERENCE not in gains:
        return []
    reference = gains[REFERENCE][1]
    found = []
    for name, (rows, gain) in gains.items():
        effect, low, high, _ = estimate(gain, own.clusters)
        apart, apart_low, apart_high, _ = estimate(gain - reference, own.clusters)
        space, then = name.rsplit("-", 1)
        percentile = float(np.mean([float(row["percentile"]) for row in rows]))
        title = VARIANTS[name].title if name in VARIANTS else name
        found.append(Factor(name, title, space, then, len(rows), effect, low, high, percentile, apart, apart_low, apart_high))
    return found


def _claimed(own: Evidence) -> Iterator[tuple[str, list[Row]]]:
    cells = own.table.cells
    for name in dict.fromkeys(cells.loc[cells["role"] == "cell", "variant"]):
        grid = Grid(cells, str(name))
        index = grid.indices[-1]
        rows = [row for c, pairs in HELPFUL.items() for pair in pairs if (row := grid.at(*pair, index, c)) is not None]
        if rows:
            yield str(name), rows


def _gain(own: Evidence, rows: Sequence[Row]) -> Floats:
    """``[question]``: mean difference to the baseline with as many passes."""
    cells = own.table.cells
    base = cells[(cells["role"] == "baseline") & (cells["passes"] == rows[0]["passes"])]
    return mean_right(own, rows) - own.correct[:, int(base["place"].iloc[0])]


# Selected on one split, tested once on another


@dataclass(frozen=True)
class Confirmation:
    preset: str
    title: str
    row: Row
    """The cell on the confirming questions."""
    selected: Row | None
    """The same cell where it was chosen; None when that sweep is not stored."""
    held: bool


def confirmations(tables: Sequence[SweepTable]) -> list[Confirmation]:
    """Cells chosen on the split `select` and run once on `confirm`. ``tables``: of one model. p is Holm's over the chosen cells."""
    found = []
    for table in (table for table in tables if table.eval_set.name == "confirm"):
        chosen = next((one for one in tables if one.eval_set.name == "select" and one.name == table.name), None)
        for row in table.cells[table.cells["role"] == "cell"].to_dict("records"):
            own = {str(name): value for name, value in row.items()}
            held = bool(own["delta"] > 0 and own["p_holm"] < ALPHA and own["percentile"] >= OUTSIDE)
            found.append(Confirmation(table.name, table.title, own, _same_cell(chosen, own), held))
    return found


def _same_cell(table: SweepTable | None, row: Row) -> Row | None:
    if table is None:
        return None
    names = ["variant", "a", "b", "index", "coefficient"]
    cells: pd.DataFrame = table.cells[table.cells["role"] == "cell"]
    same = cells[(cells[names] == pd.Series({name: row[name] for name in names})).all(axis=1)]
    return {str(name): value for name, value in same.iloc[0].to_dict().items()} if len(same) else None
