"""Runs an eval set through a model: every question answered, every answer an outcome."""

from __future__ import annotations

from collections.abc import Sequence

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, InputError
from codi_core.evaluation.outcomes import row_of
from codi_core.models.model import CodiModel
from codi_core.values.callbacks import CheckCancelled, OnProgress
from codi_core.values.evals import EvalRow, Mode
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question


def run_eval(
    engine: Engine,
    questions: Sequence[Question],
    config: RolloutConfig,
    mode: Mode = "latent",
    batch_size: int | None = None,
    progress: OnProgress | None = None,
    check_cancelled: CheckCancelled | None = None,
) -> list[EvalRow]:
    """Answer all questions, rows in their order; ``cot`` lets the model write its chain out instead of making latent passes.

    Raises InputError for a question the model cannot read (see `check_questions`), and whatever ``check_cancelled`` raises.
    """
    texts = [question.question for question in questions]
    if mode == "cot":
        chains = engine.cot(texts, config.max_new_tokens, batch_size, progress, check_cancelled)
        return [row_of(*pair) for pair in zip(questions, chains, strict=True)]
    rollouts = engine.rollout(texts, config, (), batch_size, progress, check_cancelled, record=False)
    return [row_of(*pair) for pair in zip(questions, rollouts, strict=True)]


def check_questions(model: CodiModel, questions: Sequence[Question]) -> None:
    """To be asked before anything runs. Raises DataError naming the question that is blank or too long."""
    for question in questions:
        try:
            model.build_prompt(question.question)
        except InputError as error:
            raise DataError(f"Question {question.id}: {error}") from error
