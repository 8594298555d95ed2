"""Runs an eval set through a model: every question answered, every answer an outcome."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codi_core.engine.engine import Engine, Progress
from codi_core.engine.steps import OnStep
from codi_core.errors import DataError, InputError
from codi_core.evaluation.outcomes import row_of
from codi_core.evaluation.stats import Clusters
from codi_core.models.model import CodiModel
from codi_core.types import EvalRow, Mode, Question, RolloutConfig


def run_eval(
    engine: Engine,
    questions: Sequence[Question],
    config: RolloutConfig,
    mode: Mode = "latent",
    batch_size: int | None = None,
    progress: Progress | None = None,
    on_step: OnStep | None = None,
) -> list[EvalRow]:
    """Answer all questions, rows in their order; ``cot`` lets the model write its chain out instead of making latent passes.

    Raises InputError for a question the model cannot read (see `check_questions`), and whatever ``on_step`` raises.
    """
    texts = [question.question for question in questions]
    if mode == "cot":
        chains = engine.cot(texts, config.max_new_tokens, batch_size, progress, on_step)
        return [row_of(*pair) for pair in zip(questions, chains, strict=True)]
    rollouts = engine.rollout(texts, config, (), batch_size, progress, on_step, record=False)
    return [row_of(*pair) for pair in zip(questions, rollouts, strict=True)]


def check_questions(model: CodiModel, questions: Sequence[Question]) -> None:
    """To be asked before anything runs. Raises DataError naming the question that is blank or too long."""
    for question in questions:
        try:
            model.build_prompt(question.question)
        except InputError as error:
            raise DataError(f"Question {question.id}: {error}") from error


def clusters_of(rows: Sequence[EvalRow] | Sequence[Question]) -> Clusters:
    """By triple and by template. A triple means the same only within a family of stories; rows of files stand for themselves."""
    triples = [f"{family_of(row)}:{row.triple}" if row.triple else row.id for row in rows]
    return np.array(triples), np.array([row.template or row.id for row in rows])


def family_of(row: EvalRow | Question) -> str:
    """Kind of story; empty for rows of files."""
    return row.template.partition("/")[0]
