"""Swaps of the answer along token directions, beside swaps along random ones: part of ``python -m benchmarks.instruments``."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal

import numpy as np

from codi_core.engine.answers import parse_number
from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.evaluation.stats import share
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.shared.directions import directions_of
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.token import TokenEdit
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Share

HELD_OUT = "confirm"
SWAPS, SEEDS = 40, 3
"""Questions whose answer is swapped for another, and random directions beside each."""
LENSES: tuple[Literal["answer", "local", "logit"], ...] = ("answer", "local", "logit")
FAILURES = ("unchanged", "another number", "no number")
PROMPT = EvalSetSpec("prompt", 1, 0, "")
Place = tuple[str, str]
"""Lens of the directions, and where they are exchanged."""
Swapped = tuple[list[Question], dict[Place, list[list[str]]]]
"""Questions, and for each place and question what became of the answer: swapped, then with random directions."""


def places(layers: int, passes: int) -> dict[str, list[tuple[int, int]]]:
    """Cells (index, depth) that are edited together, below the last depth."""
    depths = range(1, layers)
    single = {f"latent {index}": [(index, depth) for depth in depths] for index in range(1, passes + 1)}
    return {**single, f"latents 1–{passes}": [cell for cells in single.values() for cell in cells]}


def swaps(workbench: Workbench, engine: Engine, progress: Callable[[str, int, int], None]) -> Swapped:
    """Only within `Workbench.run`."""
    _, questions = load_eval_set(HELD_OUT, 2 * SWAPS, 1)
    config, means = RolloutConfig(6, 8), MeansRequest(n=50)
    rollouts = engine.rollout([question.question for question in questions], config, record=False)
    asked = [(question, out.answer.strip()) for question, out in zip(questions, rollouts, strict=True) if len(out.answer_ids) == 1]
    pairs = [(question, own, other) for (question, own), (_, other) in zip(asked, asked[1:] + asked[:1], strict=True) if own != other]
    directions = directions_of(workbench, engine, means, config.passes, lambda: None)
    unsteered = Condition(engine.model.spec.key, PROMPT, config, means=directions.samples.spec)
    found: dict[Place, list[list[str]]] = {}
    for done, (question, own, other) in enumerate(pairs[:SWAPS], 1):
        prepared, conditions = PreparedSet(engine, [question], config), {}
        for lens, (where, cells) in itertools.product(LENSES, places(engine.model.n_layers, config.passes).items()):
            methods = [TokenEdit(own, (index,), depth, "swap", other, lens=lens) for index, depth in cells]
            for seed, each in enumerate([methods, *([method.control(seed) for method in methods] for seed in range(SEEDS))]):
                conditions[lens, where, seed] = replace(unsteered, interventions=tuple(each))
        runs = prepared.answers_of(0, list(conditions.values()), directions)
        for (lens, where, _), run in zip(conditions, runs, strict=True):
            rows = found.setdefault((lens, where), [])
            rows += [[]] if len(rows) < done else []
            rows[-1].append(_outcome(run.answers[0].strip(), own, other))
        progress("swapping", done, len(pairs[:SWAPS]))
    return [question for question, _, _ in pairs[:SWAPS]], found


def _outcome(answer: str, own: str, other: str) -> str:
    if answer in (own, other):
        return "swapped" if answer == other else "unchanged"
    return "another number" if parse_number(answer) is not None else "no number"


def swaps_table(questions: list[Question], found: dict[Place, list[list[str]]]) -> Iterator[str]:
    if not questions:
        yield "\nSwaps: none, for no question is answered with one token."
        return
    yield f"\nSwaps of the answer in {len(questions)} questions, {SEEDS} random swaps beside each:\n"
    yield f"| directions | where | swapped (95 % interval) | random (95 % interval) | {' | '.join(FAILURES)} |"
    yield "|---" * (4 + len(FAILURES)) + "|"
    clusters = clusters_of(questions)
    for (lens, where), rows in found.items():
        first, random = [row[0] for row in rows], [outcome for row in rows for outcome in row[1:]]
        success = share([outcome == "swapped" for outcome in first], clusters)
        failed = " | ".join(f"{first.count(kind)} ({random.count(kind)})" for kind in FAILURES)
        band = share([outcome == "swapped" for outcome in random], [np.repeat(labels, SEEDS) for labels in clusters])
        yield f"| {lens} | {where} | {_percent(success)} | {_percent(band)} | {failed} |"


def successes(swapped: Swapped, place: Place) -> tuple[float, float]:
    """Share of questions that give the other answer, and share of the random swaps that do."""
    rows = swapped[1][place]
    random = [outcome == "swapped" for row in rows for outcome in row[1:]]
    return sum(row[0] == "swapped" for row in rows) / len(rows), sum(random) / len(random)


def best_place(swapped: Swapped) -> Place | None:
    """Where most answers are swapped; None without questions."""
    return max(swapped[1], key=lambda place: successes(swapped, place)[0], default=None)


def _percent(found: Share) -> str:
    return f"{found.value:.1%} ({found.low:.1%} – {found.high:.1%})"
