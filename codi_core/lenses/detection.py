"""Reads a lens in the latents of many questions: which tokens it finds where, and how likely the values of the reasoning steps are."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.lenses.base import Lens
from codi_core.lenses.readout import read_lens
from codi_core.lenses.tracked import track
from codi_core.models.model import CodiModel
from codi_core.problems.answers import compared, read_answer
from codi_core.values.arrays import Ints
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.lens import DetectionSpec, LensReadings
from codi_core.values.model import Rollout
from codi_core.values.questions import Question

SPELLINGS = 3
"""One-token spellings `track` can find of a number, at most."""


def target_names(questions: Sequence[Question]) -> tuple[str, ...]:
    """The answer, and as many steps before it as the longest question has."""
    longest = max((len(question.steps) for question in questions), default=0)
    return ("answer", *(f"step {number}" for number in range(1, longest)))


def read_questions(
    engine: Engine,
    lens: Lens,
    spec: DetectionSpec,
    questions: Sequence[Question],
    targets: tuple[str, ...],
    check_cancelled: CheckCancelled,
) -> LensReadings:
    """One batch of an eval set; `joined` puts batches together."""
    model = engine.model
    rollouts = engine.rollout([question.question for question in questions], spec.rollout, check_cancelled=check_cancelled)
    values = [_values(question, len(targets)) for question in questions]
    token_ids = _token_ids(model, questions, values)
    resid = torch.from_numpy(np.stack([rollout.resid for rollout in rollouts])).to(model.device, model.dtype)
    n, indices, depths, _ = resid.shape
    tracked = torch.from_numpy(token_ids).to(model.device).clamp_min(0).view(n, 1, -1).expand(-1, indices, -1).flatten(0, 1)
    index = torch.arange(indices, device=model.device).repeat(n)
    reading = read_lens(model, lens, resid.flatten(0, 1), index, tracked, spec.top_k, on_chunk=check_cancelled)

    def by_question(rows: Tensor) -> Tensor:
        return rows.view(n, indices, depths, *rows.shape[2:]).cpu()

    spelled = by_question(reading.prob).numpy().reshape(n, indices, depths, len(targets), SPELLINGS)
    return LensReadings(
        spec=spec,
        total=spec.eval_set.n,
        questions=tuple(questions),
        targets=targets,
        values=np.array(values, np.float32),
        token_ids=token_ids,
        top_ids=by_question(reading.top_ids).to(torch.int32).numpy(),
        entropy=by_question(reading.entropy).numpy(),
        prob=(spelled * (token_ids >= 0)[:, None, None]).sum(-1),
        correct=np.array([rollout.finished and _right(rollout, question) for rollout, question in zip(rollouts, questions, strict=True)]),
    )


def joined(parts: Sequence[LensReadings]) -> LensReadings:
    """Batches of one spec, in order."""
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("values", "token_ids", "top_ids", "entropy", "prob", "correct")
    }
    first = parts[0]
    questions = tuple(itertools.chain.from_iterable(part.questions for part in parts))
    return LensReadings(spec=first.spec, total=first.total, questions=questions, targets=first.targets, **arrays)


def _right(rollout: Rollout, question: Question) -> bool:
    return read_answer(question.rule, rollout.answer) == compared(question.rule, question.gold)


def _values(question: Question, targets: int) -> list[float]:
    before = question.steps[:-1]
    answer = _code(question.gold) if isinstance(question.gold, str) else question.gold
    return [answer, *before, *[math.nan] * (targets - 1 - len(before))]


def _code(words: str) -> float:
    """A number for an answer in words, below those of any step and exact in float32: it only tells answers apart."""
    return -1e7 - zlib.crc32(words.encode()) % 2**22


def _token_ids(model: CodiModel, questions: Sequence[Question], values: Sequence[Sequence[float]]) -> Ints:
    ids = np.full((len(values), len(values[0]), SPELLINGS), -1, np.int64)
    for row, column in np.ndindex(ids.shape[:2]):
        value, gold = values[row][column], questions[row].gold
        text = gold if column == 0 and isinstance(gold, str) else f"{value:.10g}"
        found = None if math.isnan(value) else track(model, text)
        if found and not found.note:
            ids[row, column, : len(found.ids)] = found.ids
    return ids
