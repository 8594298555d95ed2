"""Who reads whom, in pictures: attention by key, mass by role, the graph of latents, summaries beside their nulls."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from codi_core.figures.contrast import contrast_panel, contrast_sentence
from codi_core.figures.paint import BRBG, Paint, amounts
from codi_core.figures.panels import Cell, Panel
from codi_core.figures.text import glyphs, position, short
from codi_core.values.arrays import Floats
from codi_core.values.influence import (
    METRICS,
    OPERAND,
    ROLES,
    SHARES,
    SINKS,
    SUMMARIES,
    Influence,
    InfluenceContrast,
    InfluenceSet,
    KnockedOut,
    KnockOut,
    Share,
    summarised,
)
from codi_core.values.signs import decimal
from codi_core.values.stats import Estimates

ROLE_NAMES = {
    "first": "first token",
    "operand": "numbers",
    "prompt": "other prompt",
    "bot": "bot's slot",
    "slot": "earlier latents",
    "self": "itself",
}
EDGES: dict[str, str] = {
    "kl": "KL of the answer, stopped there (nats)",
    "dz": "relative change of the later latent",
    "lens": "KL of what the lens reads there (nats)",
    "direct": "slot hidden from one pass: relative change of its latent",
}
"""What an edge can be measured by; the first three replace a latent and roll on."""


SHARE_NAMES: dict[str, str] = {
    "attention": "attention",
    "value-weighted": "value-weighted attention",
    "rollout": "attention rollout",
}
BASELINES = ("if every visible key got as much", "at another question's places", "its numbers in another order")


def query_names(passes: int) -> tuple[str, ...]:
    return (*(position(index) for index in range(passes + 1)), "answer")


def key_names(found: Influence) -> tuple[str, ...]:
    tokens = [f"{short(token, 9)} {place}" for place, token in enumerate(found.tokens)]
    return (*tokens, *(f"slot {index}" for index in range(found.passes + 1)), "own")


def key_order(found: Influence) -> tuple[int, ...]:
    """Keys in the order they are shown: slots first, then the prompt."""
    tokens, keys = len(found.tokens), found.mean.shape[-1]
    return (*range(tokens, keys), *range(tokens))


def attention_panel(found: Influence, layer: int | None, head: int | None, share: Share = "attention") -> Panel:
    """Queries across, keys down (`key_order`); colours end at the largest share that is no sink's."""
    values, name = found.maps.of(share, layer, head), SHARE_NAMES[share].capitalize()
    tokens, keys = len(found.tokens), values.shape[1]
    sinks = {0, tokens}
    top = max(float(values[:, [key for key in range(keys) if key not in sinks]].max()), 1e-6)
    ticks = tuple((at, f"{at * top:.0%}" if top >= 0.1 else f"{at * top:.1%}") for at in (0.0, 0.5, 1.0))
    order = list(key_order(found))
    shown = values[:, order]
    painted = Paint(name, shown, np.clip(shown / np.float32(top), 0, 1), ticks, ".1%")

    def cell(query: int, key: int) -> Cell:
        visible = key <= tokens + query or (query == found.passes + 1 and key == keys - 1)
        uniform = 1 / (tokens + min(query, found.passes + 1) + 1)
        weight = float(values[query, key])
        facts = (f"as every visible key: {uniform:.1%}",) if visible else ("not there yet",)
        return Cell(f"{weight:.0%}" if weight >= 0.005 else "", facts=facts, mark="op" if key in found.operands else "")

    cells = tuple(tuple(cell(query, key) for key in order) for query in range(len(values)))
    names = key_names(found)
    return Panel(name, painted, cells, query_names(found.passes), tuple(names[key] for key in order), "Key: slots, then tokens")


def mass_panel(mass: Floats, uniform: Floats, name: str, estimates: Estimates | None = None) -> Panel:
    """``[query role]`` mean attention by what the keys are."""
    rest = 1 - mass[:, SINKS].sum(1)

    def cell(query: int, role: int) -> Cell:
        share, shared = float(mass[query, role]), float(uniform[query, role])
        interval = f"95 % interval {estimates.low[query, role]:.1%} to {estimates.high[query, role]:.1%}" if estimates else ""
        without = "" if role in SINKS or rest[query] <= 0 else f"without the sinks (first token, bot): {share / rest[query]:.1%}"
        facts = (interval, f"if every visible key got as much: {shared:.1%}", without)
        return Cell(f"{share:.0%}" if shared else "", facts=tuple(filter(None, facts)))

    painted = Paint(name, mass, mass, ((0.0, "0%"), (0.5, "50%"), (1.0, "100%")), ".1%")
    cells = tuple(tuple(cell(query, role) for role in range(len(ROLES))) for query in range(len(mass)))
    return Panel(name, painted, cells, query_names(len(mass) - 2), tuple(ROLE_NAMES[role] for role in ROLES), "Key")


def graph_panel(values: Floats, edge: str, estimates: Estimates | None = None) -> Panel:
    """``[i j]`` edges, from a latent (across) to a later one (down): without the last and the first, which have none."""
    values, direct = values[:-1, 1:], edge == "direct"
    names = [f"slot {i}" if direct else f"z({i})" for i in range(values.shape[0])]
    rows = [f"pass {j + 1}" if direct else f"z({j + 1})" for j in range(values.shape[1])]
    amount = amounts(EDGES[edge], np.nan_to_num(values))
    painted = Paint(amount.title, values, np.where(np.isnan(values), np.nan, amount.level).astype(np.float32), amount.ticks, ".2f")

    def cell(i: int, j: int) -> Cell:
        if math.isnan(values[i, j]):
            return Cell("", facts=("not later" if i > j else "not measured",))
        interval: tuple[str, ...] = ()
        if estimates:
            interval = (f"95 % interval {estimates.low[i, j + 1]:.2f} to {estimates.high[i, j + 1]:.2f}, n = {estimates.n:,}",)
        return Cell(f"{values[i, j]:.2f}", facts=interval)

    cells = tuple(tuple(cell(i, j) for j in range(values.shape[1])) for i in range(values.shape[0]))
    return Panel("Graph", painted, cells, tuple(names), tuple(rows), "To")


def above_panel(found: InfluenceSet) -> Panel:
    """Mass on the question's numbers beyond three baselines, ``[query baseline]``."""
    names = ("− uniform share", "− other places", "− another order")  # as wide as a telephone leaves room for
    values, low, high = (part.T for part in (found.operands_above.value, found.operands_above.low, found.operands_above.high))
    top = max(float(np.abs(values).max()), 1e-6)
    ticks = tuple((0.5 + side / 2, decimal(side * top, "+.0%")) for side in (-1, 0, 1))
    painted = Paint("Mass on numbers beyond", values, (0.5 + values / (2 * top)).astype(np.float32), ticks, "+.1%", BRBG)

    def cell(query: int, row: int) -> Cell:
        value, least, most = (decimal(float(part[query, row]), "+.1%") for part in (values, low, high))
        return Cell(value, facts=(f"95 % interval {least} to {most}, n = {found.operands_above.n:,}",))

    cells = tuple(tuple(cell(query, row) for row in range(len(names))) for query in range(len(values)))
    return Panel("Numbers", painted, cells, query_names(found.spec.passes), names, "Baseline")


def numbers_table(
    found: Influence | InfluenceSet, layer: int | None = None, head: int | None = None, share: Share = "attention"
) -> pd.DataFrame:
    """One row a query: mass on the question's numbers and its baselines; over an eval set one a baseline, with the difference."""
    if isinstance(found, Influence):
        mass, uniform, copy = found.baselines(share, layer, head)
        columns = {"numbers of the question": mass, BASELINES[0]: uniform, BASELINES[2]: copy}
        return pd.DataFrame({"query": query_names(found.passes), **columns})
    above, mass = found.operands_above, found.mass.value[:, OPERAND]
    return pd.DataFrame(
        [
            {
                "query": query,
                "numbers of the question": float(mass[at]),
                "baseline": name,
                "above it": float(above.value[row, at]),
                "low": float(above.low[row, at]),
                "high": float(above.high[row, at]),
                "n": above.n,
            }
            for row, name in enumerate(BASELINES)
            for at, query in enumerate(query_names(found.spec.passes))
        ]
    )


def summary_table(found: Influence | InfluenceSet) -> pd.DataFrame:
    """One row a metric and summary, with the value that uniform weights have."""
    rows = []
    for metric_at, metric in enumerate(METRICS):
        for at, name in enumerate(SUMMARIES):
            row: dict[str, Any] = {"measured by": EDGES[metric], "summary": name}
            if isinstance(found, InfluenceSet):
                value, low, high = (
                    float(part[metric_at, at]) for part in (found.summaries.value, found.summaries.low, found.summaries.high)
                )
                null = found.nulls[at] if found.nulls else math.nan
                row |= {"value": value, "low": low, "high": high, "uniform": null, "leaves uniform out": bool(low > null or high < null)}
            else:
                uniform = summarised(np.ones((found.passes, found.passes), np.float32))
                row |= {"value": float(summarised(found.graph.total[metric_at])[at]), "uniform": float(uniform[at])}
            rows.append(row)
    return pd.DataFrame(rows)


def edges_table(found: Influence | InfluenceSet) -> pd.DataFrame:
    """One row an edge and way of measuring it."""
    rows: list[dict[str, Any]] = []
    if isinstance(found, Influence):
        parts: dict[str, Any] = {metric: found.graph.total[at] for at, metric in enumerate(METRICS)} | {"direct": found.graph.direct}
        for name, values in parts.items():
            rows += [{"edge": EDGES[name], "from": i, "to": j, "value": float(values[i, j])} for i, j in np.argwhere(~np.isnan(values))]
        return pd.DataFrame(rows)
    for at, metric in enumerate(METRICS):
        w = found.weights
        rows += _edge_rows(EDGES[metric], w.value[at], w.low[at], w.high[at], w.n)
    return pd.DataFrame([*rows, *_edge_rows(EDGES["direct"], found.direct.value, found.direct.low, found.direct.high, found.direct.n)])


def to_answer_table(found: Influence | InfluenceSet) -> pd.DataFrame:
    """One row a latent: what the answer loses without it."""
    if isinstance(found, Influence):
        hidden, replaced = found.graph.to_answer, found.graph.answer
        intervals: list[dict[str, Any]] = [{} for _ in hidden]
    else:
        of = found.to_answer
        hidden, replaced = of.value[:-1], found.answer.value
        intervals = [{"low": float(of.low[i]), "high": float(of.high[i])} for i in range(len(hidden))]
    return pd.DataFrame(
        [
            {
                "index": i,
                "slot hidden from the answer alone: log p (nats)": float(change),
                **intervals[i],
                "z replaced: KL of the answer (nats)": float(replaced[i]) if i < len(replaced) else None,
            }
            for i, change in enumerate(hidden)
        ]
    )


def beside_table(own: InfluenceSet, control: InfluenceSet, found: InfluenceContrast) -> pd.DataFrame:
    """One row a slot, and the numbers of the question: what hiding it from the answer alone costs in either model (log p, nats)."""
    means, names = found.to_answer.difference, _hidden(found)
    costs = {"model": own.to_answer.value, "control": control.to_answer.value}
    numbers = {**costs, "difference": means.value, "low": means.low, "high": means.high, "adjusted p": found.to_answer.adjusted}
    return pd.DataFrame({"hidden from the answer": names, **numbers, "n": means.n})


def _hidden(found: InfluenceContrast) -> list[str]:
    return [*(f"slot {i}" for i in range(len(found.to_answer.difference.value) - 1)), "numbers of the question"]


def cost_sentence(own: InfluenceSet, control: InfluenceSet, found: InfluenceContrast) -> str:
    """What hiding something from the answer alone costs a model and its control, where that differs most."""
    means, names = found.to_answer.difference, _hidden(found)
    at = int(np.abs(means.value).argmax())
    costs = (own.to_answer.value, control.to_answer.value, means.value, means.low, means.high)
    mine, theirs, value, low, high = (decimal(float(part[at]), "+.2f") for part in costs)
    return (
        f"Hiding {names[at].replace('numbers', 'the numbers')} from the answer alone changes its log p by {mine} nats in the model, in its "
        f"control by {theirs}: {value} nats ({low} to {high}, n = {means.n:,}), the largest of {len(names)} differences. Clear: "
        f"{int(found.to_answer.stands_out.sum())} (p < .05, adjusted for all)."
    )


def mass_contrast(found: InfluenceContrast) -> tuple[Panel, str]:
    """Mean attention by what the keys are, of a model minus of its control, and in a sentence."""
    queries, roles = query_names(len(found.mass.difference.value) - 2), tuple(ROLE_NAMES[role] for role in ROLES)
    title = "mean attention"
    sentence = contrast_sentence(title, found.mass, True, lambda query, role: f"{queries[query]} → {roles[role]}")
    return replace(contrast_panel(title, found.mass, True), columns=queries, rows=roles, axis="Key"), sentence


def _edge_rows(name: str, value: Floats, low: Floats, high: Floats, n: int) -> list[dict[str, Any]]:
    places = np.argwhere(~np.isnan(value)).tolist()
    return [
        {"edge": name, "from": i, "to": j, "value": float(value[i, j]), "low": float(low[i, j]), "high": float(high[i, j]), "n": n}
        for i, j in places
    ]


def attention_table(found: Influence) -> pd.DataFrame:
    """One row a query and key it sees: shares of the three maps, over all layers and heads."""
    names, keys = query_names(found.passes), key_names(found)
    maps = {SHARE_NAMES[share]: found.maps.of(share) for share in SHARES}
    return pd.DataFrame(
        [
            {
                "query": names[query],
                "key": keys[key],
                "token": glyphs(found.tokens[key]) if key < len(found.tokens) else "",
                **{name: float(weights[query, key]) for name, weights in maps.items()},
            }
            for query, key in np.argwhere(found.mean > 0).tolist()
        ]
    )


def cut_words(cut: KnockedOut) -> str:
    """One line."""
    flipped = "another answer" if cut.flipped else "the same answer"
    moved = decimal(cut.dlog_p, "+.2f")
    return f"{cut.answer!r} ({flipped}), log p of its own answer {moved} nats, KL {cut.kl:.2f} nats, mass cut {cut.mass:.1%}"


def knock_out_table(found: KnockOut) -> pd.DataFrame:
    """One row the cut, one each random cut."""
    named = [("cut", found.cut), *((f"random {number}", cut) for number, cut in enumerate(found.controls, 1))]
    return pd.DataFrame([{"cut": name, **asdict(cut)} for name, cut in named])
