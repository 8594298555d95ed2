"""The one way a question becomes token ids, and the ids that frame it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from codi_core.errors import CheckpointError, InputError, ModelError
from codi_core.types import PromptFormat

MAX_PROMPT_CHARS = 20_000
BOT, EOT, PAD = "<|bocot|>", "<|eocot|>", "[PAD]"
TOKENIZER_FILE = "tokenizer.json"


@dataclass(frozen=True)
class SpecialIds:
    """Token ids that frame a rollout."""

    pad: int
    bot: int
    eot: int
    eos: int
    bos: int | None
    """None when the tokenizer adds no bos."""


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder. Raises ModelError when its files are absent or broken."""
    if not (folder / TOKENIZER_FILE).is_file():
        raise ModelError(f"No {TOKENIZER_FILE} in {folder}: give the folder of the base model with --base.")
    try:
        tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder, clean_up_tokenization_spaces=False)
    except Exception as error:  # the tokenizers library raises bare Exception for a malformed file
        raise ModelError(f"The tokenizer in {folder} cannot be read: {error}") from error
    return tokenizer


def special_ids(tokenizer: PreTrainedTokenizerFast, vocab_size: int) -> SpecialIds:
    """The tokenizer's own bot and eot, else the last two rows of the embedding, where the public code adds them.

    Raises CheckpointError when an id has no row in the embedding or there is no eos.
    """
    known = tokenizer.get_vocab()
    eos = tokenizer.eos_token_id
    if eos is None:
        raise CheckpointError("The tokenizer names no eos token, so answers would never stop: use the tokenizer of the Instruct base.")
    ids = SpecialIds(
        pad=known.get(PAD, tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos),
        bot=known.get(BOT, vocab_size - 2),
        eot=known.get(EOT, vocab_size - 1),
        eos=eos,
        bos=_added_bos(tokenizer),
    )
    largest = max(known.values(), default=0)
    if largest >= vocab_size:
        raise CheckpointError(f"The tokenizer has ids up to {largest}, the embedding {vocab_size} rows: they belong to different models.")
    return ids


def _added_bos(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """The bos id if the tokenizer puts one before a text (Llama does, GPT-2 has one and does not)."""
    bos = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None


def clean_question(question: str) -> str:
    """The text as the model reads it: stripped, double spaces made one, as in the public code.

    Raises InputError when nothing is left or it is longer than MAX_PROMPT_CHARS.
    """
    text = question.encode("utf-8", "replace").decode().strip().replace("  ", " ")  # a lone surrogate is no text
    if not text:
        raise InputError("The prompt is empty: type a question.")
    if len(text) > MAX_PROMPT_CHARS:
        raise InputError(f"The prompt has {len(text):,} characters, the limit is {MAX_PROMPT_CHARS:,}: shorten it.")
    return text


def build_prompt(tokenizer: PreTrainedTokenizerFast, ids: SpecialIds, prompt_format: PromptFormat, question: str) -> list[int]:
    """``[bos] question [eos] bot``; eos unless the format is ``paper``. Raises InputError as `clean_question` does."""
    text: list[int] = tokenizer(clean_question(question))["input_ids"]
    if prompt_format != "paper":
        text = [*text, ids.eos]
    return [*text, ids.bot]


def after_latents(ids: SpecialIds, prompt_format: PromptFormat) -> list[int]:
    """What is fed after the last pass, before the first answer token."""
    return [ids.eot, ids.eos] if prompt_format == "paper-eos" else [ids.eot]
