"""Questions and the sets they come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Literal

from codi_core.keys import key_of

Answer = float | str
"""A number, or words."""
AnswerRule = Literal["number", "hash", "text", "letter", "true-false", "is-a"]
"""How an answer is read and compared: `problems.answers.ANSWER_RULES`."""


def question_digest(question: str) -> str:
    """Short, stable identity of a question as the model reads it."""
    return hashlib.sha256(question.encode()).hexdigest()[:10]


@dataclass(frozen=True)
class Question:
    """One row of an evaluation set."""

    id: str
    question: str
    gold: Answer
    """A number for the rule ``number``, else words as they were published; NaN = unknown."""
    template: str
    """Wording with its numbers blanked: one half of the cluster."""
    triple: tuple[int, ...]
    """Parameters the story was made from; empty for files of others."""
    steps: tuple[float, ...]
    """Values of the reasoning steps in order, the last one is the answer; empty when unknown, and for answers in words."""
    rule: AnswerRule = "number"
    groups: tuple[str, ...] = ()
    """For files of others: which rows go together, ``column:value``, in one or two ways; an empty text is in no group of that way."""

    @property
    def known(self) -> bool:
        """Whether the gold answer is known."""
        return isinstance(self.gold, str) or self.gold == self.gold


@dataclass(frozen=True)
class EvalSetSpec:
    """Names the questions of an evaluation set so that the same spec always means the same rows."""

    kind: ClassVar[str] = "eval-set"
    name: str
    n: int
    """Number of rows; 0 = all."""
    seed: int
    digest: str
    """SHA-256 of the rows themselves."""

    @property
    def key(self) -> str:
        return key_of(self)
