"""Who reads whom: attention of passes and answer, edges cut, and the graph of latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from codi_core.keys import key_of
from codi_core.values.arrays import Floats
from codi_core.values.questions import EvalSetSpec
from codi_core.values.stats import Contrast, Estimates

Role = Literal["first", "operand", "prompt", "bot", "slot", "self"]
ROLES: tuple[Role, ...] = get_args(Role)
"""Keys by what they are to a query: the first token (a sink), numbers of the question, the rest of it, bot's slot (a sink), earlier
latents, the query's own slot."""
SINKS = (0, 3)
"""Places in ROLES of what is attended to whatever it holds."""
OPERAND = 1
"""Place in ROLES."""
Share = Literal["attention", "value-weighted", "rollout"]
SHARES: tuple[Share, ...] = get_args(Share)
"""Maps of who reads whom, see `Maps`."""
By = Literal["zero", "gaussian", "mean", "resample"]
BYS: tuple[By, ...] = get_args(By)
Metric = Literal["kl", "dz", "lens"]
METRICS: tuple[Metric, ...] = get_args(Metric)
"""KL at e when stopped there (nats) · relative change of z · KL of what the logit lens reads at h (nats)."""
How = Literal["kv", "z", "both"]
HOWS: tuple[How, ...] = get_args(How)
SUMMARIES = ("locality", "early-out", "late-in", "span")


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes are the latents z(0) … z(n−1). Edges of one question, or means over several."""

    by: By
    total: Floats
    """``[3 i j]`` (METRICS), i < j: z(i) replaced, the rest rolled on, stopped after the pass that z(j) enters; NaN elsewhere."""
    answer: Floats
    """``[i]``: KL at e after all passes, z(i) replaced (nats)."""
    direct: Floats
    """``[slot query]``: slot i hidden from pass j alone, everything else as it was: relative change of z(j), j = 1..n at column j; NaN for
    i >= j."""
    to_answer: Floats
    """``[slot]``: slot i hidden from e alone: change of log p of the own answer's first token (nats)."""
    operands_to_answer: float
    """Numbers of the question hidden from e alone (nats)."""


@dataclass(frozen=True, eq=False)
class Maps:
    """Queries 0..n and e; keys are the tokens, the slots 0..n and what follows them. None of these maps is causal."""

    attention: Floats
    """``[layer head query key]``; rows sum to 1."""
    written: Floats
    """``[layer head query key]``: attention times the length of what the head would write of the key, ‖A·W_O v‖."""
    rollout: Floats
    """``[query key]``: attention rollout over layers, and over passes where latents are fed back: nothing is left on their slots then. Rows
    sum to 1."""

    def of(self, share: Share = "attention", layer: int | None = None, head: int | None = None) -> Floats:
        """``[query key]``, rows sum to 1: of a layer and head, or the mean over those not named. A head that writes more counts more in
        value-weighted attention. A rollout is of all layers and heads."""
        if share == "rollout":
            return self.rollout
        found = self.attention if share == "attention" else self.written
        found = found if layer is None else found[layer : layer + 1]
        mean: Floats = (found if head is None else found[:, head : head + 1]).mean((0, 1))
        return mean if share == "attention" else mean / mean.sum(-1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Influence:
    """One prompt."""

    key: str
    prompt: str
    answer: str
    tokens: tuple[str, ...]
    """Of the prompt without bot, whose slot is index 0."""
    operands: tuple[int, ...]
    """Which of them are numbers."""
    passes: int
    maps: Maps
    shuffled: Maps
    """Of the same question with its numbers in another order."""
    graph: Graph
    milliseconds: float

    @property
    def mean(self) -> Floats:
        """``[query key]``: attention over all layers and heads, the CODI paper's."""
        return self.maps.of()

    def mass(self, share: Share = "attention", layer: int | None = None, head: int | None = None) -> tuple[Floats, Floats]:
        """``[query role]``: of a map (`Maps.of`), and the share of visible keys."""
        return self._by_role(self.maps.of(share, layer, head))

    def baselines(self, share: Share = "attention", layer: int | None = None, head: int | None = None) -> tuple[Floats, Floats, Floats]:
        """``[query]``: mass on the numbers; were all visible keys alike; and with the numbers in another order, at the same places."""
        (mass, uniform), (copy, _) = self.mass(share, layer, head), self._by_role(self.shuffled.of(share, layer, head))
        return mass[:, OPERAND], uniform[:, OPERAND], copy[:, OPERAND]

    def _by_role(self, weights: Floats) -> tuple[Floats, Floats]:
        count = len(self.tokens)
        found = [by_role(row, count, self.operands, count, query) for query, row in enumerate(weights)]
        return np.stack([mass for mass, _ in found]), np.stack([uniform for _, uniform in found])


@dataclass(frozen=True)
class KnockedOut:
    """Answers with some edges cut."""

    dlog_p: float
    """Change of log p of the own answer (nats)."""
    kl: float
    """KL(clean ‖ cut) at e (nats)."""
    answer: str
    flipped: bool
    mass: float
    """Mean attention that the cut edges carried."""


@dataclass(frozen=True)
class KnockOut:
    """One cut, beside cuts of as many random keys that carry about as much from about as far away."""

    key: str
    cut: KnockedOut
    controls: tuple[KnockedOut, ...]


@dataclass(frozen=True)
class InfluenceSpec:
    kind: ClassVar[str] = "influence"
    model: str
    """Key of its spec."""
    eval_set: EvalSetSpec
    by: By
    passes: int
    means: str = ""
    """Key of the means, where they are used."""
    seed: int = 0
    revision: int = 2
    """Counted up when what is measured changes."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class InfluenceSet:
    """Over an eval set."""

    spec: InfluenceSpec
    total: int
    ids: tuple[str, ...]
    mass: Estimates
    """``[query role]``: mean attention over layers and heads."""
    uniform: Floats
    """``[query role]``: if every visible key got as much."""
    operands_above: Estimates
    """``[3 query]``: mass on operands minus the uniform share, minus that at the places of another question's operands, and minus that in a
    copy of the question with its operands in another order."""
    weights: Estimates
    """``[3 i j]``"""
    answer: Estimates
    """``[i]``"""
    direct: Estimates
    """``[slot query]``"""
    to_answer: Estimates
    """``[slot]``; the last one is the numbers of the question."""
    summaries: Estimates
    """``[3 4]`` (METRICS, SUMMARIES), of every question, then averaged."""
    nulls: tuple[float, ...]
    """Of SUMMARIES, with uniform weights."""

    @property
    def done(self) -> bool:
        return len(self.ids) == self.total


@dataclass(frozen=True)
class InfluenceContrast:
    """A model minus its control. Total effects have none: z never acts in a pause twin."""

    mass: Contrast
    """``[query role]``"""
    to_answer: Contrast
    """``[slot]``; the last one is the numbers of the question."""


def by_role(weights: Floats, length: int, operands: tuple[int, ...], width: int, query: int) -> tuple[Floats, Floats]:
    """``[role]``: weights ``[key]`` of one query summed by role, and the share of its visible keys. ``length`` tokens of the prompt stand
    before ``width``, from which on the slots do; the last query is e, whose own key is the last one.
    """
    roles = np.full(len(weights), -1)
    roles[:length] = 2
    roles[list(operands)] = 1
    roles[0] = 0
    roles[width : width + query] = 4
    roles[width] = 3
    roles[width + query] = 5 if query else 3
    counted = np.stack([roles == role for role in range(len(ROLES))])
    return (counted * weights).sum(1).astype(np.float32), (counted.sum(1) / counted.sum()).astype(np.float32)


def summarised(total: Floats) -> Floats:
    """``[… i j]`` weights with i < j → ``[… 4]`` (SUMMARIES): shares of all weight on neighbours, out of the first, into the last; mean
    distance weighted."""
    nodes = total.shape[-1]
    i, j = np.triu_indices(nodes, 1)
    w = np.nan_to_num(total[..., i, j])
    whole = w.sum(-1)
    parts = [w[..., j - i == 1].sum(-1), w[..., i == 0].sum(-1), w[..., j == nodes - 1].sum(-1), (w * (j - i)).sum(-1)]
    shares: Floats = np.stack([np.divide(part, whole, out=np.full_like(whole, np.nan), where=whole > 0) for part in parts], -1)
    return shares
