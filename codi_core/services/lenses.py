"""Lenses of a model: train one, list them, show what they are worth."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, InputError, LensError
from codi_core.keys import key_of
from codi_core.lenses.cards import FOLDERS, lens_home
from codi_core.lenses.fitted import jacobian_lenses
from codi_core.lenses.fitting import ROWS, JacobianSpec, Sums, fit, identity_of, load_sums, merged, wanted
from codi_core.lenses.jacobian import Variant, save_jacobian
from codi_core.lenses.latents import Progress
from codi_core.lenses.registry import LENSES, lens_options
from codi_core.lenses.training import AS_IN_THE_POSTS, LensTrainSpec, parse_indices, train_translators
from codi_core.lenses.tuned import save_lens
from codi_core.models.model import CodiModel
from codi_core.problems.clusters import triple_of
from codi_core.problems.evalsets import as_question, load_eval_set
from codi_core.problems.generate import Split, generate
from codi_core.services.shared.workbench import Workbench
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.lens import LensCard, LensOption
from codi_core.values.questions import Question


def lens_menu(workbench: Workbench, model: str, viewer: str, on_wait: OnWait | None = None) -> tuple[LensOption, ...]:
    """Every lens that fits a model, in the order of a menu; each can be asked for by its name. Raises ModelError when the model cannot be
    loaded.
    """
    return workbench.run(model, lambda engine, _: lens_options(engine.model, workbench.settings), viewer, on_wait)


def training_commands(model: str, passes: int | None) -> tuple[str, ...]:
    """Command lines that make a lens of a model, one for each kind that is trained. ``passes``: its own; None where no file says it."""
    rows = (row for row in LENSES.values() if row.command)
    asked = " --passes K" if passes is None else ""
    return tuple(f"python -m codi_core {row.command} --model {shlex.quote(model)}{asked}" for row in rows)


def lens_spec(workbench: Workbench, model: str, given: Mapping[str, Any]) -> LensTrainSpec:
    """With the passes of this model and the questions that its lenses are usually trained on where none are ``given``. Raises ModelError,
    LensError; InputError when nothing says how many passes it runs.
    """
    usual, is_ours = _usual(workbench, model, given, "train-lens")
    asked = {} if is_ours or "train_set" in given else AS_IN_THE_POSTS
    return LensTrainSpec(**{**usual, **asked, **given})


def jacobian_spec(workbench: Workbench, model: str, given: Mapping[str, Any]) -> JacobianSpec:
    """As `lens_spec`."""
    usual, is_ours = _usual(workbench, model, given, "train-jlens")
    asked = {} if is_ours or "train_set" in given else {name: AS_IN_THE_POSTS[name] for name in ("train_set", "held_out_set")}
    return JacobianSpec(**{**usual, **asked, **given})


def _usual(workbench: Workbench, name: str, given: Mapping[str, Any], viewer: str) -> tuple[dict[str, Any], bool]:
    """The passes a model was trained with, and whether it learnt our problems."""
    passes, is_ours, hint = workbench.run(name, lambda engine, _: _passes_of(engine.model), viewer)
    if passes is None and "passes" not in given:
        raise InputError(f"No file says how many latents {name} was trained with ({hint}): give --passes.")
    return ({} if passes is None else {"passes": passes}), is_ours


def _passes_of(model: CodiModel) -> tuple[int | None, bool, str]:
    return model.passes, model.is_ours, model.family.passes_hint


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
    parse_indices(spec.indices, spec.passes)
    questions = drawn_questions(spec.train_set, spec.n_questions, spec.seed)
    held_out = drawn_questions(spec.held_out_set, spec.n_held_out, spec.seed)
    _check_disjoint(spec, questions, held_out)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> TrainedLens:
        folder = root / spec.variant if root else lens_home(workbench.settings, engine.model.spec, "tuned", spec.variant)
        state = workbench.settings.cache_dir / "lenses" / f".{engine.model.spec.key}-{spec.variant}.pt"
        texts = [[item.question for item in part] for part in (questions, held_out)]
        lens, card = train_translators(engine, spec, texts[0], texts[1], state, progress, check_cancelled)
        save_lens(folder, lens, card)
        state.unlink(missing_ok=True)
        workbench.forget_lenses()
        return TrainedLens(folder, card)

    return workbench.run(model, work, viewer)


@dataclass(frozen=True)
class JacobianFit:
    """A J-lens is asked for by what is differentiated, and may be fitted in parts."""

    spec: JacobianSpec
    variants: tuple[Variant, ...]
    part: tuple[int, int] = (1, 1)
    """Number of the part, from 1, and how many there are: each takes its share of the questions."""
    parts: tuple[Path, ...] = ()
    """Sums of all parts, where they were fitted already."""
    rows: int = ROWS
    """Gradients at once."""


def train_jlens(
    workbench: Workbench, model: str, asked: JacobianFit, viewer: str, progress: Progress, root: Path | None = None
) -> list[TrainedLens] | Path:
    """Fit, or go on fitting, J-lenses and save each where `inspect` finds it (``root``: instead of the cache's folder of this model's).

    Of one part of several the file of its sums. Raises LensError for parts that do not belong together, and what `train_lens` raises;
    MemoryLimitError.
    """
    spec, (number, count) = asked.spec, asked.part
    if not 1 <= number <= count or min(spec.n_questions, spec.n_held_out, spec.passes, asked.rows) < 1:
        raise LensError(f"Part {number} of {count}: parts, questions, passes and rows start at 1, and a part is one of them.")
    questions, held_out = (
        drawn_questions(*drawn, spec.seed) for drawn in ((spec.train_set, spec.n_questions), (spec.held_out_set, spec.n_held_out))
    )
    _check_disjoint(spec, questions, held_out)
    texts, judged = ([item.question for item in part] for part in (questions, held_out))

    def work(engine: Engine, check_cancelled: CheckCancelled) -> list[TrainedLens] | Path:
        identity = identity_of(engine.model, spec, texts)
        state = workbench.settings.cache_dir / FOLDERS["jlens"] / f".sums-{key_of([identity, wanted(asked.variants)])}-{number}of{count}.pt"
        if asked.parts:
            sums = _merged(asked.parts, identity)
        else:
            sums = fit(engine, spec, asked.variants, texts, state, progress, check_cancelled, asked.part, asked.rows)
        if count > 1:
            return state
        made = []
        for lens, card in jacobian_lenses(engine, spec, asked.variants, sums, texts, judged, progress, check_cancelled):
            variant = lens.name.partition(":")[2]
            made.append(TrainedLens(root / variant if root else lens_home(workbench.settings, engine.model.spec, "jlens", variant), card))
            save_jacobian(made[-1].folder, lens, card)
        state.unlink(missing_ok=True)
        workbench.forget_lenses()
        return made

    return workbench.run(model, work, viewer)


def _merged(files: Sequence[Path], identity: str) -> Sums:
    sums = merged([load_sums(file) for file in files])
    if sums.identity != identity:
        raise LensError("These parts were fitted on another model or on other questions: give the options they were made with.")
    return sums


def drawn_questions(names: str, n: int, seed: int) -> list[Question]:
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


def _check_disjoint(spec: LensTrainSpec | JacobianSpec, questions: list[Question], held_out: list[Question]) -> None:
    """By text, and by the numbers of a story where they are known."""
    seen = {item.question for item in questions} | {triple_of(item) for item in questions} - {None}
    shared = [item for item in held_out if {item.question, triple_of(item)} & seen]
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
        means = [cards[0].kl_plain[:, depth].mean(), *(card.kl[:, depth].mean() for card in cards)]
        rows.append([str(depth), *(f"{mean:.3f}" for mean in means)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)
