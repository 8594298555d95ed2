"""Numbers in answers, and which questions run together."""

from __future__ import annotations

import pytest

from codi_core.engine.answers import parse_number
from codi_core.engine.batching import plan_batches


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", 18.0),
        ("The answer is: 1,234", 1234.0),
        ("3 of 4.5", 4.5),
        ("-7", -7.0),
        ("5.", 5.0),
        ("$3.50.", 3.5),
        ("10-3", -3.0),
        ("", None),
        ("none", None),
        ("1,000,000 and 2", 2.0),
        ("٣", 3.0),
    ],
)
def test_the_last_number_counts(text: str, number: float | None) -> None:
    assert parse_number(text) == number


def test_batches_are_sorted_by_length_and_hold_every_question_once() -> None:
    lengths = [30, 10, 20, 10, 50]
    batches = plan_batches(lengths, batch_size=2, extra_tokens=0, token_budget=0)
    assert batches == [[1, 3], [2, 0], [4]]
    assert plan_batches(lengths, None, extra_tokens=10, token_budget=79) == [[1, 3], [2], [0], [4]]
    assert plan_batches(lengths, None, extra_tokens=0, token_budget=10**6) == [[1, 3, 2, 0, 4]]
    assert plan_batches([999], None, 10, 100) == [[0]]
    assert plan_batches([], 4, 10, 100) == []
