"""Models and what they answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from codi_core.keys import ADDED_LATER, key_of
from codi_core.values.arrays import Floats

PromptFormat = Literal["answer-only", "paper", "paper-eos", "turn", "newline", "newline-turn", "as-is"]
"""What stands around a question and around its latents (`models.prompts.FRAMES`)."""
RunMode = Literal["latent", "explicit", "direct"]
"""Latent passes; a chain of thought in words; the answer at once."""
RopeRounding = Literal["none", "bf16"]


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
    family: str = field(default="codi", metadata=ADDED_LATER)
    """Name in `models.families.FAMILIES`."""
    lora_rule: str = field(default="", metadata=ADDED_LATER)
    """How alpha scales the LoRA product where it is not alpha / r everywhere: ``rslora``, or the adapter's alpha_pattern as JSON."""

    suffix: str = field(default="", metadata=ADDED_LATER)
    """Instruction that ends every question which does not end with one."""
    lead: str | None = field(default=None, metadata=ADDED_LATER)
    """What its answers begin with, before the number; None: as the prompt format's do."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class LedgerEntry:
    """What became of one tensor of a checkpoint."""

    name: str
    """In the file, without the family's prefix."""
    fate: str
    """``used``; ``LoRA, merged``; ``ignored: why``; ``kept apart: what it is``."""


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
    """One question answered without latents: question, bot, chain in words, eot, answer; or question, eot, answer."""

    question: str
    input_ids: tuple[int, ...]
    output_ids: tuple[int, ...]
    """Everything generated, without eos."""
    chain: str
    """Text up to eot; empty when the answer was asked for at once."""
    answer: str
    """Text after eot; empty when eot never came."""
    number: float | None
    """Last number in the answer, commas removed; None when there is none."""
    finished: bool
    """True when eos was generated within the limit."""
