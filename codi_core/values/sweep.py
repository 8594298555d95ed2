"""A stored sweep as a value, and its cells found by what they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec
from codi_core.values.signs import decimal
from codi_core.values.stats import Share
from codi_core.values.vectors import MeansSpec
from codi_core.values.verdict import Band, Correction, Verdict, direction_of


@dataclass(frozen=True, eq=False)
class SweepTable:
    """A stored grid of conditions: one model, one eval set, every pair × index × coefficient, with random directions beside them."""

    key: str
    """Of the SweepSpec."""
    name: str
    """Of the preset."""
    title: str
    model_key: str
    model_name: str
    eval_set: EvalSetSpec
    means: MeansSpec
    overlap: bool
    """As in the posts: means may come from evaluated questions. To be marked on screen."""
    rollout: RolloutConfig
    code: str
    created: str
    """UTC, ISO 8601."""
    cells: pd.DataFrame
    """One row a condition, without those of bands; columns in `codi_core.sweeps.table`."""
    bands: pd.DataFrame
    """One row a direction as long as a cell's own push: columns as those of ``cells``."""
    refused: tuple[str, ...]
    """Combinations of the axes that cannot be done, each with the reason."""


Against = Literal["same", "all"]
"""Baseline: unsteered with as many passes as the condition runs, or with all of them."""


Reading = Literal["B-A", "A-B"]
"""What "A−B" means: mean B − mean A, as in the posts' code, or mean A − mean B, as in their text."""


Key = tuple[int, int, int, float]
"""A, B, index and coefficient, as stored."""


Row = dict[str, Any]


class Grid:
    """The cells of one variant, found by what they are called."""

    def __init__(self, table: SweepTable, variant: str, reading: Reading = "B-A") -> None:
        own = table.cells[table.cells["variant"] == variant]
        self.variant, self.reading = variant, reading
        self.rows: dict[Key, Row] = {}
        steered = own[own["role"] == "cell"]
        for values in zip(*(steered[name].tolist() for name in steered.columns), strict=True):
            row = dict(zip(map(str, steered.columns), values, strict=True))
            self.rows[int(row["a"]), int(row["b"]), int(row["index"]), float(row["coefficient"])] = row
        self._bands = table.bands[table.bands["variant"] == variant]

    @property
    def pairs(self) -> list[tuple[int, int]]:
        return sorted({key[:2] for key in self.rows})

    @property
    def indices(self) -> list[int]:
        return sorted({key[2] for key in self.rows})

    @property
    def coefficients(self) -> list[float]:
        return sorted({key[3] for key in self.rows})

    @property
    def names(self) -> list[int]:
        """Indices that occur as A or B."""
        return sorted({name for pair in self.pairs for name in pair})

    def at(self, a: int, b: int, index: int, coefficient: float) -> Row | None:
        """What "A−B at α" stands for in this reading; None when it was not run."""
        signed = coefficient if self.reading == "B-A" else -coefficient
        return self.rows.get((a, b, index, signed)) or self.rows.get((b, a, index, -signed))

    def called(self, row: Row) -> tuple[int, int, int, float]:
        """The inverse: A < B as stored, index, and the coefficient as this reading says it."""
        sign = 1.0 if self.reading == "B-A" else -1.0
        return int(row["a"]), int(row["b"]), int(row["index"]), sign * float(row["coefficient"])

    def band(self, row: Row, column: str) -> npt.NDArray[np.float64]:
        """Values of the directions as long as the cell's own push at its site; none where they were not measured."""
        bands, size = self._bands, abs(float(row["coefficient"]))
        own = (bands["a"] == row["a"]) & (bands["b"] == row["b"]) & (bands["index"] == row["index"])
        found: npt.NDArray[np.float64] = bands.loc[own & (bands["coefficient"].abs() == size), column].to_numpy(float)
        return found[np.isfinite(found)]

    def verdict(self, row: Row) -> Verdict:
        """Of one cell against the baseline with as many passes, corrected for all cells of the variant."""
        return Verdict(
            direction=direction_of(float(row["delta"]), float(row["p"])),
            delta=float(row["delta"]),
            low=float(row["delta_low"]),
            high=float(row["delta_high"]),
            n=int(row["n"]),
            p=float(row["p"]),
            band=Band.of(float(row["delta"]), self.band(row, "delta")),
            correction=Correction(float(row["p_max"]), len(self.rows)),
            margin_moved=bool(row["margin_low"] > 0 or row["margin_high"] < 0),
        )

    def site(self, index: int) -> str:
        """What is steered at an index, in the space of the variant: "KV slot 5", "z5", "h5"."""
        return site_name(self.variant, index)


def share_of(row: Mapping[Any, Any]) -> Share:
    """The accuracy of a condition."""
    value, low, high, effective = (float(row[name]) for name in ("accuracy", "low", "high", "effective_n"))
    return Share(value, low, high, int(row["n"]), effective)


SITES = {"kv": "KV slot ", "layer": "KV slot ", "k": "K slot ", "v": "V slot ", "h": "h", "resid": "resid ", "z": "z", "embedding": "z"}
"""What an index is called, by the first word of a variant's name."""


def site_name(variant: str, index: int) -> str:
    first = "z" if variant.startswith("h-on-z") else variant.partition("-")[0]
    return f"{SITES.get(first, 'index ')}{index}"


def pair_name(a: int, b: int) -> str:
    return f"A{a}−B{b}"


def signed(coefficient: float) -> str:
    return decimal(coefficient, "+g")
