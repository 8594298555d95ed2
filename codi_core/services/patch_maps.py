"""Every cell of one prompt put at the same cell of another: a map, for one pair or for pairs of an eval set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import numpy as np

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, InputError
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.pairs import CANDIDATES, FEWEST, Picked, as_pairs, pick_pairs, template_means
from codi_core.evaluation.patching import Change, Pair, PairSet, cells_of, follows, random_alike, recovery
from codi_core.evaluation.stats import estimate
from codi_core.keys import key_of
from codi_core.models.prompts import clean_question
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.patch import command_of
from codi_core.services.shared.budget import check_budget
from codi_core.services.shared.commands import passes_words
from codi_core.services.shared.workbench import Workbench
from codi_core.store import save_json, save_npz
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnWait
from codi_core.values.model import RolloutConfig
from codi_core.values.patching import (
    DONORS,
    FEWEST_NATS,
    FOLLOWS,
    Donor,
    PatchMap,
    PatchMapSpec,
    Way,
)
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.stats import Clusters, Contrast, Estimates

KIND, ARRAYS, ROWS = "patches", "patches.npz", "pairs.json"
MOST_PAIRS = 512
OF_ONE_PAIR: tuple[Donor, ...] = ("source", "random")
"""What can be put in place without other questions."""


@dataclass(frozen=True)
class PatchMapRequest:
    kind: ClassVar[str] = "patch-map-request"
    model: str
    clean: str = ""
    """Prompts of a single pair; empty: pairs of the eval set."""
    corrupt: str = ""
    eval_set: str = "templates"
    n: int = 64
    """Pairs."""
    seed: int = 0
    way: Way = "denoising"
    """``denoising``: cells of the clean prompt go into the corrupt one, what suffices? ``noising``: the other way, what is needed?"""
    donor: Donor = "source"
    passes: int = 6
    max_new_tokens: int = RolloutConfig.max_new_tokens
    pairs_of: str = ""
    """The model whose control this one is: its pairs are patched, whatever this one answers. Empty: pairs answered right here."""

    @property
    def key(self) -> str:
        return key_of(self)

    @property
    def single(self) -> bool:
        return bool(self.clean or self.corrupt)

    def check(self) -> None:
        """Raises InputError."""
        if self.donor not in DONORS or self.way not in ("denoising", "noising"):
            raise InputError(f"'{self.donor}', '{self.way}': put in place one of {', '.join(DONORS)}, by denoising or noising.")
        if self.single and not (self.clean and self.corrupt):
            raise InputError("One prompt was given: a pair needs both, or none for pairs of an eval set.")
        if self.single and self.donor not in OF_ONE_PAIR:
            raise InputError(f"'{self.donor}' needs other questions: with two prompts put {' or '.join(OF_ONE_PAIR)} in place.")
        if not self.single and not 1 <= self.n <= MOST_PAIRS:
            raise InputError(f"{self.n} pairs: choose 1 to {MOST_PAIRS}.")


@dataclass(frozen=True, eq=False)
class _Prepared:
    spec: PatchMapSpec
    pairs: PairSet
    change: Change | None
    clusters: Clusters


def patch_map(
    workbench: Workbench, request: PatchMapRequest, viewer: str, on_wait: OnWait | None = None, compute: bool = True
) -> Iterator[PatchMap]:
    """Ever more indices; a stored map comes at once, and alone unless ``compute``.

    Raises InputError for a request that cannot be, BudgetError for one above what a server computes, DataError for an eval set that cannot
    be read or has no pair, ModelError, and Cancelled when ``viewer`` asked for something newer.
    """
    request.check()
    eval_set = None if request.single else load_eval_set(request.eval_set, 0, request.seed)[0]  # drawn while the model answers others
    spec = workbench.run(request.model, partial(_spec, request, eval_set), viewer, on_wait)
    if request.pairs_of and not request.single:
        spec = replace(spec, pairs_of=workbench.run(request.pairs_of, lambda engine, _: engine.model.spec.key, viewer, on_wait))
    if workbench.store.find(KIND, spec.key) is not None:
        yield _stored(workbench, request, spec)
        return
    if not compute:
        return
    depths = workbench.run(request.model, lambda engine, _: engine.model.n_layers + 1, viewer, on_wait)
    _check_budget(workbench, request, depths)
    chosen = None if request.single else workbench.run(request.pairs_of or request.model, partial(_choose, request), viewer, on_wait)
    prepared = workbench.run(request.model, partial(_prepare, request, spec, chosen), viewer, on_wait)
    arrays = _empty(len(prepared.pairs.pairs), request.passes + 1, depths)
    arrays["ld_source"] = prepared.pairs.ld_source()
    for index in range(request.passes + 1):
        workbench.run(request.model, partial(_fill, prepared, arrays, index), viewer, on_wait)
        found = _map(prepared, arrays, index + 1.0)
        if index == request.passes:
            _store(workbench, prepared, arrays)
        yield found


def _check_budget(workbench: Workbench, request: PatchMapRequest, depths: int) -> None:
    """Both what is answered to find pairs, and every cell of every pair."""
    command = patch_map_command(request)
    if not request.single:
        check_budget(workbench, command, _candidates(request), 1, request.passes, ("candidate question", "direction"))
    check_budget(workbench, command, 1 if request.single else request.n, (request.passes + 1) * depths, request.passes, ("pair", "cell"))


def _candidates(request: PatchMapRequest) -> int:
    """Questions that are answered to find pairs, where the eval set has so many."""
    return max(CANDIDATES * request.n, FEWEST)


def _spec(request: PatchMapRequest, eval_set: EvalSetSpec | None, engine: Engine, check_cancelled: CheckCancelled) -> PatchMapSpec:
    prompts = tuple(clean_question(text) for text in (request.clean, request.corrupt)) if request.single else ()
    return PatchMapSpec(
        model=engine.model.spec.key,
        prompts=prompts,
        eval_set=eval_set,
        n=1 if request.single else request.n,
        way=request.way,
        donor=request.donor,
        passes=request.passes,
        max_new_tokens=request.max_new_tokens,
        seed=request.seed,
    )


def _choose(request: PatchMapRequest, engine: Engine, check_cancelled: CheckCancelled) -> tuple[list[Question], list[Picked]]:
    """The questions that were answered, and the pairs among them."""
    config = RolloutConfig(request.passes, request.max_new_tokens)
    loaded = load_eval_set(request.eval_set, 0, request.seed)[1]
    order = np.random.default_rng(request.seed).permutation(len(loaded))[: _candidates(request)]
    questions = [loaded[place] for place in order.tolist()]
    rollouts = engine.rollout([question.question for question in questions], config, check_cancelled=check_cancelled, record=False)
    picked = pick_pairs(questions, rollouts, request.n, request.donor, request.seed)
    if not picked:
        raise DataError(
            f"'{request.eval_set}' gives no pair among {len(questions):,} questions: two that are answered right, of one template and as "
            "many tokens, with " + ("the same answer." if request.donor == "same" else "different answers.")
        )
    return questions, [_swapped(*found, request.donor) for found in picked] if request.way == "noising" else picked


def _prepare(
    request: PatchMapRequest,
    spec: PatchMapSpec,
    chosen: tuple[list[Question], list[Picked]] | None,
    engine: Engine,
    check_cancelled: CheckCancelled,
) -> _Prepared:
    config = RolloutConfig(request.passes, request.max_new_tokens)
    change = random_alike(request.seed) if request.donor == "random" else None
    if chosen is None:
        pairs = [Pair("pair", *(spec.prompts if request.way == "denoising" else spec.prompts[::-1]))]
        return _Prepared(spec, PairSet(engine, pairs, config, check_cancelled), change, [np.zeros(1)])
    questions, picked = chosen
    if request.donor == "mean":
        change = template_means(engine, questions, config, picked, check_cancelled)
    clusters = clusters_of([target for _, target, _ in picked])
    return _Prepared(spec, PairSet(engine, as_pairs(picked), config, check_cancelled), change, clusters)


def _swapped(source: Question, target: Question, donor: Question, kind: Donor) -> Picked:
    """Into the clean question: cells of the corrupt one, or of the third."""
    return target, source, donor if kind == "other" else target


def _empty(pairs: int, indices: int, depths: int) -> dict[str, Floats]:
    cells = {name: np.full((pairs, indices, depths), np.nan, np.float32) for name in ("ld", "ld_target", "norm")}
    dlog_p = np.full((pairs, indices, depths, 2), np.nan, np.float32)
    return {**cells, "dlog_p": dlog_p, "follows": np.full((pairs, indices, depths), np.nan, np.float32)}


def _fill(prepared: _Prepared, arrays: dict[str, Floats], index: int, engine: Engine, check_cancelled: CheckCancelled) -> None:
    pairs = prepared.pairs
    patches = cells_of(index, engine.model.n_layers, engine.model.family.feeds_back)
    before, after = pairs.patched(patches, prepared.change, check_cancelled)
    own = [pairs.answers(pair) for pair in range(len(pairs.pairs))]
    depths = [patch.target.depth or 0 for patch in patches]
    arrays["ld"][:, index, depths], arrays["ld_target"][:, index, depths] = after.ld.T, before.ld.T
    arrays["norm"][:, index, depths] = after.norm.T
    arrays["dlog_p"][:, index, depths] = (after.log_p - before.log_p).transpose(1, 0, 2)
    arrays["follows"][:, index, depths] = [
        [FOLLOWS.index(follows(row[pair], *own[pair])) for row in after.answers] for pair in range(len(own))
    ]


def _map(prepared: _Prepared, arrays: dict[str, Floats], done: float) -> PatchMap:
    pairs = prepared.pairs
    names = tuple((pair.source, pair.target) if prepared.spec.prompts else _names(pair.name) for pair in pairs.pairs)
    answers = tuple(pairs.answers(pair) for pair in range(len(pairs.pairs)))
    return _read(prepared.spec, arrays, names, answers, prepared.clusters, done)


def _names(name: str) -> tuple[str, str]:
    source, _, target = name.partition(" → ")
    return source, target


def _read(
    spec: PatchMapSpec,
    arrays: dict[str, Floats],
    pairs: tuple[tuple[str, str], ...],
    answers: tuple[tuple[str, str], ...],
    clusters: Clusters,
    done: float,
) -> PatchMap:
    """From what was measured of every pair to means with intervals."""
    apart = arrays["ld_source"] - arrays["ld_target"][:, 0, 1]  # the first cell to be measured
    each = recovery(arrays["ld"] - arrays["ld_target"], apart[:, None, None])
    kept = np.abs(apart) >= FEWEST_NATS
    answered = arrays["follows"]
    return PatchMap(
        spec=spec,
        pairs=pairs,
        answers=answers,
        left_out=int((~kept).sum()),
        done=done,
        recovery=_means(each[kept], [labels[kept] for labels in clusters]),
        each=each,
        follows=np.stack([np.where(np.isnan(answered), np.nan, answered == place).mean(0) for place in range(3)]).astype(np.float32),
        dlog_p=np.moveaxis(arrays["dlog_p"].mean(0), -1, 0),
        norm=arrays["norm"].mean(0),
    )


def _means(each: Floats, clusters: Clusters) -> Estimates:
    """Of the cells that were measured."""
    value, low, high = (np.full(each.shape[1:], np.nan, np.float32) for _ in range(3))
    known = ~np.isnan(each).any(0) if len(each) else np.zeros(each.shape[1:], bool)
    if known.any():
        value[known] = each[:, known].mean(0)
    if known.any() and len(each) > 1:
        _, low[known], high[known], _ = estimate(each[:, known], clusters)
    return Estimates(value, low, high, len(each))


def _store(workbench: Workbench, prepared: _Prepared, arrays: dict[str, Floats]) -> None:
    found = _map(prepared, arrays, prepared.spec.passes + 1.0)
    clusters = {f"clusters_{way}": np.asarray(labels).astype(str) for way, labels in enumerate(prepared.clusters)}
    with workbench.store.write(KIND, prepared.spec) as folder:
        save_npz(folder / ARRAYS, {**arrays, "recovery": found.each, **clusters})
        save_json(folder / ROWS, {"pairs": found.pairs, "answers": found.answers})


def _stored(workbench: Workbench, request: PatchMapRequest, spec: PatchMapSpec) -> PatchMap:
    artifact = workbench.store.read(KIND, spec.key)
    arrays, rows = artifact.npz(ARRAYS), artifact.json(ROWS)
    clusters = [labels for name, labels in sorted(arrays.items()) if name.startswith("clusters_")]
    pairs, answers = (tuple((a, b) for a, b in rows[name]) for name in ("pairs", "answers"))
    return _read(spec, arrays, pairs, answers, clusters, request.passes + 1.0)


def patch_contrast(workbench: Workbench, own: PatchMapSpec, control: PatchMapSpec) -> Contrast:
    """Recovery in a model minus that in its control, from the stored maps of the same pairs: over those that have a recovery in both, at
    the cells that are patched in both, NaN elsewhere. Raises ArtifactError.
    """
    stored = [workbench.store.read(KIND, spec.key).npz(ARRAYS) for spec in (own, control)]
    each = [arrays["recovery"] for arrays in stored]
    rows = np.flatnonzero(np.all([~np.isnan(one).all((1, 2)) for one in each], 0))
    clusters = [labels[rows] for name, labels in sorted(stored[0].items()) if name.startswith("clusters_")]
    value, low, high, adjusted = (np.full(each[0].shape[1:], np.nan, np.float32) for _ in range(4))
    cells = ~np.isnan(each[0][rows]).any(0) & ~np.isnan(each[1][rows]).any(0)
    if len(rows) > 1:
        found = contrast(each[0][rows][:, cells], each[1][rows][:, cells], clusters)
        for place, part in ((value, found.difference.value), (low, found.difference.low), (high, found.difference.high)):
            place[cells] = part
        adjusted[cells] = found.adjusted
    return Contrast(Estimates(value, low, high, len(rows) if len(rows) > 1 else 0), adjusted)


def patch_map_command(request: PatchMapRequest) -> str:
    words = ["--prompt", request.clean, "--into", request.corrupt] if request.single else _set_words(request)
    words += [*(["--noising"] if request.way == "noising" else []), *(["--put", request.donor] if request.donor != "source" else [])]
    words += ["--beside-control"] if request.pairs_of else []
    model = request.pairs_of or request.model
    return command_of(model, [*words, *passes_words(model, request.passes)])


def _set_words(request: PatchMapRequest) -> list[str]:
    return ["--eval-set", request.eval_set, "--n", str(request.n), *(["--seed", str(request.seed)] if request.seed else [])]
