"""The gold answer as the tokens a model would write."""

from __future__ import annotations

import math
from dataclasses import dataclass

from codi_core.errors import InputError
from codi_core.models.model import CodiModel
from codi_core.problems.answers import ANSWER_RULES, read_answer
from codi_core.values.model import Rollout
from codi_core.values.questions import Question


@dataclass(frozen=True)
class Gold:
    ids: tuple[int, ...]
    """Without eos."""
    at: int
    """Place of the first token at which right and wrong answers part, the number or the deciding word: the margin is measured there."""


def gold_of(model: CodiModel, question: Question) -> Gold:
    """An unknown answer gives eos, whose scores mean nothing."""
    if not question.known:
        return Gold((model.ids.eos,), 0)
    rule = ANSWER_RULES[question.rule]
    lead = model.lead if rule.lead is None else rule.lead
    written = _written(question.gold)
    ids = model.tokenizer.encode(lead + written, add_special_tokens=False)
    if question.rule == "number":
        first = next(place for place, token in enumerate(ids) if any(character.isdigit() for character in model.token_text(token)))
    else:
        first = _token_of(model, ids, len(lead) + rule.deciding(written))
    return Gold(tuple(ids), first)


def answered(text: str, rollout: Rollout) -> Question:
    """A question with the model's own answer for gold: its number, else its words. Raises InputError for an empty one."""
    if rollout.number is not None and math.isfinite(rollout.number):
        return Question(text, text, rollout.number, "", (), ())
    if (words := read_answer("text", rollout.answer)) is None:
        raise InputError("The model's answer is empty, so there is nothing to follow: ask something else.")
    return Question(text, text, words, "", (), (), "text")


def _written(gold: float | str) -> str:
    if isinstance(gold, str):
        return gold
    return str(int(gold)) if gold == int(gold) else repr(gold)


def _token_of(model: CodiModel, ids: list[int], character: int) -> int:
    """Place of the token that holds a character of the text they spell."""
    for place in range(len(ids)):
        if len(model.tokenizer.decode(ids[: place + 1])) > character:
            return place
    return max(len(ids) - 1, 0)
