"""Latents of a named split, kept question by question: means, differences, principal components and controls all come from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from codi_core.errors import ArtifactError, InterventionError
from codi_core.problems.clusters import first_half
from codi_core.steering.rotary import rotation
from codi_core.store import Artifact, Store, save_json
from codi_core.values.arrays import Floats, Ints
from codi_core.values.callbacks import CheckCancelled, OnProgress
from codi_core.values.model import Rollout, RolloutConfig
from codi_core.values.questions import Question
from codi_core.values.vectors import MeanLatents, MeansSpec, Space

if TYPE_CHECKING:
    from codi_core.engine.engine import Engine

KIND = "means"
"""Name of the artifacts."""
BLOCK = 64
"""Questions rolled out at a time: their residuals pass through the host."""
ARRAYS = ("positions", "h", "z", "resid", "keys", "raw_keys", "values")


@dataclass(frozen=True, eq=False)
class LatentSamples:
    """Latents of every question of a split. Arrays may be memory-mapped files."""

    spec: MeansSpec
    questions: tuple[Question, ...]
    positions: Ints
    """``[row]``: position of bot."""
    h: Floats
    """``[row index d_model]``"""
    z: Floats
    """``[row index d_model]``"""
    resid: Floats
    """``[row index depth d_model]``"""
    keys: Floats
    """``[row index layer kv_head d_head]``, rotation undone."""
    raw_keys: Floats
    """``[row index layer kv_head d_head]``, as in the cache."""
    values: Floats
    """``[row index layer kv_head d_head]``"""

    def part(self, space: Space, layer: int | None = None, raw: bool = False) -> Floats:
        """``[row index d_model]``; for kv ``[row index 2 layer kv_head d_head]``, keys first."""
        if space == "kv":
            return np.stack([self.raw_keys if raw else self.keys, self.values], 2)
        if space == "resid":
            chosen: Floats = self.resid[:, :, layer]
            return chosen
        return self.h if space == "h" else self.z

    def means(self) -> MeanLatents:
        """Means of all questions and of two halves of them."""
        first = first_half(self.questions)
        return self._mean(np.arange(len(first)), (self._mean(np.flatnonzero(first)), self._mean(np.flatnonzero(~first))))

    def _mean(self, rows: npt.NDArray[np.intp], halves: tuple[MeanLatents, ...] = ()) -> MeanLatents:
        arrays = {name: _mean_of(getattr(self, name), rows) for name in ARRAYS if name != "positions"}
        return MeanLatents(spec=self.spec, n=len(rows), halves=halves, **arrays)


def _mean_of(samples: Floats, rows: npt.NDArray[np.intp]) -> Floats:
    total = np.zeros(samples.shape[1:], np.float64)  # float32 sums of 500 rows would lose digits that differences need
    for row in rows:
        total += samples[row]
    return (total / max(len(rows), 1)).astype(np.float32)


def chosen_questions(spec: MeansSpec, questions: Sequence[Question]) -> tuple[Question, ...]:
    """Those of the split the spec asks for. Raises InterventionError when none are left."""
    kept = tuple(question for question in questions if spec.only == "all" or "/add/" in question.template)
    if not kept:
        raise InterventionError(f"No question of {spec.eval_set.name} is an addition-first story: take all of them, or the templates.")
    return kept


def collect_samples(
    engine: Engine,
    spec: MeansSpec,
    questions: Sequence[Question],
    check_cancelled: CheckCancelled | None = None,
    progress: OnProgress | None = None,
) -> LatentSamples:
    """Roll the questions out and keep their latents; the arrays take ``questions · passes`` times the size of one latent (1B: 2 MB)."""
    chosen = chosen_questions(spec, questions)
    blocks: list[Block] = []
    for block in blocks_of(chosen):
        blocks.append(collect_block(engine, spec, block, check_cancelled))
        if progress:
            progress(sum(map(len, blocks)), len(chosen))
    return samples_from(engine, spec, chosen, blocks)


Block = list[Rollout]


def blocks_of(chosen: Sequence[Question]) -> list[Sequence[Question]]:
    """Of questions that are rolled out at a time."""
    return [chosen[start : start + BLOCK] for start in range(0, len(chosen), BLOCK)]


def collect_block(engine: Engine, spec: MeansSpec, block: Sequence[Question], check_cancelled: CheckCancelled | None = None) -> Block:
    assert spec.model == engine.model.spec.key
    texts = [question.question for question in block]
    return engine.rollout(texts, RolloutConfig(spec.passes, 1), check_cancelled=check_cancelled)


def samples_from(engine: Engine, spec: MeansSpec, chosen: tuple[Question, ...], blocks: Sequence[Block]) -> LatentSamples:
    """Of `blocks_of` the chosen questions, in order."""
    rollouts = [rollout for block in blocks for rollout in block]
    stacked = {name: np.stack([getattr(rollout, name) for rollout in rollouts]) for name in ("h", "z", "resid", "keys", "values")}
    raw_keys = stacked.pop("keys")
    where = np.array([len(rollout.input_ids) - 1 for rollout in rollouts], np.int64)
    return LatentSamples(
        spec=spec, questions=chosen, positions=where, keys=_derotated(engine, raw_keys, where), raw_keys=raw_keys, **stacked
    )


def _derotated(engine: Engine, keys: Floats, positions: Ints) -> Floats:
    """Keys ``[row index layer kv_head d_head]`` of prompts whose bot stands at ``positions``, as if all were at position 0."""
    import torch

    where = torch.from_numpy(positions)[:, None] + torch.arange(keys.shape[1])
    turned = rotation(engine.model, where.to(engine.model.device))
    if turned is None:
        return keys
    on_device = torch.from_numpy(keys).to(engine.model.device)
    back: Floats = turned.unsqueeze(2).unsqueeze(2).undo(on_device).cpu().numpy()
    return back


def samples_of(
    engine: Engine,
    store: Store,
    spec: MeansSpec,
    questions: Sequence[Question],
    check_cancelled: CheckCancelled | None = None,
    progress: OnProgress | None = None,
) -> LatentSamples:
    """The stored samples of ``spec``, collected and stored when there are none. ``questions`` are those of its eval set."""
    if not store.ready(KIND, spec.key):
        samples = collect_samples(engine, spec, questions, check_cancelled, progress)
        keep_samples(store, samples)
        return samples
    return _load(store.read(KIND, spec.key), spec, chosen_questions(spec, questions))


def keep_samples(store: Store, samples: LatentSamples) -> None:
    store.keep(KIND, samples.spec, lambda folder: _save(folder, samples))


def _save(folder: Path, samples: LatentSamples) -> None:
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(samples, name), allow_pickle=False)
    save_json(folder / "rows.json", [question.id for question in samples.questions])


def _load(artifact: Artifact, spec: MeansSpec, questions: tuple[Question, ...]) -> LatentSamples:
    if artifact.json("rows.json") != [question.id for question in questions]:
        raise ArtifactError(f"{artifact.path} was made from other questions than {spec.eval_set.name} has", "delete it and run again.")
    arrays = {name: np.load(artifact.file(f"{name}.npy"), mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    return LatentSamples(spec=spec, questions=questions, **arrays)
