"""What a trained lens is worth, index by index and depth by depth, beside the logit lens on the same held-out questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from codi_core.figures.paint import Paint, amounts, difference, shares
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import position
from codi_core.values.arrays import Floats
from codi_core.values.lens import LensCard
from codi_core.values.signs import decimal

Measure = Literal["KL to output", "Same top token"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


def card_panels(card: LensCard, title: str, measure: Measure) -> list[Panel]:
    """Logit | the lens, under ``title`` | Difference, the first two on one scale."""
    both, top = _values(card)[measure], top_of(card, measure)
    painted = [_painted(values, measure, top) for values in both]
    change = difference(painted[1], painted[0], f"Δ {painted[0].title}")
    return [
        _panel("Logit", painted[0], card),
        _panel(title, painted[1], card),
        _panel("Difference", change, card),
    ]


def top_of(card: LensCard, measure: Measure) -> float:
    """Where the scale of a card's first two panels ends."""
    return float(max(values.max() for values in _values(card)[measure]))


def measured_panel(name: str, values: Floats, measure: Measure, top: float) -> Panel:
    """One measure of a lens ``[index depth]``, whatever model it is of, on a scale up to ``top`` at least."""
    painted = _painted(values, measure, top)
    cells = tuple(tuple(Cell(_text(painted, i, d)) for d in range(values.shape[1])) for i in range(values.shape[0]))
    return Panel(name, painted, cells)


def _painted(values: Floats, measure: Measure, top: float) -> Paint:
    return amounts("Held-out KL (nats)", values, top) if measure == "KL to output" else shares("Held-out agreement", values)


def _text(painted: Paint, index: int, depth: int) -> str:
    value = float(painted.values[index, depth])
    share = painted.form.endswith("%")
    return decimal(100 * value, "+.0f" if "+" in painted.form else ".0f") if share else decimal(value, painted.form)


def _values(card: LensCard) -> Mapping[Measure, tuple[Floats, Floats]]:
    """``[index depth]`` of the logit lens and of this one."""
    return {"KL to output": (card.kl_plain, card.kl), "Same top token": (card.agree_plain, card.agree)}


def _panel(name: str, painted: Paint, card: LensCard) -> Panel:
    def cell(index: int, depth: int) -> Cell:
        trained = index in card.indices
        return Cell(_text(painted, index, depth), facts=("trained on this index" if trained else "not trained on this index",))

    indices, depths = painted.values.shape
    return Panel(name, painted, tuple(tuple(cell(i, d) for d in range(depths)) for i in range(indices)))


def card_table(card: LensCard) -> pd.DataFrame:
    """One row per index and depth."""
    index, depth = (axis.ravel() for axis in np.indices(card.kl_plain.shape))
    kind = card.name.partition(":")[0]
    columns: dict[str, Any] = {
        "lens": card.name,
        "index": index,
        "position": [position(int(i)) for i in index],
        "depth": depth,
        "trained": np.isin(index, card.indices),
        "kl_logit_nats": card.kl_plain.ravel(),
        f"kl_{kind}_nats": card.kl.ravel(),
        "agreement_logit": card.agree_plain.ravel(),
        f"agreement_{kind}": card.agree.ravel(),
    }
    return pd.DataFrame(columns)
