"""From an answer to its outcome. Unparsed and truncated answers are outcomes of their own, not just wrong."""

from __future__ import annotations

from codi_core.types import ChainOfThought, EvalRow, Outcome, Question, Rollout


def outcome_of(number: float | None, finished: bool, gold: float) -> Outcome:
    """``number`` is the last one in the answer; ``finished`` says whether the answer ended before the token limit."""
    if not finished:
        return "truncated"
    if number is None:
        return "unparsed"
    return "correct" if number == gold else "wrong"


def spells_out(answer: str) -> bool:
    """Whether an answer writes equations instead of giving a number: a model whose passes are cut short may think in words after all."""
    return "=" in answer


def row_of(question: Question, answered: Rollout | ChainOfThought) -> EvalRow:
    return EvalRow(
        id=question.id,
        template=question.template,
        triple=question.triple,
        steps=len(question.steps),
        gold=question.gold,
        answer=answered.answer,
        number=answered.number,
        outcome=outcome_of(answered.number, answered.finished, question.gold),
    )
