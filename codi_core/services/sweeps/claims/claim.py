"""What a claim is: a sentence of the posts with its statistic, the rule of its verdict, and what it needs to be tested."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np

from codi_core.services.sweeps.claims.evidence import Evidence, estimate, mean_right, place_of
from codi_core.values.sweep import Against, Reading, Row, pair_name, signed
from codi_core.values.verdict import ALPHA, ENOUGH, p_text

Ruling = Literal["reproduced", "not reproduced", "reversed", "not testable"]
Family = Literal["kv", "hidden"]
"""Which stored sweep a claim needs."""
View = tuple[Reading, Against]
POSTS = "Latent Reasoning Sprint #3, 2026"


@dataclass(frozen=True)
class Rule:
    """In words, for the page; `Claim.test` and `Claim.judge` are its code. Everything between is "not reproduced"."""

    statistic: str
    reproduced: str
    reversed: str
    untestable: str


@dataclass(frozen=True)
class Hurdle:
    """One more thing that must be so before a claim is reproduced, however clear its effect."""

    passed: bool | None
    """None: that is not known, so the claim cannot be tested."""
    words: str
    """Said unless it is so."""


@dataclass(frozen=True)
class Tested:
    """One claim in one reading against one baseline."""

    effect: float
    low: float
    high: float
    p: float
    adjusted: float
    percentile: float | None = None
    """Among random directions of the cell's own length; None where the claim is not about one cell, or these are too few."""
    verdict: Ruling = "not testable"
    why: str = ""
    cell_id: int | None = None
    """Cell of the sweep that it is about, or that it is shown by."""
    hurdles: tuple[Hurdle, ...] = ()
    floor: float = 0.0
    """The smallest p that was possible at all; `findings` adjusts it as p."""
    room: str = ""
    """Why no smaller one was, in words."""
    over: str = ""
    """What p is adjusted over, as "19 claims"."""
    needed: Mapping[str, Any] | None = None
    """What the request of a sweep would have to say, where the verdict is "not testable"."""


@dataclass(frozen=True)
class Untestable(Exception):
    why: str
    needed: Mapping[str, Any]
    """What the request of a sweep would have to say, besides what it says by default; bands come with it."""


@dataclass(frozen=True)
class Claim(ABC):
    sentence: str
    family: Family
    index: int = 0
    """0: all."""
    source: str = POSTS

    title: ClassVar[str]
    """Of its kind."""
    rule: ClassVar[Rule]
    in_family: ClassVar[bool] = False
    """Its p is adjusted over the claims (Holm); otherwise `test` adjusts it."""

    @abstractmethod
    def test(self, own: Evidence, view: View) -> Tested:
        """The statistic. Raises Untestable."""

    @abstractmethod
    def judge(self, tested: Tested) -> tuple[Ruling, str]:
        """The verdict, by the adjusted p, and why. Raises Untestable where what decides was not measured."""


def cell_test(own: Evidence, row: Row, against: Against, adjusted: float = np.nan) -> Tested:
    """One cell against its baseline, and in its own band."""
    suffix = suffix_of(against)
    effect, low, high, p = (float(row[f"{name}{suffix}"]) for name in ("delta", "delta_low", "delta_high", "p"))
    return Tested(effect, low, high, p, adjusted, place_of(own, row).percentile, cell_id=int(row["place"]))


def band_hurdle(own: Evidence, row: Row) -> Hurdle:
    """The cell lies above random directions of its own length."""
    band = place_of(own, row)
    if band.percentile is None:
        return Hurdle(None, f"Better than the baseline, but its band was not measured: {ENOUGH} random directions of the cell's own length")
    return Hurdle(band.above, f"Better than the baseline, but {band.words('rises')}")


def contrast(own: Evidence, first: Sequence[Row], second: Sequence[Row], shown: Row | None = None) -> Tested:
    """Mean accuracy of some conditions minus that of others, question by question: both baselines give the same."""
    effect, low, high, p = estimate(mean_right(own, first) - mean_right(own, second), own.clusters)
    return Tested(effect, low, high, p, np.nan, cell_id=int(shown["place"]) if shown else None)


def judged(tested: Tested, sign: int, better: str, worse: str, nothing: str) -> tuple[Ruling, str]:
    """A claim that an effect has a ``sign``: +1 or −1. The words are what is said of each case. Raises Untestable."""
    if not tested.adjusted < ALPHA:
        return "not reproduced", unclear(tested) or nothing
    if tested.effect * sign < 0:
        return "reversed", worse
    failed = next((hurdle for hurdle in tested.hurdles if not hurdle.passed), None)
    if failed and failed.passed is None:
        raise Untestable(failed.words, {})
    return ("not reproduced", failed.words) if failed else ("reproduced", better)


def unclear(tested: Tested) -> str:
    """Of an effect that is clear by itself and not after correction; empty for all others."""
    if not tested.p < ALPHA <= tested.adjusted:
        return ""
    side = "Higher" if tested.effect > 0 else "Lower"
    return f"{side} by itself (p {p_text(tested.p)}), not after correction for {tested.over} (adjusted p {p_text(tested.adjusted)})"


def suffix_of(against: Against) -> str:
    """Of a table's columns."""
    return "_all" if against == "all" else ""


def name_of(row: Row) -> str:
    return f"{pair_name(int(row['a']), int(row['b']))} at index {row['index']}, {signed(float(row['coefficient']))}"


def absent(own: Evidence, what: str) -> NoReturn:
    """Raises Untestable: the sweep lacks these cells."""
    refused = f" ({own.table.refused[0]})" if own.table.refused else ""
    why = f"The sweep has no {what}: it runs {own.table.rollout.passes} passes{refused}."
    raise Untestable(why, {"passes": max(6, own.table.rollout.passes)})
