"""Answers, their outcomes, and what an intervention does to them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from codi_core.keys import key_of
from codi_core.values.arrays import Floats, Ints
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.questions import Answer, EvalSetSpec
from codi_core.values.stats import Estimate, PairedComparison, Share
from codi_core.values.verdict import Verdict

Outcome = Literal["correct", "wrong", "unparsed", "truncated"]


Mode = Literal["latent", "cot"]


@dataclass(frozen=True)
class EvalSpec:
    """One model answering one eval set: everything that decides the outcomes."""

    kind: ClassVar[str] = "eval"
    model: ModelSpec
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    """In mode ``cot`` there are no passes: 0."""
    mode: Mode = "latent"

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class EvalRow:
    """What became of one question."""

    id: str
    template: str
    triple: tuple[int, ...]
    steps: int
    """Number of reasoning steps; 0 when unknown."""
    gold: Answer
    answer: str
    given: Answer | None
    """What the answer rule reads in the answer."""
    outcome: Outcome
    groups: tuple[str, ...] = ()
    """As of the question."""


@dataclass(frozen=True)
class EvalRun:
    """One row per question, in the order of the eval set."""

    rows: tuple[EvalRow, ...]

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        """``[question]``"""
        return np.array([row.outcome == "correct" for row in self.rows], dtype=bool)


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """Answers under one condition, of a whole eval set or of the part that is done. All arrays ``[question]``."""

    _ARRAYS: ClassVar[tuple[str, ...]] = ("numbers", "parsed", "outcomes", "p_gold", "margin")
    numbers: Ints
    """Places of the questions in the eval set."""
    answers: tuple[str, ...]
    parsed: npt.NDArray[np.float64]
    """Last number in the answer, whatever its rule; NaN when there is none."""
    outcomes: npt.NDArray[np.str_]
    p_gold: Floats
    """Probability of the gold answer's tokens, each after the ones before it (teacher forcing)."""
    margin: Floats
    """Logit of the gold answer's first token minus the best other one's."""

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        right: npt.NDArray[np.bool_] = self.outcomes == "correct"
        return right

    def joined(self, other: ScoredRun) -> ScoredRun:
        """Both parts, this one first."""
        arrays = {name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in self._ARRAYS}
        return ScoredRun(answers=self.answers + other.answers, **arrays)

    def sorted(self) -> ScoredRun:
        """In the order of the eval set."""
        return self.take(np.argsort(self.numbers, kind="stable"))

    def take(self, rows: npt.NDArray[np.integer]) -> ScoredRun:
        """Some rows of this run, in the order given."""
        return ScoredRun(answers=tuple(self.answers[row] for row in rows), **{name: getattr(self, name)[rows] for name in self._ARRAYS})


@dataclass(frozen=True)
class Controls:
    """The same push in directions that mean nothing: random ones of the same length, shuffled steps."""

    accuracy: tuple[float, ...]
    """Change of accuracy, one a direction, on the questions done."""
    margin: tuple[float, ...]
    """Mean change of the gold logit margin."""
    percentile: float | None
    """Share of directions that do less than the effect on accuracy, ties half: 0..100. Near 50 = like a random push. None for too few."""
    margin_percentile: float | None
    outcomes: Outcomes
    """Of all directions together."""


@dataclass(frozen=True, eq=False)
class SteeringEffect:
    """What a condition does to an eval set, or to the part of it that is done."""

    key: str
    """Of the condition."""
    baseline_key: str
    done: int
    total: int
    baseline: Share
    steered: Share
    paired: PairedComparison
    """a = baseline, b = steered."""
    margin: Estimate
    """Change of the gold logit margin: moves long before answers do."""
    p_gold: Estimate
    """Change of the gold answer's probability."""
    changed: int
    """Answers that are not the same text."""
    transitions: dict[tuple[Outcome, Outcome], int]
    """Questions by outcome under the baseline and steered."""
    baseline_outcomes: Outcomes
    steered_outcomes: Outcomes
    only_form: OnlyForm
    """Of the fixed and broken questions."""
    fixed: tuple[int, ...]
    """Places in the eval set of the questions only the steered model gets right."""
    broken: tuple[int, ...]
    identical: bool
    """Every answer and every score equals the baseline bit for bit."""
    controls: Controls | None
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """As the command line prints it and bundles hold it: the verdict in words, transitions by a text."""
        transitions = {f"{before} → {after}": count for (before, after), count in self.transitions.items()}
        words = {"verdict": self.verdict.sentence(), "sure": self.verdict.sure()}
        return {**asdict(replace(self, transitions={})), "transitions": transitions, **words}
