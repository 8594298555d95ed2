"""The questions of an eval set as they are read: texts, answers, steps, groups, and what was left out of a file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from codi_core.problems.answers import ANSWER_RULES
from codi_core.problems.clusters import grouping
from codi_core.problems.evalsets import EVAL_SETS, load_eval_set, load_file
from codi_core.values.questions import EvalSetSpec, Question


@dataclass(frozen=True)
class QuestionSet:
    spec: EvalSetSpec
    questions: tuple[Question, ...]
    grouping: str
    """In words: which questions go together."""
    rule: str
    """In words: how answers are read."""
    left_out: tuple[str, ...]
    """Rows of the file that cannot be used, each with the reason; only when this was asked for."""

    def as_json(self) -> dict[str, Any]:
        return {
            "eval_set": {"key": self.spec.key, **dataclasses.asdict(self.spec)},
            "grouping": self.grouping,
            "answers": self.rule,
            "left_out": self.left_out,
            "questions": [_row(question) for question in self.questions],
        }


def read_set(name: str, n: int = 0, seed: int = 0) -> QuestionSet:
    """Raises DataError as `load_eval_set`."""
    spec, questions = load_eval_set(name, n, seed)
    left_out = () if name in EVAL_SETS else load_file(name)[1].left_out
    rules = dict.fromkeys(ANSWER_RULES[question.rule].label for question in questions)
    return QuestionSet(spec, questions, grouping(questions), "; ".join(rules), left_out)


def groups_of(question: Question) -> tuple[str, ...]:
    """What a question goes together with, one text a group."""
    ours = (
        f"triple:{' '.join(map(str, question.triple))}" if question.triple else "",
        question.template and f"template:{question.template}",
    )
    return tuple(filter(None, question.groups or ours))


def _row(question: Question) -> dict[str, Any]:
    return {
        "id": question.id,
        "question": question.question,
        "gold": question.gold,
        "steps": question.steps,
        "groups": groups_of(question),
        "rule": question.rule,
    }
