"""What a tuned lens is worth, index by index and depth by depth, beside the logit lens on the same held-out questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from codi_core.figures.paint import Paint, amounts, difference, shares
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import position
from codi_core.types import Floats, LensCard

Measure = Literal["KL to output", "Same top token"]
MEASURES: tuple[Measure, ...] = get_args(Measure)


def card_panels(card: LensCard, measure: Measure) -> list[Panel]:
    """Logit | Tuned | Difference, the first two on one scale."""
    logit, tuned = _values(card)[measure]
    if measure == "KL to output":
        top = float(max(logit.max(), tuned.max()))
        painted = [amounts("Held-out KL (nats)", values, top) for values in (logit, tuned)]
    else:
        painted = [shares("Held-out agreement", values) for values in (logit, tuned)]
    change = difference(painted[1], painted[0], f"Δ {painted[0].title}")
    return [
        _panel("Logit", painted[0], card),
        _panel(f"Tuned ({card.name.partition(':')[2]})", painted[1], card),
        _panel("Difference", change, card),
    ]


def _values(card: LensCard) -> Mapping[Measure, tuple[Floats, Floats]]:
    """``[index depth]`` of the logit lens and of the tuned one."""
    return {"KL to output": (card.kl_plain, card.kl_tuned), "Same top token": (card.agree_plain, card.agree_tuned)}


def _panel(name: str, painted: Paint, card: LensCard) -> Panel:
    def cell(index: int, depth: int) -> Cell:
        value = float(painted.values[index, depth])
        share = painted.form.endswith("%")
        text = f"{100 * value:{'+' if '+' in painted.form else ''}.0f}" if share else f"{value:{painted.form}}"
        trained = index in card.indices
        return Cell(text.replace("-", "−"), facts=("trained on this index" if trained else "not trained on this index",))

    indices, depths = painted.values.shape
    return Panel(name, painted, tuple(tuple(cell(i, d) for d in range(depths)) for i in range(indices)))


def card_table(card: LensCard) -> pd.DataFrame:
    """One row per index and depth."""
    index, depth = (axis.ravel() for axis in np.indices(card.kl_plain.shape))
    columns: dict[str, Any] = {
        "lens": card.name,
        "index": index,
        "position": [position(int(i)) for i in index],
        "depth": depth,
        "trained": np.isin(index, card.indices),
        "kl_logit_nats": card.kl_plain.ravel(),
        "kl_tuned_nats": card.kl_tuned.ravel(),
        "agreement_logit": card.agree_plain.ravel(),
        "agreement_tuned": card.agree_tuned.ravel(),
    }
    return pd.DataFrame(columns)
