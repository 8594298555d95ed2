"""What lenses read, and what is known about a lens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from codi_core.keys import key_of
from codi_core.values.arrays import Floats, Ints
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question, question_digest
from codi_core.values.stats import Estimates
from codi_core.values.vectors import MeansSpec


@dataclass(frozen=True)
class LensGrid:
    """What a lens reads at every index and depth."""

    lens: str
    model_key: str
    top_ids: Ints
    """``[index depth k]``"""
    top_tokens: npt.NDArray[np.str_]
    """``[index depth k]``, decoded."""
    top_probs: Floats
    """``[index depth k]``"""
    entropy: Floats
    """``[index depth]``, nats."""
    kl: Floats
    """``[index depth]``, KL(output || lens) in nats; the last depth is the output itself, so 0."""
    tracked_ids: tuple[int, ...]
    tracked_tokens: tuple[str, ...]
    tracked_rank: Ints
    """``[index depth m]``, 1 = most likely."""
    tracked_prob: Floats
    """``[index depth m]``"""

    def prob_of(self, tracked: TrackedToken) -> Floats:
        """``[index depth]``: probability of any of its spellings."""
        total: Floats = self.tracked_prob[..., self._columns(tracked)].sum(-1)
        return total

    def rank_of(self, tracked: TrackedToken) -> Ints:
        """``[index depth]``: rank of its likeliest spelling."""
        best: Ints = self.tracked_rank[..., self._columns(tracked)].min(-1)
        return best

    def _columns(self, tracked: TrackedToken) -> list[int]:
        return [self.tracked_ids.index(token) for token in tracked.ids]


@dataclass(frozen=True)
class TrackedToken:
    """Something a person follows through a grid: one or more spellings of it, each one token."""

    text: str
    """As it was asked for."""
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    """The spellings, decoded."""
    note: str
    """Why it is not all of ``text``; empty when it is."""
    pieces: int = 1
    """Tokens of ``text``; of more than one, the first is followed."""
    answered: float | None = None
    """Of more than one: the probability that the model's answer begins with all of ``text``, each token after the ones before."""


@dataclass(frozen=True)
class LensCard:
    """Where a trained lens comes from and how well it does on questions it was not trained on."""

    name: str
    """``kind:variant``"""
    model: ModelSpec
    """The model it was trained on."""
    key: str
    """Of the training spec."""
    indices: tuple[int, ...]
    """Indices whose latents it was trained on; empty: positions of the prompt's text."""
    train_set: str
    held_out_set: str
    n_latents: int
    """Latents (or text positions) trained on."""
    n_held_out: int
    """Held-out questions."""
    seed: int
    kl: Floats
    """``[index depth]``: KL(output || lens) in nats, mean over the held-out questions."""
    kl_plain: Floats
    """The same for the logit lens."""
    agree: Floats
    """``[index depth]``: share of held-out questions where the lens' first token is the output's."""
    agree_plain: Floats
    """The same for the logit lens."""
    questions: tuple[str, ...]
    """Digest (see `question_digest`) of every question it was trained on."""

    @property
    def recipe(self) -> str:
        """How it was made, in words."""
        raise NotImplementedError

    def trained_on(self, question: str) -> bool:
        return question_digest(question) in self.questions


@dataclass(frozen=True)
class TunedCard(LensCard):
    """Of a lens that was learnt step by step."""

    steps: int
    batch: int
    lr: float
    curve: tuple[tuple[int, float, float], ...]
    """Step, training KL since the last entry, held-out KL (mean over depths below the last, and the trained indices)."""

    @property
    def recipe(self) -> str:
        return f"{self.steps:,} steps of {self.batch}, lr {self.lr:g}, seed {self.seed}"


@dataclass(frozen=True)
class JacobianCard(LensCard):
    """Of a lens that is a mean of Jacobians, one a question."""

    n_prompts: int
    """Questions averaged: those drawn whose answer is a number."""
    passes: int
    """Of the rollouts that were differentiated."""
    norms: tuple[float, float]
    """Median and largest over the questions of max over cells ‖J‖ / √d: far apart where a few questions make up the mean."""
    half_cosine: Floats
    """``[index depth]``, one index when pooled: cosine between the means of two halves of the questions."""
    direction_cosine: Floats
    """``[index depth]``: mean cosine between the directions of a token from the two halves."""

    @property
    def recipe(self) -> str:
        told = self.half_cosine[self.half_cosine != 0]  # what reaches nothing has no direction
        halves = f", cosine between halves {float(told.mean()):.2f}" if told.size else ""
        return f"Jacobians of {self.n_prompts:,} rollouts of {self.passes} passes{halves}, seed {self.seed}"


@dataclass(frozen=True)
class LensOption:
    """A lens one can choose for a model."""

    name: str
    """``kind`` or ``kind:variant``: what requests and links say."""
    label: str
    """The kind, as screens call it."""
    about: str
    """How to read it, in one sentence."""
    card: LensCard | None = None
    """None when it was not trained."""
    constant: bool = False
    """Whether it adds a constant to every residual, which cancels in a difference."""

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def variant(self) -> str:
        """Empty for a kind without variants."""
        return self.name.partition(":")[2]

    @property
    def title(self) -> str:
        """``Logit``, ``Tuned (odd)``"""
        return f"{self.label} ({self.variant})" if self.variant else self.label


@dataclass(frozen=True, eq=False)
class DifferenceGrid:
    """Differences of mean residuals read through a lens, for every ordered pair of indices; zero, and saying nothing, where a = b."""

    means: MeansSpec
    n: int
    """Questions behind the means."""
    lens: str
    sign: Literal["B-A", "A-B"]
    with_bias: bool
    """As in the post: the translator's bias is added to the difference, as if it were a residual."""
    top_ids: Ints
    """``[a b depth k]``"""
    top_tokens: npt.NDArray[np.str_]
    top_probs: Floats
    entropy: Floats
    """``[a b depth]``, nats."""
    norms: Floats
    """``[a b depth]``, of the difference itself."""
    split_half: Floats
    """``[a b depth]``: cosine between the differences of two halves of the questions; NaN where a = b."""


@dataclass(frozen=True)
class DetectionSpec:
    """A lens read over an eval set, in an order of its own so that the first questions are a fair sample."""

    kind: ClassVar[str] = "detection"
    model: ModelSpec
    lens: str
    lens_key: str
    """Key of the lens' training; empty for lenses that need none."""
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    top_k: int = 10

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class LensReadings:
    """What a lens reads in the latents of many questions, question by question, so that any statistic can be asked of it later."""

    spec: DetectionSpec
    total: int
    """Questions there will be; fewer are read while it runs, or when it was stopped."""
    questions: tuple[Question, ...]
    """Those read so far."""
    targets: tuple[str, ...]
    """``answer``, then ``step 1``, ``step 2``, … before the answer."""
    values: Floats
    """``[question target]``; NaN where a question has no such step, a number of its own for each answer in words."""
    token_ids: Ints
    """``[question target spelling]``: its one-token spellings, padded with -1; none when the value needs several tokens."""
    top_ids: Ints
    """``[question index depth k]``"""
    entropy: Floats
    """``[question index depth]``, nats."""
    prob: Floats
    """``[question index depth target]``, all spellings together; 0 where there is none."""
    correct: npt.NDArray[np.bool_]
    """``[question]``: whether the model answered it right."""

    @property
    def complete(self) -> bool:
        return len(self.questions) == self.total


@dataclass(frozen=True, eq=False)
class DetectionMap:
    """How often the value of a target is among the k likeliest tokens, and how often a value of another question is."""

    target: str
    found: Estimates
    """``[k index depth]``, k = 1 first."""
    permuted: Estimates
    """The same for values of other questions that are no value of this one."""
    multi_token: int
    """Questions left out because the value is no single token of this model."""
    without: int
    """Questions left out because they have no such step."""
