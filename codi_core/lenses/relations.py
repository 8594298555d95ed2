"""Which numbers in a grid mean something in a problem: its values, its operands, and simple relations of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codi_core.values.questions import Question

_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
NEAR = 10


def relations(question: str, problem: Question | None, typed: Sequence[str] = ()) -> dict[str, str]:
    """Number as text, or the answer in words → what it is: ``answer``, ``step 2``, ``typed``, ``operand``, ``2 × step 1``,
    ``answer + 10``. The first that fits.

    Twice a value and ten more or less are what the posts saw beside the answer. ``typed`` are tracked texts; those that are no number
    are left out, and so is the answer of a question that is not known.
    """
    values: dict[float, str] = {}
    if problem:
        if not isinstance(problem.gold, str):
            values[problem.gold] = "answer"
        for number, value in enumerate(problem.steps[:-1], 1):
            values.setdefault(value, f"step {number}")
    for text in typed:
        if _NUMBER.fullmatch(text.strip()):
            values.setdefault(_number(text.strip()), "typed")
    found = dict(values)
    for text in _NUMBER.findall(question):
        found.setdefault(_number(text), "operand")
    for value, name in values.items():
        found.setdefault(2 * value, f"2 × {name}")
    for value, name in values.items():
        found.setdefault(value + NEAR, f"{name} + {NEAR}")
        found.setdefault(value - NEAR, f"{name} − {NEAR}")
    words = {problem.gold: "answer"} if problem and isinstance(problem.gold, str) else {}
    return {**words, **{f"{value:.10g}": what for value, what in found.items() if value >= 0}}


def _number(text: str) -> float:
    return float(text.replace(",", ""))
