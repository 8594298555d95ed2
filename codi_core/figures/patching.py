"""Two-prompt patching in pictures: recovery at every index and depth, and one patch in words and numbers."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from codi_core.figures.paint import BRBG, Paint
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import percent
from codi_core.values.arrays import Floats
from codi_core.values.patching import FOLLOWS, PatchedPair, PatchEffect, PatchMap
from codi_core.values.signs import decimal

PUT: dict[str, str] = {
    "source": "the source's own cell",
    "random": "a random vector as long",
    "other": "that cell of a third question",
    "mean": "its mean over the template",
    "same": "a cell of a question with the same answer",
}
"""What is put in place, in words."""


def recovery_panel(found: PatchMap, name: str) -> Panel:
    """R, clipped to −1 … 1 in its colours only; of questions with one answer, where there is no R, the share of answers that changed."""
    alike = found.spec.donor == "same"
    values = 1 - found.follows[1] if alike else found.recovery.value
    painted = _share_paint(values) if alike else _recovery_paint(values)
    indices, depths = values.shape
    cells = tuple(tuple(_cell(found, i, d, float(values[i, d]), alike) for d in range(depths)) for i in range(indices))
    return Panel(name, painted, cells)


def _recovery_paint(values: Floats) -> Paint:
    level = (0.5 + np.clip(values, -1, 1) / 2).astype(np.float32)
    return Paint("Recovery R", values, level, ((0.0, "≤ −1"), (0.5, "0: as the target"), (1.0, "≥ 1: as the source")), "+.2f", BRBG)


def _share_paint(values: Floats) -> Paint:
    return Paint("Answers changed", values, values, ((0.0, "0%"), (0.5, "50%"), (1.0, "100%")), ".1%")


def _cell(found: PatchMap, i: int, d: int, value: float, alike: bool) -> Cell:
    if math.isnan(value):
        reason = "fed the same in every prompt: bot's embedding, or a pause twin's vector" if d == 0 else "nothing measured"
        return Cell("·", facts=(reason,))
    low, high = float(found.recovery.low[i, d]), float(found.recovery.high[i, d])
    around = f"95 % interval {decimal(low, '+.2f')} to {decimal(high, '+.2f')}, n = {found.recovery.n:,}"
    interval = () if math.isnan(low) or alike else (around,)
    source, target, other = (percent(float(share)) for share in found.follows[:, i, d])
    theirs, own = found.dlog_p[:, i, d]
    return Cell(
        text=percent(value) if alike else decimal(value, ".2f"),
        facts=(
            *interval,
            f"answers: source's {source}, target's {target}, other {other}",
            f"log p of the source's answer {decimal(theirs, '+.2f')}, of the target's {decimal(own, '+.2f')} nats",
            f"length put / there {found.norm[i, d]:.2f}",
        ),
    )


def map_table(found: PatchMap) -> pd.DataFrame:
    """One row a cell."""
    rows = []
    for i, d in np.argwhere(~np.isnan(found.norm)).tolist():
        shares = {f"answers {name}": float(found.follows[place, i, d]) for place, name in enumerate(FOLLOWS)}
        rows.append(
            {
                "index": i,
                "depth": d,
                "recovery": float(found.recovery.value[i, d]),
                "low": float(found.recovery.low[i, d]),
                "high": float(found.recovery.high[i, d]),
                "pairs": found.recovery.n,
                **shares,
                "change of log p source": float(found.dlog_p[0, i, d]),
                "change of log p target": float(found.dlog_p[1, i, d]),
                "length put / there": float(found.norm[i, d]),
                "way": found.spec.way,
                "put": found.spec.donor,
            }
        )
    return pd.DataFrame(rows)


def effect_words(effect: PatchEffect) -> str:
    """One line."""
    known = "" if effect.recovery is None else f"R = {decimal(effect.recovery, '+.2f')}"
    recovered = known or "R undefined (the answers differ by less than 1 nat)"
    theirs, own = (decimal(change, "+.2f") for change in effect.dlog_p)
    return (
        f"{effect.answer!r} ({WHOSE[effect.follows]}), {recovered}, log p of the source's answer {theirs}, of the target's {own} nats"
        + (", identical bit for bit" if effect.identical else "")
    )


WHOSE = {"source": "the source's answer", "target": "the target's own", "other": "another answer"}


def as_json(found: PatchedPair) -> dict[str, Any]:
    plain = asdict(found) | {"reached": np.argwhere(found.reached.cells).tolist()}
    for name in ("effect", "random"):
        if math.isnan(plain[name]["norm"]):
            plain[name]["norm"] = None
    return plain


def pair_table(found: PatchedPair) -> pd.DataFrame:
    """One row for the patch, one for the random vector."""
    rows = []
    for name, effect in (("patched", found.effect), ("random vector", found.random)):
        rows.append(
            {
                "put in place": name,
                "answer": effect.answer.strip(),
                "whose": WHOSE[effect.follows],
                "R": effect.recovery,
                "change of log p source": effect.dlog_p[0],
                "change of log p target": effect.dlog_p[1],
                "length put / there": None if math.isnan(effect.norm) else effect.norm,
            }
        )
    return pd.DataFrame(rows)
