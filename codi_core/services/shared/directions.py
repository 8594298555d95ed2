"""From a request to its condition and the latents its directions are made from."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from functools import partial

import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InterventionError
from codi_core.lenses.base import Lens
from codi_core.lenses.jacobian import JacobianLens, jacobian_variants
from codi_core.lenses.tracked import track
from codi_core.problems.evalsets import asked_of, load_eval_set
from codi_core.services.shared.budget import check_budget
from codi_core.services.shared.commands import means_words, passes_words
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.turns import Turns
from codi_core.services.shared.workbench import BEHIND, Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.means import KIND as MEANS
from codi_core.steering.means import (
    Block,
    LatentSamples,
    blocks_of,
    chosen_questions,
    collect_block,
    keep_samples,
    samples_from,
    samples_of,
)
from codi_core.steering.methods import Method
from codi_core.steering.token import TokenEdit
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnProgress, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.vectors import MeansSpec


def condition_of(
    workbench: Workbench,
    engine: Engine,
    eval_set: EvalSetSpec,
    rollout: RolloutConfig,
    interventions: tuple[Method, ...],
    means: MeansRequest,
    overlap: bool = False,
) -> Condition:
    """The condition of a request; it names means and lenses only when it needs them. Raises LensError when a J-lens is missing."""
    needed = any(method.needs_means for method in interventions)
    spec = means_spec(engine, means, rollout.passes) if needed else None
    read = dict.fromkeys(method.lens for method in interventions if isinstance(method, TokenEdit))
    cards = [card for name in read if (card := _lens(workbench, engine, name).card)]
    lenses = tuple(card.key for card in cards)
    return Condition(engine.model.spec.key, eval_set, rollout, interventions, spec, overlap and needed, lenses=lenses)


def check_means(workbench: Workbench, model: str, means: MeansRequest, passes: int) -> None:
    """Raises BudgetError for more questions than a server takes, and DataError when there is no such eval set."""
    words = ["geometry", "--model", model, *passes_words(model, passes), *means_words(means)]
    check_budget(workbench, shlex.join(["python", "-m", "codi_core", *words]), asked_of(means.eval_set, means.n), 1, passes)


def means_spec(engine: Engine, means: MeansRequest, passes: int = 6) -> MeansSpec:
    """Draws the questions: `check_means` comes first. Raises DataError when there is no such eval set."""
    return MeansSpec(engine.model.spec.key, load_eval_set(means.eval_set, means.n, means.seed)[0], means.only, passes)


def collect_in_turns(
    workbench: Workbench,
    model: str,
    means: MeansRequest,
    passes: int,
    viewer: str,
    on_wait: OnWait | None = None,
    progress: OnProgress | None = None,
    check: Callable[[Engine], object] = lambda _: None,
) -> None:
    """See to it that `means_samples` finds the latents of the means' questions: a block a turn, behind the answers that others wait for.

    Raises what `check_means` and ``check`` raise before any work, ModelError, and Cancelled when the viewer asked for something newer.
    """
    check_means(workbench, model, means, passes)
    asked = (model, means, passes)
    with workbench.alone(asked, on_wait):
        if asked not in workbench.collected:
            _collect(workbench, means, passes, Turns(workbench, model, f"{viewer}/{BEHIND}means", progress, on_wait), check)
            workbench.collected.add(asked)


def _collect(workbench: Workbench, means: MeansRequest, passes: int, turns: Turns, check: Callable[[Engine], object]) -> None:
    questions = load_eval_set(means.eval_set, means.n, means.seed)[1]
    spec = turns.once(lambda engine, _: (check(engine), means_spec(engine, means, passes)))[1]
    if not workbench.store.ready(MEANS, spec.key):
        chosen = chosen_questions(spec, questions)
        blocks: list[Block] = []
        for block in blocks_of(chosen):
            blocks.append(turns.once(partial(_block, spec, block)))
            if turns.on_progress:
                turns.on_progress(sum(map(len, blocks)), len(chosen))
        samples = turns.once(lambda engine, _: samples_from(engine, spec, chosen, blocks))
        keep_samples(workbench.store, samples)
        if not workbench.store.ready(MEANS, spec.key):  # no room on the disk
            turns.once(lambda *_: workbench.samples.get(spec.key, lambda: samples))


def _block(spec: MeansSpec, block: Sequence[Question], engine: Engine, check_cancelled: CheckCancelled) -> Block:
    return collect_block(engine, spec, block, check_cancelled)


def means_samples(
    workbench: Workbench,
    engine: Engine,
    means: MeansRequest,
    passes: int,
    check_cancelled: CheckCancelled | None = None,
    progress: OnProgress | None = None,
) -> LatentSamples:
    """Latents of the means' questions, rolled out now unless they were before. Only within `Workbench.run`. Raises DataError."""
    spec = means_spec(engine, means, passes)
    questions = load_eval_set(means.eval_set, means.n, means.seed)[1]

    def made() -> LatentSamples:
        return samples_of(engine, workbench.store, spec, questions, check_cancelled, progress)

    return workbench.samples.get(spec.key, made) if spec.key in workbench.samples else made()


def directions_of(workbench: Workbench, engine: Engine, means: MeansRequest, passes: int, check_cancelled: CheckCancelled) -> Directions:
    """Of the means' questions, see `means_samples`. Only within `Workbench.run`. Raises DataError."""

    def made() -> Directions:
        samples = means_samples(workbench, engine, means, passes, check_cancelled)
        return Directions(samples, lambda *asked: token_directions(workbench, engine, *asked))

    return workbench.directions.get(means_spec(engine, means, passes).key, made)


def token_directions(workbench: Workbench, engine: Engine, reads: str, index: int, depth: int, tokens: Sequence[str]) -> Floats:
    """As `steering.context.TokenDirections`. Raises InterventionError for a text that is several tokens, LensError for a missing J-lens."""
    outputs = torch.stack([engine.model.output_rows(torch.tensor(_ids(engine, text))).mean(0) for text in tokens])
    lens = _lens(workbench, engine, reads)
    moved = lens.directions(outputs, depth, index) if isinstance(lens, JacobianLens) else outputs
    found: Floats = moved.cpu().numpy()
    return found


def _ids(engine: Engine, text: str) -> list[int]:
    found = track(engine.model, text)
    if found.note:
        raise InterventionError(f"'{text}' is no single token of this model: {found.note} Choose one that is.")
    return list(found.ids)


def _lens(workbench: Workbench, engine: Engine, reads: str) -> Lens:
    """The plain output is the logit lens; a J-lens with a J for every index comes before one that pools them."""
    if reads == "logit":
        return workbench.lens(engine, reads)
    known = jacobian_variants(engine.model, workbench.settings)
    return workbench.lens(engine, f"jlens:{reads}-all" if reads not in known and f"{reads}-all" in known else f"jlens:{reads}")
