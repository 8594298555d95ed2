"""Random bands of a sweep's cells: directions as long as a cell's own push, each pushed both ways at its site.

A whole grid would take twenty times as long with a band for every cell. So bands are measured for the cells that the posts make claims
about, for those that are significant (the strongest first), and for any other one on demand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codi_core.services.shared.requests import SweepRequest
from codi_core.services.sweeps.claims import claimed_cells
from codi_core.sweeps.spec import CellId
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import ALPHA, ENOUGH

MOST = 32
"""Significant sites (a pair, an index and a size of the coefficient) whose bands are measured with the sweep: the better ones first."""


def cell_id(row: Mapping[Any, Any]) -> CellId:
    return str(row["variant"]), int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])


def cells_to_rank(table: SweepTable) -> tuple[CellId, ...]:
    """Claimed cells, and the significant ones with the largest effects; both signs of a cell count once."""
    cells = table.cells[table.cells["role"] == "cell"]
    significant = cells[cells["p_max"] < ALPHA].sort_values("delta", key=lambda delta: -delta.abs(), kind="stable")
    better = significant["delta"] > 0
    ordered = [cell_id(row) for part in (significant[better], significant[~better]) for row in part.to_dict("records")]
    sites = dict.fromkeys((*one[:4], abs(one[4])) for one in ordered)
    claimed = dict.fromkeys((*one[:4], abs(one[4])) for one in claimed_cells(table))
    return tuple(sorted({*claimed, *list(sites)[:MOST]}))


def cells_at(table: SweepTable, sizes: Sequence[float]) -> tuple[CellId, ...]:
    """Cells at some sizes of the coefficient whose band is still to be measured; both signs of a cell count once."""
    cells = table.cells[(table.cells["role"] == "cell") & (table.cells["band"] < ENOUGH) & table.cells["coefficient"].abs().isin(sizes)]
    return tuple(sorted({(*cell_id(row)[:4], abs(float(row["coefficient"]))) for row in cells.to_dict("records")}))


def bands_request(table: SweepTable, cells: Sequence[CellId], model: str = "", randoms: int = 8, shuffled: int = 2) -> SweepRequest:
    """What measures the bands of some cells of a stored sweep; ``model``: its name here, unless the table's own."""
    return SweepRequest(
        model=model or table.model_name,
        preset=table.name,
        eval_set=table.eval_set.name,
        n=table.eval_set.n,
        seed=table.eval_set.seed,
        passes=table.rollout.passes,
        randoms=randoms,
        shuffled=shuffled,
        means_n=table.means.eval_set.n,
        bands=tuple(cells),
    )
