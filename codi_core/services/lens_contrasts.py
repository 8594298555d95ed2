"""What a lens is worth in a model and in its control, on the same held-out questions; stored when it was measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.errors import LensError
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.stats import Array
from codi_core.keys import key_of
from codi_core.lenses.judging import judge_each
from codi_core.lenses.latents import collect_latents
from codi_core.models.prompts import clean_question
from codi_core.problems.clusters import clusters_of
from codi_core.services.lenses import drawn_questions, lens_menu
from codi_core.services.shared.workbench import Workbench
from codi_core.store import save_npz
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.lens import LensCard
from codi_core.values.questions import Question
from codi_core.values.stats import Contrast, Estimates

KIND, ARRAYS = "lens-contrasts", "contrast.npz"
MEASURES = ("kl", "agree")


@dataclass(frozen=True, eq=False)
class LensContrast:
    """``[index depth]``"""

    kl: Contrast
    """KL(output || lens), nats."""
    agree: Contrast
    """Share of questions where the lens' first token is the output's."""
    kl_control: Floats
    agree_control: Floats


@dataclass(frozen=True)
class LensContrastSpec:
    kind: ClassVar[str] = "lens-contrast"
    model: str
    """Key of its spec."""
    control: str
    lens: str
    """Its name, the same in both."""
    trained: str
    """Key of the training of the model's lens."""
    control_trained: str
    """And of its control's; empty in what is asked where that lens is not here: of what is stored any will do."""

    @property
    def key(self) -> str:
        return key_of(self)


def lens_contrast(
    workbench: Workbench, model: str, control: str, card: LensCard, viewer: str, on_wait: OnWait | None = None
) -> LensContrast:
    """Both models' own lens of the name on ``card``, on the questions the card was measured on.

    Raises LensError when the control has none of that name or its lens has seen one of the questions, and what `train_lens` raises.
    """
    own_key, their_key = (workbench.run(name, lambda engine, _: engine.model.spec.key, viewer, on_wait) for name in (model, control))
    cards = {option.name: option.card for option in lens_menu(workbench, control, viewer, on_wait)}
    there = cards.get(card.name)
    asked = LensContrastSpec(own_key, their_key, card.name, card.key, there.key if there else "")
    for artifact, spec in workbench.store.readable(KIND, LensContrastSpec)[0]:
        if asked in (spec, replace(spec, control_trained="")):
            return _read(artifact.npz(ARRAYS))
    questions = drawn_questions(card.held_out_set, card.n_held_out, card.seed)
    theirs, own = (_judged(workbench, name, card, questions, viewer, on_wait) for name in (control, model))
    arrays: dict[str, Floats] = {"n": np.asarray(len(questions))}
    for name, mine, other in zip(MEASURES, own, theirs, strict=True):
        found = contrast(mine, other, clusters_of(questions))
        parts = {part: getattr(found.difference, part) for part in ("value", "low", "high")}
        parts |= {"adjusted": found.adjusted, "control": other.mean(0)}
        arrays |= {f"{name}_{part}": np.asarray(values, np.float32) for part, values in parts.items()}
    workbench.store.keep(KIND, asked, lambda folder: save_npz(folder / ARRAYS, arrays))
    return _read(arrays)


def _judged(
    workbench: Workbench, name: str, card: LensCard, questions: list[Question], viewer: str, on_wait: OnWait | None
) -> tuple[Array, Array]:
    """KL and agreement, ``[question index depth]``."""

    def work(engine: Engine, check_cancelled: CheckCancelled) -> tuple[Array, Array]:
        lens = workbench.lens(engine, card.name)
        if lens.card and any(lens.card.trained_on(clean_question(question.question)) for question in questions):
            raise LensError(f"The lens {card.name} of {engine.model.spec.name} was trained on some of these held-out questions.")
        texts, indices = [question.question for question in questions], range(card.kl.shape[0])
        latents = collect_latents(engine, texts, indices, lambda what, done, total: None, check_cancelled)
        kl, agree = (part.double().cpu().numpy() for part in judge_each(engine.model, lens, latents, indices))
        return kl, agree

    return workbench.run(name, work, viewer, on_wait)


def _read(arrays: dict[str, Floats]) -> LensContrast:
    n = int(arrays["n"])

    def of(name: str) -> Contrast:
        value, low, high, adjusted = (arrays[f"{name}_{part}"] for part in ("value", "low", "high", "adjusted"))
        return Contrast(Estimates(value, low, high, n), adjusted)

    return LensContrast(of("kl"), of("agree"), arrays["kl_control"], arrays["agree_control"])
