"""What the latents are needed for: thinking stopped early, latents replaced over an eval set, and latents replaced in one prompt."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.errors import InputError, InterventionError
from codi_core.evaluation.effects import effect_of, outcomes_of
from codi_core.evaluation.golds import answered
from codi_core.evaluation.outcomes import spells_out
from codi_core.evaluation.prepared import PreparedSet
from codi_core.evaluation.stats import compare, estimate, share
from codi_core.keys import ADDED_LATER, key_of
from codi_core.models.prompts import clean_question
from codi_core.problems.clusters import clusters_of, family_of
from codi_core.services.effects import ConditionBatch, run_together
from codi_core.services.known import known
from codi_core.services.shared.commands import means_words, passes_words
from codi_core.services.shared.directions import check_means, collect_in_turns, condition_of, directions_of
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.conditions import Condition
from codi_core.steering.limits import check_feeds_back, check_indices
from codi_core.steering.replacement import By, Replacement
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.evals import ScoredRun
from codi_core.values.latents import AblationMap, AblationSite, LatentImportance, PassCurve, PassPoint, PromptImportance
from codi_core.values.model import Rollout, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Estimate
from codi_core.values.vectors import Space

KINDS: tuple[By, ...] = ("zero", "mean", "gaussian", "resample", "shuffled", "donor")
"""Replacements that need no wanted value."""
SPACES: tuple[Space, ...] = ("z", "h", "kv")
MIN_DRAWS, MAX_DRAWS = 20, 200
FEW = 10
"""Groups of fewer questions have no curve of their own."""
LEAST = 1e-37
"""Probabilities below are rounded up to it: their logarithms would be minus infinity."""


# Thinking stopped early


@dataclass(frozen=True)
class EarlyStopRequest:
    kind: ClassVar[str] = "early-stop"
    model: str
    """Name of a preset, a hub id or a folder."""
    eval_set: str = "bundled"
    n: int = 200
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    passes: int = 6

    @property
    def key(self) -> str:
        return key_of(self)


def early_stop(
    workbench: Workbench, request: EarlyStopRequest, viewer: str, on_wait: OnWait | None = None, compute: bool = True
) -> Iterator[PassCurve]:
    """Accuracy after ever more numbers of passes, all of them first; stored ones come at once, and alone unless ``compute``.

    Stop by no longer asking. Raises DataError, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    counts = range(request.passes, -1, -1)
    wanted = [ConditionRequest(request.model, (), request.eval_set, request.n, request.seed, passes=passes) for passes in counts]
    points: dict[int, list[PassPoint]] = {}
    for found in run_together(workbench, wanted, viewer, on_wait, compute):
        if 0 in found.pairs:
            for place in found.pairs.keys() - points.keys():
                points[place] = _points(found, place)
        shown = tuple(point for place in sorted(points, reverse=True) for point in points[place])
        yield PassCurve(found.conditions[0].eval_set, request.passes, found.done, shown)


def _points(found: ConditionBatch, place: int) -> list[PassPoint]:
    """The point of every group; place 0 has all passes."""
    condition, full, run = found.conditions[place], found.pairs[0][1], found.pairs[place][1]
    groups: dict[str, list[int]] = {"all": list(range(len(found.questions)))}
    for row, question in enumerate(found.questions):
        steps = len(question.steps)
        names = [family_of(question), f"{steps} step{'s' * (steps > 1)}" if steps else ""]
        for name in filter(None, names):
            groups.setdefault(name, []).append(row)
    return [
        _point(name, condition, [found.questions[row] for row in rows], full.take(np.array(rows)), run.take(np.array(rows)))
        for name, rows in sorted(groups.items(), key=lambda group: (group[0] != "all", group[0]))
        if name == "all" or len(rows) >= FEW
    ]


def _point(group: str, condition: Condition, questions: Sequence[Question], full: ScoredRun, run: ScoredRun) -> PassPoint:
    clusters, p_gold = clusters_of(questions), run.p_gold.astype(float)
    return PassPoint(
        group=group,
        passes=condition.passes,
        accuracy=share(run.correct, clusters),
        p_gold=Estimate(*map(float, estimate(p_gold, clusters)[:3])),
        against=compare(full.correct, run.correct, clusters),
        outcomes=outcomes_of(run),
        spelled_out=share(np.array([spells_out(answer) for answer in run.answers], dtype=bool), clusters),
        key=condition.key,
    )


# Every latent replaced, over an eval set


@dataclass(frozen=True)
class AblateRequest:
    kind: ClassVar[str] = "ablate"
    model: str
    by: tuple[By, ...] = ("mean",)
    """Of KINDS."""
    spaces: tuple[Space, ...] = SPACES
    eval_set: str = "bundled"
    n: int = 200
    """0 = all, or 1,000 of a generated set."""
    seed: int = 0
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    draw: int = 0
    """Seed of what is drawn at random."""
    overlap: bool = False
    """The means may come from evaluated questions. To be marked."""

    @property
    def key(self) -> str:
        return key_of(self)

    @property
    def asked(self) -> list[AblationSite]:
        """All sites, those that nothing consumes included."""
        return [AblationSite(by, space, index) for by in self.by for space in self.spaces for index in range(self.passes + 1)]

    def condition(self, site: AblationSite) -> ConditionRequest:
        """What measures one site; Steer and the command line take it too."""
        by: By = next(kind for kind in KINDS if kind == site.by)
        method = Replacement(by, (site.index,), space=site.space, seed=self.draw if _is_drawn(by) else 0)
        return ConditionRequest(self.model, (method,), self.eval_set, self.n, self.seed, self.means, self.passes, overlap=self.overlap)


def _refused(request: AblateRequest, engine: Engine, check_cancelled: CheckCancelled) -> dict[AblationSite, str]:
    """Sites that nothing consumes, each with the reason."""
    refused = {}
    for site in request.asked:
        try:
            check_feeds_back(site.space, engine.model)
            check_indices((site.index,), request.passes, site.space)
        except InterventionError as error:
            refused[site] = str(error)
    return refused


def _consumed(request: AblateRequest, refused: Mapping[AblationSite, str]) -> tuple[AblationSite, ...]:
    """Raises InputError when none is left."""
    sites = tuple(site for site in request.asked if site not in refused)
    if not sites:
        raise InputError(next(iter(refused.values()), "There is nothing to replace: choose at least one replacement and one site."))
    return sites


def _is_drawn(by: By) -> bool:
    return by not in ("zero", "mean")


def ablate(
    workbench: Workbench, request: AblateRequest, viewer: str, on_wait: OnWait | None = None, compute: bool = True
) -> Iterator[AblationMap]:
    """The effects of ever more sites; stored ones come at once, and alone unless ``compute``. Each is a condition of the Steer page.

    Stop by no longer asking. Raises InputError for a request without sites, InterventionError when means and evaluated questions overlap,
    DataError, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    unknown = [by for by in request.by if by not in KINDS] + [space for space in request.spaces if space not in SPACES]
    if unknown:
        raise InputError(f"'{unknown[0]}' cannot be ablated: choose among {', '.join(KINDS)}, and among {', '.join(SPACES)}.")
    refused = workbench.run(request.model, partial(_refused, request), viewer, on_wait)
    sites = _consumed(request, refused)
    effects = {}
    for found in run_together(workbench, [request.condition(site) for site in sites], viewer, on_wait, compute):
        for place, pair in found.pairs.items():
            if sites[place] not in effects:
                condition = found.conditions[place]
                effects[sites[place]] = effect_of(pair, found.questions, (condition.key, condition.baseline.key))
        yield AblationMap(found.conditions[0].eval_set, request.passes, sites, refused, found.done, dict(effects))


# Every latent replaced, in one prompt


@dataclass(frozen=True)
class ImportanceRequest:
    kind: ClassVar[str] = "importance"
    model: str
    prompt: str
    by: By = "resample"
    """``resample``: latents of the means' questions at that index · ``gaussian``: draws with their mean and covariance."""
    draws: int = 32
    seed: int = 0
    spaces: tuple[Space, ...] = SPACES
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    max_new_tokens: int = RolloutConfig.max_new_tokens
    gold: str = field(default="", metadata=ADDED_LATER)
    """The right answer as a person gives it, and step values, of which the last is it; shown beside the model's own, which is followed."""
    steps: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class _Asked:
    """A prompt, its own answer as what is followed, and everything computed of it."""

    rollout: Rollout
    problem: Question | None
    prepared: PreparedSet
    condition: Condition
    """Without replacements."""
    prob: float
    """Of its own answer."""


def importance(workbench: Workbench, request: ImportanceRequest, viewer: str, on_wait: OnWait | None = None) -> Iterator[PromptImportance]:
    """The importance of ever more latents of a prompt.

    Raises InputError for a prompt that cannot be read or has no number for an answer, or draws out of range, DataError, ModelError …
    """
    if not MIN_DRAWS <= request.draws <= MAX_DRAWS:
        raise InputError(f"{request.draws} draws: choose {MIN_DRAWS} to {MAX_DRAWS}.")
    if request.by not in ("resample", "gaussian"):
        raise InputError(f"'{request.by}' puts the same in place every time: choose resample or gaussian.")
    check_means(workbench, request.model, request.means, request.passes)
    wanted = AblateRequest(request.model, (request.by,), request.spaces, passes=request.passes)
    sites = _consumed(wanted, workbench.run(request.model, partial(_refused, wanted), viewer, on_wait))
    asked = workbench.run(request.model, partial(_ask, workbench, request), viewer, on_wait)
    latents: list[LatentImportance] = []
    collect_in_turns(workbench, request.model, request.means, request.passes, viewer, on_wait)
    for site in sites:
        latents.append(workbench.run(request.model, partial(_replaced, workbench, request, asked, site), viewer, on_wait))
        yield _importance(request, asked, len(sites), latents)


def _ask(workbench: Workbench, request: ImportanceRequest, engine: Engine, check_cancelled: CheckCancelled) -> _Asked:
    text, config = clean_question(request.prompt), RolloutConfig(request.passes, request.max_new_tokens)
    rollout = workbench.rollout(engine, text, config, check_cancelled)
    condition = condition_of(workbench, engine, EvalSetSpec("prompt", 1, 0, ""), config, (Replacement("mean", (0,)),), request.means)
    condition, prepared = replace(condition, interventions=()), PreparedSet(engine, [answered(text, rollout)], config)
    prob = float(prepared.baseline_of(0, [condition], check_cancelled)[0].p_gold[0])
    found = known(text, request.gold, request.steps)
    return _Asked(rollout, found.question if found else None, prepared, condition, prob)


def _replaced(
    workbench: Workbench,
    request: ImportanceRequest,
    asked: _Asked,
    site: AblationSite,
    engine: Engine,
    check_cancelled: CheckCancelled,
) -> LatentImportance:
    """All draws at one site, and last the mean latent, side by side."""
    seeds = range(request.seed, request.seed + request.draws)
    draws = [Replacement(request.by, (site.index,), space=site.space, seed=seed) for seed in seeds]
    methods = [*draws, Replacement("mean", (site.index,), space=site.space)]
    conditions = [replace(asked.condition, interventions=(method,)) for method in methods]
    directions = directions_of(workbench, engine, request.means, request.passes, check_cancelled)
    before = asked.prepared.baseline_of(0, conditions, check_cancelled)
    after = asked.prepared.answers_of(0, conditions, directions, check_cancelled)
    change = np.array([_log(own) - _log(base) for base, own in zip(before, after, strict=True)], np.float32)
    own = before[0].answers[0]
    answers, each = tuple(run.answers[0] for run in after), [np.arange(request.draws)]
    mean, low, high, _ = estimate(change[:-1], each)
    return LatentImportance(
        space=site.space,
        index=site.index,
        change=change[:-1],
        answers=answers[:-1],
        mean=Estimate(float(mean), float(low), float(high)),
        changed=share([answer != own for answer in answers[:-1]], each),
        reference=float(change[-1]),
        reference_answer=answers[-1],
    )


def _log(run: ScoredRun) -> float:
    return math.log(max(float(run.p_gold[0]), LEAST))


def _importance(request: ImportanceRequest, asked: _Asked, total: int, latents: Sequence[LatentImportance]) -> PromptImportance:
    means = asked.condition.means
    assert means is not None
    return PromptImportance(
        key=request.key,
        answer=asked.rollout.answer,
        prob=asked.prob,
        gold=asked.problem.gold if asked.problem else None,
        top_answers=asked.rollout.top_answers,
        means=means,
        passes=request.passes,
        draws=request.draws,
        total=total,
        latents=tuple(latents),
    )


# The command lines that repeat a request


def early_stop_command(request: EarlyStopRequest) -> str:
    return _command(request.model, ["--early-stop", *_set_words(request), *passes_words(request.model, request.passes)])


def ablate_command(request: AblateRequest) -> str:
    chosen = [word for by in request.by for word in ("--by", by)]
    if request.spaces != SPACES:
        chosen += [word for space in request.spaces for word in ("--space", space)]
    drawn = [*(["--draw-seed", str(request.draw)] if request.draw else []), *(["--overlap"] if request.overlap else [])]
    return _command(
        request.model, [*chosen, *_set_words(request), *drawn, *passes_words(request.model, request.passes), *means_words(request.means)]
    )


def importance_command(request: ImportanceRequest) -> str:
    chosen = ["--prompt", request.prompt, "--by", request.by, "--draws", str(request.draws)]
    drawn = ["--draw-seed", str(request.seed)] if request.seed else []
    return _command(request.model, [*chosen, *drawn, *passes_words(request.model, request.passes), *means_words(request.means)])


def _command(model: str, words: Sequence[str]) -> str:
    return shlex.join(["python", "-m", "codi_core", "ablate", "--model", model, *words])


def _set_words(request: EarlyStopRequest | AblateRequest) -> list[str]:
    return ["--eval-set", request.eval_set, "--n", str(request.n), *(["--seed", str(request.seed)] if request.seed else [])]
