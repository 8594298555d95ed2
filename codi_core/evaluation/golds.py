"""The gold answer as the tokens a model would write."""

from __future__ import annotations

import math
from dataclasses import dataclass

from codi_core.models.model import CodiModel

LEAD = {"answer-only": "", "paper": "The answer is: ", "paper-eos": "The answer is: "}
"""What stands before the number, by prompt format."""


@dataclass(frozen=True)
class Gold:
    ids: tuple[int, ...]
    """Without eos."""
    at: int
    """Place of the first token that holds a digit: the margin is measured there."""


def gold_of(model: CodiModel, gold: float) -> Gold:
    """NaN stands for an unknown answer and gives eos, whose scores mean nothing."""
    if math.isnan(gold):
        return Gold((model.ids.eos,), 0)
    number = str(int(gold)) if gold == int(gold) else repr(gold)
    ids = model.tokenizer.encode(LEAD[model.spec.prompt_format] + number, add_special_tokens=False)
    first = next(place for place, token in enumerate(ids) if any(character.isdigit() for character in model.token_text(token)))
    return Gold(tuple(ids), first)
