"""A lens over an eval set: partial readings as they come, stored when complete, asked by `evaluation.detection`."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, LensError
from codi_core.evaluation.detection import (
    Subset,
    detection_contrast,
    detection_map,
    entropies_of,
    mean_entropy,
    mean_probability,
    probabilities_of,
    set_hits,
    token_set,
    value_hits,
)
from codi_core.evaluation.evals import check_questions
from codi_core.lenses.detection import joined, read_questions, target_names
from codi_core.lenses.registry import DEFAULT_LENS
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.problems.evalsets import asked_of, load_eval_set
from codi_core.services.shared.budget import check_budget
from codi_core.services.shared.commands import passes_words
from codi_core.services.shared.turns import Turns
from codi_core.services.shared.workbench import Workbench
from codi_core.store import save_npz
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.lens import DetectionSpec, LensReadings, TrackedToken
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question

__all__ = [
    "DetectRequest",
    "Subset",
    "detect",
    "detection_contrast",
    "detection_map",
    "entropies_of",
    "mean_entropy",
    "mean_probability",
    "probabilities_of",
    "set_hits",
    "token_set",
    "value_hits",
]

KIND, ARRAYS = "detections", "readings.npz"
BATCH = 64
"""Questions between two partial results: a second or so of the bundled model on two cores."""
TOKENS = 16_384
"""Of the questions of a batch together: long ones come a few at a time."""


@dataclass(frozen=True)
class DetectRequest:
    kind: ClassVar[str] = "detect"
    model: str
    eval_set: str = "templates"
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    lens: str = DEFAULT_LENS
    passes: int = 6


def detect(
    workbench: Workbench, request: DetectRequest, viewer: str, on_wait: OnWait | None = None, done: LensReadings | None = None
) -> Iterator[LensReadings]:
    """Readings of ever more questions; the last are complete and stored, and come at once when asked for again.

    Stop by no longer asking: what was yielded stays valid, and given back as ``done`` it is where reading goes on. Raises DataError for an
    eval set or question that cannot be used, LensError for a lens that does not fit or was trained on some of the questions, ModelError,
    Cancelled when ``viewer`` asked for something newer.
    """
    eval_set, questions = _load(workbench, request, 1)
    turns = Turns(workbench, request.model, viewer, None, on_wait)
    spec = turns.once(lambda engine, _: _spec(workbench, engine, request, eval_set, questions))
    if workbench.store.ready(KIND, spec.key):
        yield _stored(workbench, spec, questions)
        return
    lengths = turns.each(questions, _lengths)
    readings = done if done is not None and done.spec == spec else None
    read = len(readings.questions) if readings else 0
    for batch in batches_of(questions, lengths):
        if (read := read - len(batch)) >= 0:  # of ``done``
            continue

        def work(engine: Engine, check_cancelled: CheckCancelled, batch: list[Question] = batch) -> LensReadings:
            return read_questions(engine, workbench.lens(engine, request.lens), spec, batch, target_names(questions), check_cancelled)

        part = turns.once(work)
        readings = joined([readings, part]) if readings else part
        if readings.complete:
            _store(workbench, readings)
        yield readings


def batches_of(questions: Sequence[Question], lengths: Sequence[int]) -> list[list[Question]]:
    """In order, up to BATCH of them and, but for single ones, up to TOKENS: what one turn reads."""
    batches: list[list[Question]] = []
    tokens = 0
    for question, length in zip(questions, lengths, strict=True):
        if not batches or len(batches[-1]) == BATCH or tokens + length > TOKENS:
            batches.append([])
            tokens = 0
        batches[-1].append(question)
        tokens += length
    return batches


def _lengths(questions: Sequence[Question], engine: Engine, check_cancelled: CheckCancelled) -> list[int]:
    return [len(engine.prompt(question.question, RolloutConfig()).ids) for question in questions]


def detect_command(request: DetectRequest) -> str:
    """The command line that reads the same."""
    words = ["--model", request.model, "--eval-set", request.eval_set, "--n", str(request.n), "--lens", request.lens]
    return shlex.join(["python", "-m", "codi_core", "detect", *words, *passes_words(request.model, request.passes)])


def stored_detection(workbench: Workbench, request: DetectRequest, viewer: str, on_wait: OnWait | None = None) -> LensReadings | None:
    """The readings when they were completed before, here or before they shipped. Raises what `detect` raises, and ArtifactError."""
    eval_set, questions = _load(workbench, request, 0)
    spec = workbench.run(request.model, lambda engine, _: _spec(workbench, engine, request, eval_set, questions), viewer, on_wait)
    return _stored(workbench, spec, questions) if workbench.store.ready(KIND, spec.key) else None


def _load(workbench: Workbench, request: DetectRequest, directions: int) -> tuple[EvalSetSpec, list[Question]]:
    """Questions in an order of their own, so that the first ones are a fair sample; ``directions`` as `check_budget` takes them."""
    check_budget(workbench, detect_command(request), asked_of(request.eval_set, request.n), directions, request.passes)
    eval_set, loaded = load_eval_set(request.eval_set, request.n, request.seed)
    if not loaded:
        raise DataError(f"The eval set '{request.eval_set}' has no questions.")
    return eval_set, random.Random(0).sample(loaded, len(loaded))


def _spec(workbench: Workbench, engine: Engine, request: DetectRequest, eval_set: EvalSetSpec, questions: list[Question]) -> DetectionSpec:
    check_questions(engine.model, questions)
    card = workbench.lens(engine, request.lens).card
    seen = sum(card.trained_on(clean_question(question.question)) for question in questions) if card else 0
    if card and seen:
        raise LensError(
            f"The lens '{request.lens}' was trained on {seen} of these {len(questions)} questions (it was trained on "
            f"'{card.train_set}'), so what it finds there means little: choose another eval set or lens."
        )
    return DetectionSpec(engine.model.spec, request.lens, card.key if card else "", eval_set, RolloutConfig(request.passes))


_NAMES = ("values", "token_ids", "top_ids", "entropy", "prob", "correct")


def _store(workbench: Workbench, readings: LensReadings) -> None:
    arrays = {name: getattr(readings, name) for name in _NAMES}
    workbench.store.keep(KIND, readings.spec, lambda folder: save_npz(folder / ARRAYS, arrays))


def _stored(workbench: Workbench, spec: DetectionSpec, questions: list[Question]) -> LensReadings:
    """The questions are those of the spec: their digest is part of its key."""
    arrays = workbench.store.read(KIND, spec.key).npz(ARRAYS)
    return LensReadings(spec=spec, total=len(questions), questions=tuple(questions), targets=target_names(questions), **arrays)


def tracked_tokens(
    workbench: Workbench, model: str, texts: Sequence[str], viewer: str, on_wait: OnWait | None = None
) -> list[TrackedToken]:
    """Token ids of a token set ("therefore", …) for `evaluation.detection.token_set`. Raises InputError as `track` does."""
    return workbench.run(model, lambda engine, _: [track(engine.model, text) for text in texts], viewer, on_wait)
