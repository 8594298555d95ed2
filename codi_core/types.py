"""Frozen values that cross layers: numpy arrays, strings and numbers. Torch tensors stop at `services`.

Axes: ``index`` 0..n (0 = bot, k = pass k); ``depth`` 0..L (0 = embeddings, d = residual after block d, before the final norm);
``layer`` 0..L-1 for the KV cache; ``d_model``; ``kv_head``; ``d_head``; ``k`` (rank among the top tokens); ``m`` (tracked token).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from codi_core.keys import key_of

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PromptFormat = Literal["answer-only", "paper", "paper-eos"]
RopeRounding = Literal["none", "bf16"]
Outcome = Literal["correct", "wrong", "unparsed", "truncated"]


@dataclass(frozen=True)
class ModelSpec:
    """Everything about a model that can change a number."""

    kind: ClassVar[str] = "model"
    name: str
    checkpoint: str
    """SHA-256 of the weight file (hex)."""
    dtype: str
    prompt_format: PromptFormat
    rope_rounding: RopeRounding
    lora_alpha: float | None = None
    """Scale of the LoRA product, which no file states; None for checkpoints without LoRA."""
    base: str = ""
    """SHA-256 (hex) of the architecture's config and the tokenizer."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class RolloutConfig:
    kind: ClassVar[str] = "rollout"
    passes: int = 6
    max_new_tokens: int = 32


@dataclass(frozen=True)
class TopToken:
    """One candidate of a distribution over the vocabulary."""

    id: int
    token: str
    prob: float


@dataclass(frozen=True)
class Rollout:
    """One question's way through the model: prompt, latents, answer."""

    question: str
    """As the model read it: stripped, double spaces made one."""
    input_ids: tuple[int, ...]
    input_tokens: tuple[str, ...]
    answer_ids: tuple[int, ...]
    """Generated ids without eos."""
    answer: str
    number: float | None
    """Last number in the answer, commas removed; None when there is none."""
    finished: bool
    """True when eos was generated within the limit."""
    top_answers: tuple[TopToken, ...]
    """Alternatives for the first answer token, most likely first."""
    h: Floats
    """``[index d_model]``: post-norm hidden state at bot and after each pass."""
    z: Floats
    """``[index d_model]``: h through the projection; the last one is never consumed."""
    resid: Floats
    """``[index depth d_model]``: residual stream, depth L before the final norm. No rows when residuals were not recorded."""
    keys: Floats
    """``[index layer kv_head d_head]``: the KV cache at bot and the latent slots (after rotation). No rows when not recorded."""
    values: Floats
    """``[index layer kv_head d_head]``"""


@dataclass(frozen=True)
class ChainOfThought:
    """One question answered with an explicit chain of thought, no latents: question, bot, chain, eot, answer."""

    question: str
    input_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    """Everything generated, without eos."""
    chain: str
    """Text up to eot."""
    answer: str
    """Text after eot; empty when eot never came."""
    number: float | None
    """Last number in the answer, commas removed; None when there is none."""
    finished: bool
    """True when eos was generated within the limit."""


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


@dataclass(frozen=True)
class Question:
    """One row of an evaluation set."""

    id: str
    question: str
    gold: float
    template: str
    """Wording with its numbers blanked: one half of the cluster."""
    triple: tuple[int, ...]
    """Parameters the story was made from; empty for files of others."""
    steps: tuple[float, ...]
    """Values of the reasoning steps in order, the last one is the answer; empty when unknown."""


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
