"""A model's map minus that of its control: every cell with its paired interval, and the map in one sentence."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from codi_core.figures.paint import changes
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import position
from codi_core.values.signs import decimal
from codi_core.values.stats import Contrast
from codi_core.values.verdict import points

UNITS = {True: "points", False: "nats"}
"""By whether a map is of shares, where no other unit is named."""


def contrast_panel(title: str, found: Contrast, share: bool, unit: str = "") -> Panel:
    """``share``: of questions or a probability, told in points; else in nats or ``unit``. Difference ``[index depth]``."""
    means, unit = found.difference, unit or UNITS[share]
    painted = changes(f"Δ {title}", means.value, share)

    def cell(index: int, depth: int) -> Cell:
        value, low, high = (float(part[index, depth]) for part in (means.value, means.low, means.high))
        if np.isnan(value):
            return Cell("–")
        interval = f"95 % interval {amount(low, share)} to {amount(high, share)} {unit}"
        return Cell(
            text=decimal(100 * value, "+.0f") if share else amount(value, share),
            facts=(interval, f"adjusted p = {found.adjusted[index, depth]:.3g}"),
            mark="∗" if found.stands_out[index, depth] else "",
        )

    indices, depths = means.value.shape
    cells = tuple(tuple(cell(i, d) for d in range(depths)) for i in range(indices))
    return Panel("Model − control", painted, cells)


def amount(value: float, share: bool) -> str:
    """With a sign; of shares in points."""
    return points(value) if share else decimal(value, "+.2f")


def cell_name(index: int, depth: int) -> str:
    return f"{position(index)} · layer {depth}"


def contrast_sentence(what: str, found: Contrast, share: bool, place: Callable[[int, int], str] = cell_name, unit: str = "") -> str:
    """Where the model has more than its control, where less, and the largest difference; ``place`` names a cell. Cells that are not
    measured in both (NaN) do not count."""
    means, stands_out, unit = found.difference, found.stands_out, unit or UNITS[share]
    if not means.n:
        return f"No question tells a model from its control in {what}."
    more, less = (int((stands_out & (sign * means.value > 0)).sum()) for sign in (1, -1))
    index, depth = (int(place) for place in np.unravel_index(np.nanargmax(np.abs(means.value)), means.value.shape))
    value, low, high = (amount(float(part[index, depth]), share) for part in (means.value, means.low, means.high))
    counts = (
        f"more than in its control in {more} of {(~np.isnan(means.value)).sum()} cells, less in {less} (p < .05, adjusted for all cells)"
    )
    return (
        f"{what[:1].upper()}{what[1:]}: {counts}. Largest difference at {place(index, depth)}: {value} {unit} "
        f"({low} to {high}), n = {means.n:,}."
    )


def contrast_table(found: Contrast) -> pd.DataFrame:
    """One row a cell."""
    means = found.difference
    index, depth = (axis.ravel() for axis in np.indices(means.value.shape))
    numbers = {"difference": means.value, "low": means.low, "high": means.high, "adjusted_p": found.adjusted}
    return pd.DataFrame({"index": index, "depth": depth, "n": means.n, **{name: part.ravel() for name, part in numbers.items()}})
