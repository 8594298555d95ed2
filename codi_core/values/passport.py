"""What is known of published checkpoints, what was found about one on a machine, and whether the two agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

from codi_core.keys import key_of
from codi_core.values.evals import EvalSpec
from codi_core.values.model import LedgerEntry, ModelSpec
from codi_core.values.stats import Share

WIDEST = 0.10
"""An interval wider than this holds too much to say that a value was reproduced."""
Standing = Literal["reproduced", "not reproduced", "too few questions", "no published value", "not measured"]


@dataclass(frozen=True)
class Published:
    """An accuracy that somebody published."""

    eval_set: str
    """A name in EVAL_SETS."""
    accuracy: float
    """Share of right answers: 0..1."""
    n: int
    """Questions; 0: not said."""
    source: str


@dataclass(frozen=True)
class Check:
    """One prompt through the engine (all prompts in one batch) and through the oracle (batch 1, no cache)."""

    prompt: str
    answer: str
    expected: str
    """The oracle's answer."""
    distance: float
    """‖engine − oracle‖ / ‖oracle‖ over h and z of all indices."""
    passed: bool


@dataclass(frozen=True)
class PassportSpec:
    """What a passport is about: weights as they are asked, and the questions they were asked."""

    kind: ClassVar[str] = "passport"
    model: ModelSpec
    passes: int
    eval: EvalSpec | None
    """None: no questions could be had."""

    @property
    def key(self) -> str:
        return key_of(self)

    def is_of(self, model: ModelSpec) -> bool:
        """Whether it is about these weights, asked this way: under whatever name and in whatever precision."""
        return _weights(self.model) == _weights(model)


@dataclass(frozen=True)
class Passport:
    spec: PassportSpec
    hub_id: str | None
    ledger: tuple[LedgerEntry, ...]
    """Every tensor of the checkpoint, and what became of it."""
    assumed: tuple[str, ...]
    """What no file says and nobody asked for, in words."""
    notes: tuple[str, ...]
    """What was inferred from the files, in words."""
    checks: tuple[Check, ...]
    accuracy: Share | None
    """None: not measured."""
    unmeasured: str
    """Why not; empty when it was."""
    published: Published | None
    """On the same questions."""
    machine: str
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of the code and of the libraries it ran with; known once it is stored."""
    made: str = ""
    """UTC, ISO 8601; known once it is stored."""

    @property
    def sound(self) -> bool:
        """Whether the engine computes what the model is defined to compute."""
        return all(check.passed for check in self.checks)

    @property
    def standing(self) -> Standing:
        """The published accuracy lies in the 95 % interval of ours, which is narrow enough to mean something."""
        if self.accuracy is None:
            return "not measured"
        if self.published is None:
            return "no published value"
        if not self.accuracy.low <= self.published.accuracy <= self.accuracy.high:
            return "not reproduced"
        return "reproduced" if self.accuracy.high - self.accuracy.low <= WIDEST else "too few questions"

    @property
    def verdict(self) -> str:
        """In words."""
        if self.accuracy is None:
            return f"Not measured: {self.unmeasured}"
        found = f"{self.accuracy.value:.1%} right here (95 % interval {self.accuracy.low:.1%} to {self.accuracy.high:.1%}"
        found += f", n = {self.accuracy.n:,})"
        if self.published is None:
            return f"No published value on '{self._eval_set}' is known. {found}."
        theirs = f"{self.published.accuracy:.1%} published" + (f" (n = {self.published.n:,})" if self.published.n else "")
        return {
            "reproduced": f"Reproduced: {theirs}, {found}.",
            "not reproduced": f"Not reproduced: {theirs}, {found}.",
            "too few questions": f"Too few questions to tell: {theirs}, {found}; an interval of {WIDEST * 100:.0f} points is the widest.",
        }[self.standing]

    @property
    def summary(self) -> str:
        """In a line."""
        passed = sum(check.passed for check in self.checks)
        return f"{passed} of {len(self.checks)} prompts as the oracle. {self.verdict} Made {self.made[:10]}, {self.machine}"

    @property
    def _eval_set(self) -> str:
        return self.spec.eval.eval_set.name if self.spec.eval else ""

    def as_json(self) -> dict[str, Any]:
        """Everything, verdict included, as plain data."""
        key = {"key": self.spec.key, "model_key": self.spec.model.key}
        return {**key, **asdict(self), "sound": self.sound, "standing": self.standing, "verdict": self.verdict}


def _weights(model: ModelSpec) -> dict[str, Any]:
    return {**asdict(model), "name": "", "dtype": ""}
