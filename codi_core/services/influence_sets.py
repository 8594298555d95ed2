"""Who reads whom over an eval set: masses, edges and summaries with their intervals; stored when complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.errors import DataError
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.influence import Prompts, attention, masses, rolled_out, shuffled
from codi_core.evaluation.stats import estimate
from codi_core.keys import key_of
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import asked_of, load_eval_set
from codi_core.services.influence import by_words, check_by, collect_for, command_of, directions_for, graphs_of
from codi_core.services.shared.budget import check_budget
from codi_core.services.shared.directions import check_means, means_spec
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.store import save_json, save_npz
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.influence import OPERAND, By, InfluenceContrast, InfluenceSet, InfluenceSpec, summarised
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Clusters, Estimates

KIND, ARRAYS, ROWS = "influences", "influence.npz", "questions.json"
BATCH = 16
"""Questions at once, each of which takes as many rows as there are passes, and more."""


@dataclass(frozen=True)
class InfluenceSetRequest:
    kind: ClassVar[str] = "influence-set"
    model: str
    eval_set: str = "templates"
    n: int = 64
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    by: By = "zero"
    passes: int = 6
    means: MeansRequest = field(default_factory=MeansRequest)

    @property
    def key(self) -> str:
        return key_of(self)


def influence_set(
    workbench: Workbench, request: InfluenceSetRequest, viewer: str, on_wait: OnWait | None = None, compute: bool = True
) -> Iterator[InfluenceSet]:
    """Of ever more questions; a stored result comes at once, and alone unless ``compute``.

    Raises InputError, DataError, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    check_by(request.by)
    rows = request.passes + 1 if compute else 0
    check_budget(workbench, influence_set_command(request), asked_of(request.eval_set, request.n), rows, request.passes)
    if by_means := request.by in ("mean", "resample"):
        check_means(workbench, request.model, request.means, request.passes)
    eval_set, questions = _questions(request)
    if not questions:
        raise DataError(f"The eval set '{request.eval_set}' has no questions.")

    def spec_of(engine: Engine, check_cancelled: CheckCancelled) -> InfluenceSpec:
        means = means_spec(engine, request.means, request.passes).key if by_means else ""
        return InfluenceSpec(engine.model.spec.key, eval_set, request.by, request.passes, means, request.seed)

    spec = workbench.run(request.model, spec_of, viewer, on_wait)
    if workbench.store.find(KIND, spec.key) is not None:
        artifact = workbench.store.read(KIND, spec.key)
        yield _read(spec, questions, artifact.npz(ARRAYS))
        return
    if not compute:
        return
    collect_for(workbench, request, viewer, on_wait)
    parts: list[dict[str, Floats]] = []
    for first in range(0, len(questions), BATCH):
        batch = questions[first : first + BATCH]
        parts.append(workbench.run(request.model, partial(_measured, workbench, request, batch), viewer, on_wait))
        arrays = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        if first + BATCH >= len(questions):
            with workbench.store.write(KIND, spec) as folder:
                save_npz(folder / ARRAYS, arrays)
                save_json(folder / ROWS, [question.id for question in questions])
        yield _read(spec, questions, arrays)


def influence_contrast(workbench: Workbench, request: InfluenceSetRequest, own: InfluenceSpec, control: InfluenceSpec) -> InfluenceContrast:
    """From what is stored of a model and of its control for one request, question by question. Raises ArtifactError."""
    clusters = clusters_of(_questions(request)[1])
    stored = [workbench.store.read(KIND, spec.key).npz(ARRAYS) for spec in (own, control)]
    return InfluenceContrast(*(contrast(stored[0][name], stored[1][name], clusters) for name in ("mass", "to_answer")))


def _questions(request: InfluenceSetRequest) -> tuple[EvalSetSpec, list[Question]]:
    """In an order of their own, so that the first ones are a fair sample."""
    eval_set, loaded = load_eval_set(request.eval_set, request.n, request.seed)
    return eval_set, [loaded[place] for place in np.random.default_rng(request.seed).permutation(len(loaded)).tolist()]


def _measured(
    workbench: Workbench, request: InfluenceSetRequest, batch: list[Question], engine: Engine, check_cancelled: CheckCancelled
) -> dict[str, Floats]:
    """Question first."""
    config = RolloutConfig(request.passes)
    ids = [engine.prompt(question.question, config).ids for question in batch]
    directions = directions_for(workbench, engine, request.by, request.means, request.passes, check_cancelled)
    with engine.exclusively():
        prompts = rolled_out(engine, ids, tuple(question.id for question in batch), request.passes, check_cancelled)
        copies = shuffled(engine, prompts, check_cancelled)
        mean, in_copy = _mean(prompts), _mean(copies)
        total, answer, direct, to_answer = graphs_of(prompts, request.by, directions, request.seed, check_cancelled)
    mass, uniform, elsewhere = masses(prompts, mean)
    graphs = {"weights": total, "answer": answer, "direct": direct, "to_answer": to_answer}
    baselines = {"uniform": uniform, "elsewhere": elsewhere, "shuffled": masses(copies, in_copy)[0][..., OPERAND]}
    return {"mass": mass, **baselines, **{name: np.moveaxis(of, -1, 0) for name, of in graphs.items()}}


def _mean(prompts: Prompts) -> Floats:
    """``[row query key]``: over layers and heads."""
    mean: Floats = attention(prompts).mean((1, 2)).cpu().numpy()
    return mean


def _read(spec: InfluenceSpec, questions: list[Question], arrays: dict[str, Floats]) -> InfluenceSet:
    done = questions[: len(arrays["mass"])]
    clusters = clusters_of(done)
    operands = arrays["mass"][..., OPERAND]
    above = np.stack([operands - of for of in (arrays["uniform"][..., OPERAND], arrays["elsewhere"], arrays["shuffled"])], 1)
    pairs = spec.passes * (spec.passes - 1) / 2
    nulls = tuple(float(value) for value in summarised(np.ones((spec.passes, spec.passes), np.float32))) if pairs else ()
    return InfluenceSet(
        spec=spec,
        total=len(questions),
        ids=tuple(question.id for question in done),
        mass=_means(arrays["mass"], clusters),
        uniform=arrays["uniform"].mean(0),
        operands_above=_means(above, clusters),
        weights=_means(arrays["weights"], clusters),
        answer=_means(arrays["answer"], clusters),
        direct=_means(arrays["direct"], clusters),
        to_answer=_means(arrays["to_answer"], clusters),
        summaries=_means(summarised(arrays["weights"]), clusters),
        nulls=nulls,
    )


def _means(each: Floats, clusters: Clusters) -> Estimates:
    """NaN where something is not measured of every question."""
    value, low, high = (np.full(each.shape[1:], np.nan, np.float32) for _ in range(3))
    known = ~np.isnan(each).any(0)
    if known.any():
        value[known], low[known], high[known], _ = estimate(each[:, known], clusters)
    return Estimates(value, low, high, len(each))


def influence_set_command(request: InfluenceSetRequest) -> str:
    words = ["--eval-set", request.eval_set, "--n", str(request.n)]
    return command_of(request.model, [*words, *by_words(request.model, request.by, request.passes, request.means, request.seed)])
