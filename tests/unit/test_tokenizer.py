"""The bundled tokenizer: numbers are single tokens, any text survives."""

from __future__ import annotations

from itertools import islice

import pytest
from tokenizers import Tokenizer

from codi_core.problems.generate import MAX_VALUE, stream
from codi_core.training.tokenizer import BOT, EOT, train_tokenizer


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer((p.question + p.cot for p in islice(stream("train", 0), 300)), words=600)


def test_every_number_is_one_token_wherever_it_stands(tokenizer: Tokenizer) -> None:
    for n in range(MAX_VALUE + 1):
        alone = tokenizer.encode(str(n), add_special_tokens=False).tokens
        assert alone == [str(n)]
        assert str(n) in tokenizer.encode(f"has {n} apples, {n}% ({n})").tokens


def test_bot_and_eot_are_the_last_two_rows(tokenizer: Tokenizer) -> None:
    size = tokenizer.get_vocab_size()
    assert (tokenizer.token_to_id(BOT), tokenizer.token_to_id(EOT)) == (size - 2, size - 1)


@pytest.mark.parametrize("text", ["007", "1,234.5", "naïve 😀 ﷽", "<script>alert(1)</script>", "a\tb\nc  d", "\x00\x1b"])
def test_any_text_round_trips(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text
