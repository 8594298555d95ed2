"""What is known about one prompt: the answer and step values of a problem of ours, also under another ending, or what a person gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from codi_core.errors import InputError
from codi_core.models.prompts import clean_question
from codi_core.problems.answers import read_answer
from codi_core.problems.evalsets import as_question, load_eval_set
from codi_core.problems.generate import generate, seed_prompt, team_prompt, templates
from codi_core.problems.stories import SUFFIXES
from codi_core.values.questions import Answer, Question

Source = Literal["ours", "another ending", "given"]
"""Who says so: the problem is ours to the letter, it is but for what is asked at its end, or a person gave it."""
MAX_STEPS = 12
WORDS = "who-has-more"
"""Of EVAL_SETS: ours with answers in words."""


@dataclass(frozen=True)
class Known:
    question: Question
    """Under the text that was asked."""
    source: Source


def known(text: str, gold: str = "", steps: Sequence[str] = ()) -> Known | None:
    """``text``: a cleaned question. ``gold`` and ``steps``, as typed, come before what we know of it; the last step is the answer.

    Raises InputError for a step value that is no number, and for too many of them.
    """
    if gold.strip() or steps:
        return Known(_given(text, gold.strip(), steps), "given")
    if text in known_problems():
        return Known(known_problems()[text], "ours")
    found = _without_ending().get(_bare(text))
    return Known(replace(found, question=text), "another ending") if found else None


def _given(text: str, gold: str, steps: Sequence[str]) -> Question:
    if len(steps) > MAX_STEPS:
        raise InputError(f"{len(steps)} step values: at most {MAX_STEPS} fit on the screen.")
    values = [_value(step) for step in steps]
    number = read_answer("number", gold) if gold else values[-1]
    if not isinstance(number, float):
        return Question(text, text, gold, "", (), (), rule="text")
    return Question(text, text, number, "", (), tuple(values if values and values[-1] == number else [*values, number]))


def _value(step: str) -> float:
    value: Answer | None = read_answer("number", step)
    if not isinstance(value, float):
        raise InputError(f"The step value {step!r:.40} is not a number: give numbers with commas between them, as in 8, 16.")
    return value


@cache
def known_problems() -> dict[str, Question]:
    """Problems of ours by their cleaned text: the two prompts of the posts, the template set, unseen ones of each kind, and those that are
    answered by a name.
    """
    problems = [seed_prompt(), team_prompt(), *templates(), *generate("test", 400), *generate("wordings", 200)]
    questions = [*map(as_question, problems), *load_eval_set(WORDS)[1]]
    return {clean_question(question.question): question for question in questions}


@cache
def _without_ending() -> dict[str, Question]:
    return {_bare(text): problem for text, problem in known_problems().items()}


def _bare(text: str) -> str:
    """Without what is asked at the end, as "Output only the answer and nothing else.\""""
    for suffix in SUFFIXES[1:]:
        text = text.removesuffix(suffix.strip()).rstrip()
    return text
