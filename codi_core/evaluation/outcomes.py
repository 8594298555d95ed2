"""From an answer to its outcome. Unparsed and truncated answers are outcomes of their own, not just wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from codi_core.problems.answers import compared, mentions, read_answer
from codi_core.values.evals import EvalRow, Outcome
from codi_core.values.model import ChainOfThought, Rollout
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.questions import Question


def outcome_of(answer: str, finished: bool, question: Question) -> Outcome:
    """By the question's answer rule; ``finished`` says whether the answer ended before the token limit."""
    if not finished:
        return "truncated"
    given = read_answer(question.rule, answer)
    if given is None:
        return "unparsed"
    return "correct" if given == compared(question.rule, question.gold) else "wrong"


def spells_out(answer: str) -> bool:
    """Whether an answer writes equations instead of giving a number: a model whose passes are cut short may think in words after all."""
    return "=" in answer


def counted(outcomes: Iterable[str], answers: Iterable[str]) -> Outcomes:
    """Of the same questions, in the same order."""
    kinds = Counter((outcome, spells_out(answer)) for outcome, answer in zip(outcomes, answers, strict=True))
    return Outcomes(
        correct=kinds["correct", False] + kinds["correct", True],
        wrong=kinds["wrong", False],
        spelled_out=kinds["wrong", True],
        cut_off=kinds["truncated", False] + kinds["truncated", True],
        no_number=kinds["unparsed", False] + kinds["unparsed", True],
        correct_spelled_out=kinds["correct", True],
    )


def only_form(fixed: Iterable[tuple[Question, str]], broken: Iterable[tuple[Question, str]]) -> OnlyForm:
    """Each question with its answer that does not count: the baseline's of the fixed, the steered one of the broken."""
    return OnlyForm(*(sum(mentions(question.rule, question.gold, text) for question, text in flipped) for flipped in (fixed, broken)))


def row_of(question: Question, answered: Rollout | ChainOfThought) -> EvalRow:
    return EvalRow(
        id=question.id,
        template=question.template,
        triple=question.triple,
        steps=len(question.steps),
        gold=question.gold,
        answer=answered.answer,
        given=read_answer(question.rule, answered.answer),
        outcome=outcome_of(answered.answer, answered.finished, question),
        groups=question.groups,
    )
