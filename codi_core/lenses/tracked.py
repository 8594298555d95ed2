"""From what a person wants to follow to token ids."""

from __future__ import annotations

import re

from codi_core.errors import InputError
from codi_core.models.model import CodiModel
from codi_core.values.lens import TrackedToken

MAX_CHARS = 100
_ID = re.compile(r"id:(\d{1,9})")
_WHOLE_NUMBER = re.compile(r"-?\d[\d,]*(\.0+)?")


def track(model: CodiModel, text: str) -> TrackedToken:
    """Every one-token spelling of ``text``: as it is, with and without a leading space, and for numbers without commas and zeros.

    ``id:123`` means exactly that token. When no spelling is one token the first token of the text is tracked, and ``note`` says so.
    Raises InputError for an empty or overlong text and for an id outside the vocabulary.
    """
    if not text or len(text) > MAX_CHARS:
        raise InputError(f"A tracked token of {len(text)} characters: give 1 to {MAX_CHARS}.")
    if exact := _ID.fullmatch(text):
        return _exactly(model, text, int(exact[1]))
    if text in model.token_names:
        return _exactly(model, text, model.token_names[text])
    encoded = [model.tokenizer(spelling, add_special_tokens=False)["input_ids"] for spelling in _spellings(text)]
    single = dict.fromkeys(ids[0] for ids in encoded if len(ids) == 1)
    if single:
        return TrackedToken(text, tuple(single), tuple(map(model.token_text, single)), "")
    shortest = min(encoded, key=len)
    pieces = [model.token_text(token) for token in shortest]
    note = f"{text!r} is {len(pieces)} tokens ({' | '.join(pieces)}): only the first, {pieces[0]!r}, is tracked. "
    note += "A lens reads the next token alone, so the whole of it has no probability in a latent."
    return TrackedToken(text, (shortest[0],), (pieces[0],), note, len(pieces))


def _exactly(model: CodiModel, text: str, token: int) -> TrackedToken:
    if token >= model.vocab_size:
        raise InputError(f"Token {token} does not exist: the vocabulary has ids 0 to {model.vocab_size - 1}.")
    return TrackedToken(text, (token,), (model.token_text(token),), "")


def _spellings(text: str) -> list[str]:
    bare = text.strip() or text
    if _WHOLE_NUMBER.fullmatch(bare):
        bare = bare.replace(",", "").partition(".")[0]
    return list(dict.fromkeys([bare, " " + bare, text]))
