"""A stored sweep as evidence: who was right under which condition, and the one way in which claims turn that into a number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pyarrow import compute, parquet

from codi_core.evaluation.stats import estimate as estimates
from codi_core.evaluation.stats import max_statistic
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.store import Store
from codi_core.sweeps.units import ROWS, SWEEPS
from codi_core.values.stats import Clusters
from codi_core.values.sweep import Against, Grid, Reading, Row, SweepTable
from codi_core.values.verdict import ENOUGH, Band

Right = npt.NDArray[np.bool_]
PerQuestion = npt.NDArray[np.float64]
"""``[question]``"""
Key = tuple[str, int, int, int, float]


@dataclass(frozen=True, eq=False)
class Evidence:
    table: SweepTable
    correct: Right
    """``[question place]``"""
    clusters: Clusters

    @cached_property
    def grids(self) -> dict[Reading, Grid]:
        """Of the first variant, in both readings."""
        cells = self.table.cells
        variant = str(cells.loc[cells["role"] == "cell", "variant"].iloc[0])
        return {reading: Grid(self.table, variant, reading) for reading in ("B-A", "A-B")}

    @cached_property
    def baselines(self) -> dict[int, int]:
        """Places of the unsteered conditions, by passes."""
        cells = self.table.cells
        unsteered = cells[cells["role"] == "baseline"]
        return dict(zip(unsteered["passes"].astype(int), unsteered["place"].astype(int), strict=True))

    @cached_property
    def bands(self) -> dict[Key, PerQuestion]:
        """Changes of accuracy under random directions, by the variant, A, B, index and |coefficient| of the cells that push as far."""
        found = self.table.bands
        groups = found.groupby(["variant", "a", "b", "index", found["coefficient"].abs()]) if len(found) else ()
        return {_key(key): group["delta"].to_numpy(float) for key, group in groups}

    @cached_property
    def best_possible(self) -> dict[Against, float]:
        """The smallest p over the whole grid that any cell could have: if it fixed every question that is wrong unsteered and broke none.

        The other cells stay as they are; the ideal one takes the place of the best. Both readings have the same cells.
        """
        rows = list(self.grids["B-A"].rows.values())
        return {"same": _best_possible(self, rows, "same"), "all": _best_possible(self, rows, "all")}

    def by_size(self, reading: Reading) -> dict[float, list[Row]]:
        """Cells by \\|coefficient\\|, the smallest first."""
        rows: dict[float, list[Row]] = {}
        for row in self.grids[reading].rows.values():
            rows.setdefault(abs(float(row["coefficient"])), []).append(row)
        return dict(sorted(rows.items()))


def evidence(store: Store, table: SweepTable) -> Evidence:
    """Raises ArtifactError, and DataError when the questions are not to be had."""
    questions = load_eval_set(table.eval_set.name, table.eval_set.n, table.eval_set.seed)[1]
    rows = parquet.read_table(store.read(SWEEPS, table.key).file(ROWS), columns=["place", "number", "outcome"])
    correct = np.zeros((len(questions), compute.max(rows["place"]).as_py() + 1), bool)
    correct[rows["number"].to_numpy(), rows["place"].to_numpy()] = compute.equal(rows["outcome"], "correct").to_numpy()
    return Evidence(table, correct, clusters_of(questions))


def mean_right(own: Evidence, rows: Sequence[Row]) -> PerQuestion:
    """Share of the conditions under which each question is right."""
    share: PerQuestion = own.correct[:, [int(row["place"]) for row in rows]].mean(1)
    return share


def baseline_of(own: Evidence, row: Row, against: Against) -> PerQuestion:
    """Which questions are right unsteered: 1 or 0."""
    passes = own.table.rollout.passes if against == "all" else int(row["passes"])
    right: PerQuestion = own.correct[:, own.baselines[passes]].astype(float)
    return right


def band_of(own: Evidence, row: Row) -> PerQuestion | None:
    """Changes of accuracy ``[direction]``, against as many passes, under directions as long as the cell's own push at its site.

    None where fewer than ENOUGH were run: nothing is said by them.
    """
    found = own.bands.get(_key((row["variant"], row["a"], row["b"], row["index"], abs(row["coefficient"]))))
    return None if found is None or len(found) < ENOUGH else found


def _key(key: Any) -> Key:
    variant, a, b, index, size = key
    return str(variant), int(a), int(b), int(index), float(size)


def place_of(own: Evidence, row: Row) -> Band:
    """Where a cell lies in its own band."""
    band = band_of(own, row)
    return Band() if band is None else Band.of(float(row["delta"]), band)


def _best_possible(own: Evidence, rows: Sequence[Row], against: Against) -> float:
    unsteered = {passes: baseline_of(own, row, against) for passes, row in {int(row["passes"]): row for row in rows}.items()}
    steered: PerQuestion = own.correct[:, [int(row["place"]) for row in rows]].astype(float)
    differences = steered - np.stack([unsteered[int(row["passes"])] for row in rows], 1)
    best, smallest = int(differences.mean(0).argmax()), 1.0
    for right in {right.tobytes(): right for right in unsteered.values()}.values():
        differences[:, best] = 1 - right
        smallest = min(smallest, float(max_statistic(differences, own.clusters, only=[best])[0]))
    return smallest


def estimate(values: PerQuestion, clusters: Clusters) -> tuple[float, float, float, float]:
    """Mean, ends of its 95 % interval, and p: the only estimator of claims."""
    mean, low, high, p = (float(value) for value in estimates(values, clusters))
    return mean, low, high, p
