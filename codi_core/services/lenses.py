"""Lenses of a model: train one, list them, show what they are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from codi_core.backend.worker import Check
from codi_core.errors import DataError, LensError
from codi_core.lenses.latents import Progress
from codi_core.lenses.training import LensTrainSpec, parse_indices, train_translators
from codi_core.lenses.tuned import lens_cards as cards_of
from codi_core.lenses.tuned import lens_folders, save_lens
from codi_core.problems.evalsets import as_question, load_eval_set
from codi_core.problems.generate import Split, generate
from codi_core.services.workbench import Poke, Workbench
from codi_core.types import LensCard, Question


def lens_cards(workbench: Workbench, model: str, viewer: str, poke: Poke | None = None) -> list[LensCard]:
    """Tuned lenses that fit a model; each can be asked for by its card's name. Raises ModelError when the model cannot be loaded."""
    return workbench.run(lambda check: cards_of(workbench.engine(model).model, workbench.settings), viewer, poke)


@dataclass(frozen=True)
class TrainedLens:
    folder: Path
    card: LensCard


def train_lens(
    workbench: Workbench, model: str, spec: LensTrainSpec, viewer: str, progress: Progress, root: Path | None = None
) -> TrainedLens:
    """Train, or resume, a tuned lens and save it where `inspect` finds it (``root``: instead of the cache's folder of this model's lenses).

    Raises LensError for an unusable spec and when the held-out questions share a question or a story's numbers with the training
    questions; DataError for an unknown set; ModelError.
    """
    parse_indices(spec.indices)
    questions = questions_of(spec.train_set, spec.n_questions, spec.seed)
    held_out = questions_of(spec.held_out_set, spec.n_held_out, spec.seed)
    _check_disjoint(spec, questions, held_out)

    def work(check: Check) -> TrainedLens:
        engine = workbench.engine(model)
        folder = (root or lens_folders(workbench.settings, engine.model.spec.name)[0]) / spec.variant
        state = workbench.settings.cache_dir / "lenses" / f".{engine.model.spec.key}-{spec.variant}.pt"
        texts = [[item.question for item in part] for part in (questions, held_out)]
        lens, card = train_translators(engine, spec, texts[0], texts[1], state, progress, check)
        save_lens(folder, lens, card)
        state.unlink(missing_ok=True)
        workbench.forget_lenses()
        return TrainedLens(folder, card)

    return workbench.run(work, viewer)


def questions_of(names: str, n: int, seed: int) -> list[Question]:
    """``n`` questions in equal parts from sets joined by ``+``: splits of our problems (train included) or eval sets."""
    parts = names.split("+")
    found = []
    for place, name in enumerate(parts):
        share = n // len(parts) + (place < n % len(parts))
        if name in get_args(Split):
            found += [as_question(problem) for problem in generate(cast(Split, name), share, seed)]
        else:
            found += load_eval_set(name, share, seed)[1]
    if not found:
        raise DataError(f"No questions in '{names}': ask for at least one.")
    return found


def _check_disjoint(spec: LensTrainSpec, questions: list[Question], held_out: list[Question]) -> None:
    """By text, and by the numbers of a story where they are known."""
    seen = {item.question for item in questions} | {(item.template.split("/")[0], item.triple) for item in questions if item.triple}
    shared = [item for item in held_out if {item.question, (item.template.split("/")[0], item.triple)} & seen]
    if shared:
        raise LensError(
            f"{len(shared)} of {len(held_out)} held-out questions ('{spec.held_out_set}') share their text or numbers with the training "
            f"questions ('{spec.train_set}'), so the lens would be judged on what it learnt: choose another held-out set, select say."
        )


def comparison_table(cards: Sequence[LensCard]) -> str:
    """Markdown: held-out KL to the output in nats, mean over the indices, by depth: the logit lens, then each card's (one model)."""
    depths = cards[0].kl_plain.shape[1] - 1
    rows = [["depth", "logit lens", *(card.name for card in cards)], ["---"] * (len(cards) + 2)]
    for depth in range(depths):
        means = [cards[0].kl_plain[:, depth].mean(), *(card.kl_tuned[:, depth].mean() for card in cards)]
        rows.append([str(depth), *(f"{mean:.3f}" for mean in means)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
