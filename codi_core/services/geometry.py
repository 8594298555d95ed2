"""How the latents of a split lie: principal components against a null, means per index, cosines; components as steering directions."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation import components
from codi_core.evaluation.contrast import contrast
from codi_core.evaluation.stats import Array, estimate
from codi_core.keys import key_of
from codi_core.lenses.differences import pairs
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.effects import runs_of
from codi_core.services.shared.commands import means_words, passes_words
from codi_core.services.shared.directions import check_means, collect_in_turns, means_samples, means_spec
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.components import principal_components
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.limits import check_depth, check_layers
from codi_core.steering.means import LatentSamples, chosen_questions
from codi_core.steering.methods import Method
from codi_core.steering.vectors import Component
from codi_core.store import save_json, save_npz
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled, OnProgress, OnWait
from codi_core.values.latents import GeometrySpace, LatentGeometry
from codi_core.values.stats import Contrast, Estimates
from codi_core.values.vectors import MeansSpec

SPACES: tuple[GeometrySpace, ...] = get_args(GeometrySpace)
Centre = Literal["all", "index"]
KIND, ARRAYS, FACTS = "geometries", "geometry.npz", "facts.json"
PLAIN = ("scores", "spread", "null", "split_half", "mean_cosines", "difference_cosines", "lengths")
ESTIMATED = ("centroids", "explained", "by_index")
PARTS = ("value", "low", "high")


@dataclass(frozen=True)
class GeometryRequest:
    kind: ClassVar[str] = "geometry"
    model: str
    """Name of a preset, a hub id or a folder."""
    space: GeometrySpace = "z"
    layer: int | None = None
    """Depth of resid; layer of k and v, None = all of them together."""
    means: MeansRequest = field(default_factory=MeansRequest)
    passes: int = 6
    centre: Centre = "all"

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True)
class GeometrySpec:
    kind: ClassVar[str] = "latent-geometry"
    means: MeansSpec
    space: GeometrySpace
    layer: int | None
    centre: Centre

    @property
    def key(self) -> str:
        return key_of(self)


def geometry(
    workbench: Workbench, request: GeometryRequest, viewer: str, on_wait: OnWait | None = None, progress: OnProgress | None = None
) -> LatentGeometry:
    """Stored; the latents are rolled out once and stored, too, the same as steering's; ``progress`` counts their questions.

    Raises InputError for a space or layer that does not exist or latents that do not vary, DataError, ModelError, and Cancelled when
    ``viewer`` asked for something newer.
    """
    if request.space not in SPACES or request.passes < 1:
        raise InputError(f"'{request.space}' after {request.passes} passes: choose among {', '.join(SPACES)}, and at least one pass.")

    check_means(workbench, request.model, request.means, request.passes)

    def spec_of(engine: Engine, check_cancelled: CheckCancelled) -> GeometrySpec:
        _check_layer(engine, request)
        means = means_spec(engine, request.means, request.passes)
        return GeometrySpec(means, request.space, request.layer, request.centre)

    spec = workbench.run(request.model, spec_of, viewer, on_wait)
    if workbench.store.ready(KIND, spec.key):
        return _stored(workbench, request.means, spec)

    def work(engine: Engine, check_cancelled: CheckCancelled) -> tuple[LatentSamples, dict[str, Floats]]:
        samples = means_samples(workbench, engine, request.means, request.passes, check_cancelled, progress)
        return samples, _tokens(engine, request)

    collect_in_turns(workbench, request.model, request.means, request.passes, viewer, on_wait, progress)
    samples, tokens = workbench.run(request.model, work, viewer, on_wait)
    found = _geometry(request, samples, tokens, on_wait)
    workbench.store.keep(KIND, spec, partial(_store, found))
    return found


def _store(found: LatentGeometry, folder: Path) -> None:
    arrays = {name: getattr(found, name) for name in PLAIN}
    arrays |= {f"{name}_{part}": getattr(getattr(found, name), part) for name in ESTIMATED for part in PARTS}
    save_npz(folder / ARRAYS, arrays | {f"token_{name}": cosines for name, cosines in found.tokens.items()})
    save_json(folder / FACTS, {"dimensions": found.dimensions, "retained": found.retained, "tokens": list(found.tokens)})


def _stored(workbench: Workbench, asked: MeansRequest, spec: GeometrySpec) -> LatentGeometry:
    artifact = workbench.store.read(KIND, spec.key)
    arrays, facts = artifact.npz(ARRAYS), artifact.json(FACTS)
    questions = chosen_questions(spec.means, load_eval_set(asked.eval_set, asked.n, asked.seed)[1])

    def means_of(name: str) -> Estimates:
        value, low, high = (arrays[f"{name}_{part}"] for part in PARTS)
        return Estimates(value, low, high, len(questions))

    measured: dict[str, Any] = {**{name: arrays[name] for name in PLAIN}, **{name: means_of(name) for name in ESTIMATED}}
    tokens = {name: arrays[f"token_{name}"] for name in facts["tokens"]}
    counted = {"dimensions": facts["dimensions"], "retained": facts["retained"], "pairs": tuple(pairs(arrays["scores"].shape[1]))}
    return LatentGeometry(spec.means, spec.space, spec.layer, spec.centre, questions, tokens=tokens, **counted, **measured)


def _check_layer(engine: Engine, request: GeometryRequest) -> None:
    if request.space == "z" and not engine.model.family.feeds_back:
        raise InputError(
            f"z of {engine.model.spec.name} is one learned vector in every pass: it is a pause twin. Look at h, K, V or resid."
        )
    if request.space in ("k", "v"):
        check_layers(() if request.layer is None else (request.layer,), engine.model)
    else:
        check_depth(request.layer, engine.model, request.space)


def _tokens(engine: Engine, request: GeometryRequest) -> dict[str, Floats]:
    """Embeddings that latents are compared with: only z stands where embeddings do."""
    if request.space != "z":
        return {}
    ids = {"bot": engine.model.ids.bot, "eot": engine.model.ids.eot}
    with torch.inference_mode():
        rows = engine.model.embed(torch.tensor(list(ids.values()), device=engine.model.device)).float().cpu().numpy()
    return dict(zip(ids, rows, strict=True))


def latents_of(samples: LatentSamples, space: GeometrySpace, layer: int | None) -> Floats:
    """``[question index d]``"""
    if space in ("k", "v"):
        cached = samples.keys if space == "k" else samples.values
        cached = cached if layer is None else cached[:, :, layer]
        return np.asarray(cached.reshape(*cached.shape[:2], -1))
    part: Floats = samples.part("resid" if space == "resid" else "h" if space == "h" else "z", layer)
    return np.asarray(part)


def _geometry(request: GeometryRequest, samples: LatentSamples, tokens: dict[str, Floats], on_wait: OnWait | None) -> LatentGeometry:
    latents, clusters = latents_of(samples, request.space, request.layer), clusters_of(samples.questions)
    count, indices, dimensions = latents.shape
    if len(set(clusters[0])) < 2:
        raise InputError(f"{count} question{'s' * (count > 1)} with the same numbers have no two halves to compare: take more questions.")
    means = latents.mean(0, dtype=np.float64)
    placed = latents - means if request.centre == "index" else latents
    rows = placed[:, 1:].reshape(-1, dimensions)  # as the steering source `component`: without bot
    shares, directions = principal_components(rows, components.SHOWN)
    null = components.shuffled_shares(rows, len(shares), check_cancelled=on_wait)
    scores = (placed - rows.mean(0, dtype=np.float64)) @ directions.T
    first = _first_half(clusters[0])
    halves = [latents[half].mean(0, dtype=np.float64) for half in (first, ~first)]
    both = [means, *halves]
    mean, low, high, _ = estimate(scores, clusters)
    spread = _spread(placed[:, 1:])
    return LatentGeometry(
        means=samples.spec,
        space=request.space,
        layer=request.layer,
        centre=request.centre,
        questions=samples.questions,
        dimensions=dimensions,
        scores=scores.astype(np.float32),
        centroids=Estimates(mean.astype(np.float32), low.astype(np.float32), high.astype(np.float32), count),
        explained=components.variance_shares(np.square(scores[:, 1:]).sum(1), spread[:, None], clusters),
        spread=spread.astype(np.float32),
        by_index=_between(scores[:, 1:], clusters),
        null=null.astype(np.float32),
        retained=components.retained(shares, null),
        split_half=components.half_agreement(rows, np.repeat(first, indices - 1), directions).astype(np.float32),
        tokens={name: _cosine(directions, token) for name, token in tokens.items()},
        mean_cosines=np.stack([components.cosines(each) for each in both]).astype(np.float32),
        difference_cosines=np.stack([components.cosines(_differences(each)) for each in both]).astype(np.float32),
        pairs=tuple(pairs(indices)),
        lengths=np.linalg.norm(latents, axis=-1).mean(0).astype(np.float32),
    )


def explained_contrast(own: LatentGeometry, control: LatentGeometry) -> Contrast:
    """Share of variance of every component, of a model minus of its control ``[component]``; component k is each model's own k-th."""
    assert own.questions == control.questions, "two splits"
    count = min(len(own.explained.value), len(control.explained.value))

    def shares(found: LatentGeometry) -> Array:
        scores = found.scores[:, 1:, :count].astype(np.float64)
        share, added = components.question_shares(np.square(scores).sum(1), found.spread.astype(np.float64)[:, None])
        each: Array = share + added
        return each

    return contrast(shares(own), shares(control), clusters_of(own.questions))


def _spread(latents: Floats) -> Array:
    """``[question]``: squared distances from the mean of all, summed over indices and coordinates."""
    wide = latents.astype(np.float64)
    spread: Array = np.square(wide - wide.mean((0, 1))).sum((1, 2))
    return spread


def _between(scores: Array, clusters: Sequence[npt.NDArray[np.str_]]) -> Estimates:
    """Share of a component's variance that lies between indices: what is left when the spread around every index' mean is taken away."""
    whole, within = (np.square(scores - centre).sum(1) for centre in (scores.mean((0, 1)), scores.mean(0)))
    return components.variance_shares(whole - within, whole, clusters)


def _first_half(triples: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
    """Every second cluster of numbers, so that no triple is in both halves; alternating questions when there are no clusters."""
    half: npt.NDArray[np.bool_] = np.unique(triples, return_inverse=True)[1] % 2 == 0
    return half


def _differences(means: Array) -> Array:
    return np.stack([means[b] - means[a] for a, b in pairs(len(means))])


def _cosine(directions: Array, token: Floats) -> Floats:
    return np.asarray(directions @ token / max(float(np.linalg.norm(token)), 1e-30), np.float32)


def answered_right(workbench: Workbench, request: GeometryRequest, viewer: str, on_wait: OnWait | None = None) -> npt.NDArray[np.bool_]:
    """``[question]`` of the split; stored, or answered now. Raises as `geometry`."""
    means = request.means
    wanted = ConditionRequest(request.model, (), means.eval_set, means.n, means.seed, passes=request.passes)
    return runs_of(workbench, wanted, viewer, on_wait)[1].correct


def component_method(request: GeometryRequest, rank: int, index: int, coefficient: float = 1.0) -> Method | None:
    """Steering along a component; None where there is no such source: one layer of k or v, and components within indices."""
    if request.centre == "index" or (request.space in ("k", "v") and request.layer is not None):
        return None
    if request.space == "k":
        return KV(Component(rank), coefficient, (index,), value_weight=0.0)
    if request.space == "v":
        return KV(Component(rank), coefficient, (index,), key_weight=0.0)
    return Hidden(Component(rank), coefficient, (index,), request.space, request.layer)


def geometry_command(request: GeometryRequest) -> str:
    """The command line that repeats a request."""
    default = GeometryRequest("")
    words = ["python", "-m", "codi_core", "geometry", "--model", request.model, "--space", request.space]
    words += passes_words(request.model, request.passes)
    for name in ("layer", "centre"):
        if getattr(request, name) != getattr(default, name):
            words += [f"--{name}", str(getattr(request, name))]
    return shlex.join([*words, *means_words(request.means)])
