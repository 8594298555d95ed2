"""A lens over an eval set: partial readings as they come, stored when complete, asked by `evaluation.detection`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from codi_core.backend.worker import Check
from codi_core.errors import DataError, LensError
from codi_core.evaluation.run import check_questions
from codi_core.lenses.detection import joined, read_questions, target_names
from codi_core.lenses.tracked import track
from codi_core.models.prompts import clean_question
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.workbench import Poke, Workbench
from codi_core.store import save_npz
from codi_core.types import DetectionSpec, EvalSetSpec, LensReadings, Question, RolloutConfig, TrackedToken

KIND, ARRAYS = "detections", "readings.npz"
BATCH = 64
"""Questions between two partial results: a second or so of the bundled model on two cores."""


@dataclass(frozen=True)
class DetectRequest:
    kind: ClassVar[str] = "detect"
    model: str
    eval_set: str = "templates"
    n: int = 0
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    lens: str = "logit"
    passes: int = 6


def detect(
    workbench: Workbench, request: DetectRequest, viewer: str, poke: Poke | None = None, done: LensReadings | None = None
) -> Iterator[LensReadings]:
    """Readings of ever more questions; the last are complete and stored, and come at once when asked for again.

    Stop by no longer asking: what was yielded stays valid, and given back as ``done`` it is where reading goes on. Raises DataError for an
    eval set or question that cannot be used, LensError for a lens that does not fit or was trained on some of the questions, ModelError,
    Cancelled when ``viewer`` asked for something newer.
    """
    eval_set, questions = _load(request)
    spec = workbench.run(lambda check: _spec(workbench, request, eval_set, questions), viewer, poke)
    if workbench.store.find(KIND, spec.key) is not None:
        yield _stored(workbench, spec, questions)
        return
    readings = done if done is not None and done.spec == spec else None
    for first in range(len(readings.questions) if readings else 0, len(questions), BATCH):
        batch = questions[first : first + BATCH]

        def work(check: Check, batch: list[Question] = batch) -> LensReadings:
            engine = workbench.engine(request.model)
            return read_questions(engine, workbench.lens(engine, request.lens), spec, batch, target_names(questions), check)

        part = workbench.run(work, viewer, poke)
        readings = joined([readings, part]) if readings else part
        if readings.complete:
            _store(workbench, readings)
        yield readings


def stored_detection(workbench: Workbench, request: DetectRequest, viewer: str, poke: Poke | None = None) -> LensReadings | None:
    """The readings when they were completed before, here or before they shipped. Raises what `detect` raises, and ArtifactError."""
    eval_set, questions = _load(request)
    spec = workbench.run(lambda check: _spec(workbench, request, eval_set, questions), viewer, poke)
    return _stored(workbench, spec, questions) if workbench.store.find(KIND, spec.key) is not None else None


def _load(request: DetectRequest) -> tuple[EvalSetSpec, list[Question]]:
    """Questions in an order of their own, so that the first ones are a fair sample."""
    eval_set, loaded = load_eval_set(request.eval_set, request.n, request.seed)
    if not loaded:
        raise DataError(f"The eval set '{request.eval_set}' has no questions.")
    return eval_set, random.Random(0).sample(loaded, len(loaded))


def _spec(workbench: Workbench, request: DetectRequest, eval_set: EvalSetSpec, questions: list[Question]) -> DetectionSpec:
    engine = workbench.engine(request.model)
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
    with workbench.store.write(KIND, readings.spec) as folder:
        save_npz(folder / ARRAYS, {name: getattr(readings, name) for name in _NAMES})


def _stored(workbench: Workbench, spec: DetectionSpec, questions: list[Question]) -> LensReadings:
    """The questions are those of the spec: their digest is part of its key."""
    arrays = workbench.store.read(KIND, spec.key).npz(ARRAYS)
    return LensReadings(spec=spec, total=len(questions), questions=tuple(questions), targets=target_names(questions), **arrays)


def tracked_tokens(workbench: Workbench, model: str, texts: Sequence[str], viewer: str, poke: Poke | None = None) -> list[TrackedToken]:
    """Token ids of a token set ("therefore", …) for `evaluation.detection.token_set`. Raises InputError as `track` does."""
    return workbench.run(lambda check: [track(workbench.engine(model).model, text) for text in texts], viewer, poke)
