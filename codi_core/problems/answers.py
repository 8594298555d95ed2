"""How answers are read: the last number, or words by a rule of the eval set. A rule says what of an answer counts and in which form it is
compared; `evaluation.outcomes` and `evaluation.golds` ask here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from codi_core.problems.numbers import LEAD
from codi_core.values.questions import Answer, AnswerRule

LONGEST_WORDS = 8
"""Words of an answer that is taken for a text without being told so; longer ones hold an explanation."""
_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z'’])")
_TRUTH = re.compile(r"\b(true|false|yes|no)\b", re.IGNORECASE)
_IS_A = re.compile(r"(?P<who>\S.*?) (?P<verb>is an?) (?P<what>.+)")


@dataclass(frozen=True)
class Rule:
    """A row of `ANSWER_RULES`."""

    label: str
    """One line, as screens and the command line show it."""
    read: Callable[[str], Answer | None]
    """Answer of a model → the answer in the form in which two are compared; None when it holds none."""
    lead: str | None = None
    """What a model writes before an answer of this rule; None: what its prompt format says."""
    deciding: Callable[[str], int] = lambda gold: 0
    """Gold answer → place of the character at which right and wrong answers part: the margin is measured there."""


def _number(text: str) -> float | None:
    from codi_core.engine.answers import parse_number  # the engine's package may import torch, which the command line's help must not

    return parse_number(text)


def _hash(text: str) -> str | None:
    """As Coconut scores: what follows the last #, commas removed; without any # its code compares the whole text, which never fits."""
    return text.rsplit("#", 1)[1].replace(",", "").strip() or None if "#" in text else None


def _text(text: str) -> str | None:
    return " ".join(_after_lead(text).split()).rstrip(".").rstrip() or None


def _letter(text: str) -> str | None:
    """A capital that stands alone, the last one; a small letter only where it is all there is."""
    text = _after_lead(text).strip(" ().:\n")
    if len(text) == 1 and text.isalpha():
        return text.upper()
    found = _LETTER.findall(text)
    return found[-1] if found else None


def _truth(text: str) -> str | None:
    found = _TRUTH.findall(text)
    return {"yes": "true", "no": "false"}.get(found[-1].lower(), found[-1].lower()) if found else None


def _is_a(text: str) -> str | None:
    found = _IS_A.fullmatch(" ".join(_after_lead(text).split()).rstrip(". "))
    return f"{found['who']} is a {found['what']}".lower() if found else None


def _after_lead(text: str) -> str:
    """What follows the last # or "The answer is"."""
    return LEAD.sub("", text.rsplit("#", 1)[-1])


def _what(gold: str) -> int:
    found = _IS_A.match(gold)
    return found.start("what") if found else 0


ANSWER_RULES: dict[AnswerRule, Rule] = {
    "number": Rule("the last number in the answer", _number),
    "hash": Rule("what follows the last #, compared as text", _hash, lead="### "),
    "text": Rule('the whole answer, or what follows "The answer is", compared as text', _text),
    "letter": Rule("one letter, as of several choices", _letter),
    "true-false": Rule("true or false, or yes or no", _truth),
    "is-a": Rule('a sentence "A is a B"', _is_a, deciding=_what),
}


@lru_cache(maxsize=1 << 16)
def read_answer(rule: AnswerRule, text: str) -> Answer | None:
    """What a model answered, in the form in which answers are compared; None when it cannot be told."""
    return ANSWER_RULES[rule].read(text)


@lru_cache(maxsize=1 << 16)
def compared(rule: AnswerRule, gold: Answer) -> Answer | None:
    """A gold answer in the form in which answers are compared; None when it is not one of this rule."""
    if rule == "number":
        return gold if isinstance(gold, float | int) else None
    return ANSWER_RULES[rule].read(f"#{gold}" if rule == "hash" else str(gold))


def mentions(rule: AnswerRule, gold: Answer, text: str) -> bool:
    """Whether the correct answer stands anywhere in a text, as a number or as whole words, whether or not it is what the rule reads."""
    from codi_core.engine.answers import numbers_in  # see `_number`

    if rule == "number":
        return gold in numbers_in(text)
    return re.search(rf"(?<!\w){re.escape(str(gold).strip().rstrip('.'))}(?!\w)", text, re.IGNORECASE) is not None


def rule_of(golds: Sequence[str]) -> AnswerRule | None:
    """The rule that fits words as gold answers; None when they are too long to be answers."""
    fits: tuple[tuple[AnswerRule, re.Pattern[str]], ...] = (
        ("true-false", _TRUTH),
        ("letter", re.compile(r"\(?[A-Za-z][).:]?")),
        ("is-a", _IS_A),
    )
    for rule, pattern in fits:
        if all(pattern.fullmatch(gold.strip().rstrip(".")) for gold in golds):
            return rule
    return "text" if all(0 < len(gold.split()) <= LONGEST_WORDS for gold in golds) else None
