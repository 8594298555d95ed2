"""Which rows of the embedding are the family's own tokens: from the tokenizer, else from the base's vocabulary and the family's order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codi_core.errors import CheckpointError
from codi_core.models.families import Family, Role

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TURN_END = "<|eot_id|>"
PADDED_TO = (8, 16, 32, 64, 128, 256)
"""Multiples that embeddings are padded to."""


@dataclass(frozen=True)
class SpecialIds:
    """Token ids that frame a rollout."""

    pad: int
    bot: int
    eot: int
    eos: int
    bos: int | None
    """None when the tokenizer adds no bos."""
    latent: int | None = None
    """Stands for a latent in text; None in families without such a token."""
    turn_end: int | None = None
    """Llama's ``<|eot_id|>``; None when the tokenizer has none."""
    padding: tuple[int, ...] = ()
    """Rows at the end that no token has: an answer never writes them."""


@dataclass(frozen=True)
class Rows:
    """The embedding's rows, and what is known about them."""

    count: int
    base: int | None
    """The base model's own; None when only the checkpoint's own config.json is there, which may count the added ones."""

    def added(self, tokenizer: PreTrainedTokenizerFast, family: Family) -> int:
        """How many rows there are beyond the base's, or beyond the tokenizer's other tokens when the base is unknown."""
        base = self.base if self.base is not None else _own_size(tokenizer, family)
        return self.count - base


def special_ids(tokenizer: PreTrainedTokenizerFast, family: Family, rows: Rows) -> tuple[SpecialIds, tuple[str, ...]]:
    """The ids, and notes on what was inferred.

    Raises CheckpointError when the rows do not add up, an id has no row, or there is no eos.
    """
    known = tokenizer.get_vocab()
    largest = max(known.values(), default=0)
    if largest >= rows.count:
        raise CheckpointError(f"The tokenizer has ids up to {largest}, the embedding {rows.count} rows: they belong to different models.")
    eos = tokenizer.eos_token_id
    if eos is None:
        raise CheckpointError("The tokenizer names no eos token, so answers would never stop: use the tokenizer of the Instruct base.")
    named = {added.role: known[added.name] for added in family.added if added.name in known}
    notes: tuple[str, ...] = ()
    if {"bot", "eot"} <= named.keys():
        ids, first_free = named, largest + 1
    else:
        first = _first_added(tokenizer, family, rows, named)
        ids, first_free = {added.role: first + place for place, added in enumerate(family.added)}, first + len(family.added)
        notes = (f"bot is row {ids['bot']} and eot row {ids['eot']}, from the base's {first} rows and the order of {family.label}",)
    padding = _padding(rows, family, first_free, named)
    if padding:
        notes += (f"rows {padding[0]} to {padding[-1]} are padding: no token has them, and answers never write them",)
    own_pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else eos
    return (
        SpecialIds(
            pad=ids.get("pad", own_pad),
            bot=ids["bot"],
            eot=ids["eot"],
            eos=eos,
            bos=_added_bos(tokenizer),
            latent=ids.get("latent"),
            turn_end=known.get(TURN_END),
            padding=padding,
        ),
        notes,
    )


def name_tokens(tokenizer: PreTrainedTokenizerFast, family: Family, ids: SpecialIds) -> None:
    """Teach the tokenizer the family's tokens, where the family's code does and the base's tokenizer lacks them."""
    wanted = {"bot": ids.bot, "eot": ids.eot, "latent": ids.latent}
    missing = [added for added in family.added if added.name not in tokenizer.get_vocab()]
    if family.names_tokens and [wanted[added.role] for added in missing] == list(_next_ids(tokenizer, len(missing))):
        tokenizer.add_tokens([added.name for added in missing])


def _next_ids(tokenizer: PreTrainedTokenizerFast, count: int) -> Iterable[int]:
    return range(len(tokenizer), len(tokenizer) + count)


def _first_added(tokenizer: PreTrainedTokenizerFast, family: Family, rows: Rows, named: dict[Role, int]) -> int:
    """The first row that the family added, when the tokenizer does not name bot and eot."""
    first = rows.base if rows.base is not None else _own_size(tokenizer, family)
    if rows.count < first:
        raise CheckpointError(
            f"The embedding has {rows.count} rows, fewer than the base's {first}: name the base it was trained from (--base)."
        )
    for role, token in named.items():
        expected = first + (family.index_of(role) or 0)
        if token != expected:
            raise CheckpointError(
                f"The tokenizer gives {family.name_of(role)} id {token}; {family.label} would add it as row {expected} after the base's "
                f"{first} rows. So bot and eot are not known: name the right base (--base) or a tokenizer that spells them."
            )
    return first


def _padding(rows: Rows, family: Family, first_free: int, named: dict[Role, int]) -> tuple[int, ...]:
    """Rows beyond every token; raises CheckpointError when there are too few or when nothing explains them."""
    extra = rows.count - first_free
    spelled = {"bot", "eot"} <= named.keys()
    if spelled and rows.base is not None and rows.count <= rows.base + len(family.added):
        return ()  # the base itself has rows without a token, as Qwen's has
    if extra == 0 or (spelled and rows.base is None):
        return ()
    if extra > 0 and (spelled or any(-(-first_free // multiple) * multiple == rows.count for multiple in PADDED_TO)):
        return tuple(range(first_free, rows.count))
    base = first_free - len(family.added)
    raise CheckpointError(
        f"The embedding has {rows.count} rows, the base {base}: {rows.count - base} were added, and {family.label} adds "
        f"{len(family.added)} ({', '.join(added.name for added in family.added)}). Which of them is which cannot be told: give a tokenizer "
        "that names them, the right base (--base), or the right family (--family)."
    )


def _own_size(tokenizer: PreTrainedTokenizerFast, family: Family) -> int:
    """Rows that the tokenizer's tokens take, the family's left out."""
    names = {added.name for added in family.added}
    return max((token for name, token in tokenizer.get_vocab().items() if name not in names), default=-1) + 1


def _added_bos(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """The bos id if the tokenizer puts one before a text (Llama does, GPT-2 has one and does not)."""
    bos = tokenizer.bos_token_id
    return bos if bos is not None and tokenizer("a")["input_ids"][:1] == [bos] else None
