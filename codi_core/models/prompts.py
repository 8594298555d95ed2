"""The one way a question becomes token ids, and what frames it and its answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from codi_core.errors import InputError
from codi_core.models.rows import SpecialIds
from codi_core.values.model import PromptFormat

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MAX_PROMPT_CHARS = 20_000


@dataclass(frozen=True)
class Frame:
    """A prompt format: ``[bos] question [newline] [turn] bot``, the latents, then ``eot [eos]``."""

    turn: Literal["", "eos", "eot_id"] = ""
    """What ends the question: eos, Llama's ``<|eot_id|>`` where the tokenizer has it, or nothing."""
    newline: bool = False
    """A line break ends the question's text."""
    strips: bool = True
    """The text is stripped and double spaces made one, as the CODI code does; else it is read as it is."""
    eos_after: bool = False
    """eos follows eot."""
    lead: str = ""
    """What the answers it was trained on begin with, before the number."""


INSTRUCTIONS = ("Output only the answer and nothing else.", "Give the answer only and nothing else.")
"""Ends of questions that need no other instruction: of the CODI authors' data and of the posts' templates."""
CODI_LEAD = "The answer is: "
FRAMES: dict[PromptFormat, Frame] = {
    "answer-only": Frame(turn="eos"),
    "paper": Frame(lead=CODI_LEAD),
    "paper-eos": Frame(turn="eos", eos_after=True, lead=CODI_LEAD),
    "turn": Frame(turn="eot_id", lead=CODI_LEAD),
    "newline": Frame(newline=True, strips=False, lead="### "),
    "newline-turn": Frame(turn="eot_id", newline=True, strips=False, lead="### "),
    "as-is": Frame(strips=False, lead=CODI_LEAD),
}


def clean_question(question: str) -> str:
    """The text stripped, double spaces made one, as in the CODI code; how questions are compared and stored.

    Raises InputError when nothing is left or it is longer than MAX_PROMPT_CHARS.
    """
    text = _text(question).strip().replace("  ", " ")
    if not text:
        raise InputError("The prompt is empty: type a question.")
    if len(text) > MAX_PROMPT_CHARS:
        raise InputError(f"The prompt has {len(text):,} characters, the limit is {MAX_PROMPT_CHARS:,}: shorten it.")
    return text


def as_read(frame: Frame, question: str, suffix: str = "") -> str:
    """The question's text as a model of this prompt format reads it, ``suffix`` at its end unless an instruction is there.

    Raises InputError as `clean_question` does.
    """
    cleaned = clean_question(question)
    text = cleaned if frame.strips else _text(question)
    return text if cleaned.endswith((*INSTRUCTIONS, suffix.strip() or INSTRUCTIONS[0])) else text + suffix


def build_prompt(tokenizer: PreTrainedTokenizerFast, ids: SpecialIds, frame: Frame, question: str, suffix: str = "") -> list[int]:
    """``[bos] question … bot``, see `Frame` and `as_read`. Raises InputError as `clean_question` does."""
    text: list[int] = tokenizer(as_read(frame, question, suffix) + "\n" * frame.newline)["input_ids"]
    turn = {"": None, "eos": ids.eos, "eot_id": ids.turn_end}[frame.turn]
    return [*text, *([] if turn is None else [turn]), ids.bot]


def after_latents(ids: SpecialIds, frame: Frame) -> list[int]:
    """What is fed after the last pass, before the first answer token."""
    return [ids.eot, ids.eos] if frame.eos_after else [ids.eot]


def _text(question: str) -> str:
    return question.encode("utf-8", "replace").decode()  # a lone surrogate is no text
