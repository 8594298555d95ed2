"""Latents of a named split, kept question by question: means, differences, principal components and controls all come from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import ArtifactError, InterventionError
from codi_core.problems.evalsets import load_eval_set
from codi_core.steering.rotary import rotation
from codi_core.store import Artifact, Store, save_json
from codi_core.types import Floats, Ints, MeanLatents, MeansSpec, Question, RolloutConfig, Space

KIND = "means"
"""Name of the artifacts."""
BLOCK = 64
"""Questions rolled out at a time: their residuals pass through the host."""
ARRAYS = ("positions", "h", "z", "resid", "keys", "raw_keys", "values")

OnStep = Callable[[], None]
Progress = Callable[[int, int], None]


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
        first = _half_of(self.questions)
        return self._mean(np.arange(len(first)), (self._mean(np.flatnonzero(first)), self._mean(np.flatnonzero(~first))))

    def _mean(self, rows: npt.NDArray[np.intp], halves: tuple[MeanLatents, ...] = ()) -> MeanLatents:
        arrays = {name: _mean_of(getattr(self, name), rows) for name in ARRAYS if name != "positions"}
        return MeanLatents(spec=self.spec, n=len(rows), halves=halves, **arrays)


def _mean_of(samples: Floats, rows: npt.NDArray[np.intp]) -> Floats:
    total = np.zeros(samples.shape[1:], np.float64)  # float32 sums of 500 rows would lose digits that differences need
    for row in rows:
        total += samples[row]
    return (total / max(len(rows), 1)).astype(np.float32)


def _half_of(questions: Sequence[Question]) -> npt.NDArray[np.bool_]:
    """Which questions belong to the first half: every second cluster, so that no triple is in both."""
    clusters: dict[tuple[str, ...], int] = {}
    return np.array([clusters.setdefault(_cluster(question), len(clusters)) % 2 == 0 for question in questions])


def _cluster(question: Question) -> tuple[str, ...]:
    return (_family(question), str(question.triple)) if question.triple else (question.id,)


def _family(question: Question) -> str:
    """Triples mean different problems in different families of stories."""
    return question.template.split("/")[0]


def chosen_questions(spec: MeansSpec, questions: Sequence[Question]) -> tuple[Question, ...]:
    """Those of the split the spec asks for. Raises InterventionError when none are left."""
    kept = tuple(question for question in questions if spec.only == "all" or "/add/" in question.template)
    if not kept:
        raise InterventionError(f"No question of {spec.eval_set.name} is an addition-first story: take all of them, or the templates.")
    return kept


def collect_samples(
    engine: Engine, spec: MeansSpec, questions: Sequence[Question], on_step: OnStep | None = None, progress: Progress | None = None
) -> LatentSamples:
    """Roll the questions out and keep their latents; the arrays take ``questions · passes`` times the size of one latent (1B: 2 MB)."""
    assert spec.model == engine.model.spec.key
    chosen = chosen_questions(spec, questions)
    arrays: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in ("h", "z", "resid", "keys", "values")}
    positions: list[int] = []
    for start in range(0, len(chosen), BLOCK):
        block = chosen[start : start + BLOCK]
        for rollout in engine.rollout([question.question for question in block], RolloutConfig(spec.passes, 1), on_step=on_step):
            positions.append(len(rollout.input_ids) - 1)
            for name, kept in arrays.items():
                kept.append(getattr(rollout, name))
        if progress:
            progress(len(positions), len(chosen))
    stacked = {name: np.stack(kept) for name, kept in arrays.items()}
    raw_keys = stacked.pop("keys")
    where = np.array(positions, np.int64)
    return LatentSamples(
        spec=spec, questions=chosen, positions=where, keys=_derotated(engine, raw_keys, where), raw_keys=raw_keys, **stacked
    )


def _derotated(engine: Engine, keys: Floats, positions: Ints) -> Floats:
    """Keys ``[row index layer kv_head d_head]`` of prompts whose bot stands at ``positions``, as if all were at position 0."""
    where = torch.from_numpy(positions)[:, None] + torch.arange(keys.shape[1])
    turned = rotation(engine.model, where.to(engine.model.device))
    if turned is None:
        return keys
    on_device = torch.from_numpy(keys).to(engine.model.device)
    back: Floats = turned.unsqueeze(2).unsqueeze(2).undo(on_device).cpu().numpy()
    return back


def means_spec(model_key: str, eval_set: str, n: int, seed: int = 0, only: str = "all", passes: int = 6) -> MeansSpec:
    """The spec of a named split. Raises DataError when there is no such set, InterventionError for an unknown ``only``."""
    if only not in ("all", "addition"):
        raise InterventionError(f"Means over '{only}' questions: choose all or addition.")
    return MeansSpec(model_key, load_eval_set(eval_set, n, seed)[0], only, passes)  # type: ignore[arg-type]


def samples_of(
    engine: Engine,
    store: Store,
    spec: MeansSpec,
    questions: Sequence[Question],
    on_step: OnStep | None = None,
    progress: Progress | None = None,
) -> LatentSamples:
    """The stored samples of ``spec``, collected and stored when there are none. ``questions`` are those of its eval set."""
    if store.find(KIND, spec.key) is None:
        samples = collect_samples(engine, spec, questions, on_step, progress)
        with store.write(KIND, spec) as folder:
            _save(folder, samples)
        return samples
    return _load(store.read(KIND, spec.key), spec, chosen_questions(spec, questions))


def _save(folder: Path, samples: LatentSamples) -> None:
    for name in ARRAYS:
        np.save(folder / f"{name}.npy", getattr(samples, name), allow_pickle=False)
    save_json(folder / "rows.json", [question.id for question in samples.questions])


def _load(artifact: Artifact, spec: MeansSpec, questions: tuple[Question, ...]) -> LatentSamples:
    if artifact.json("rows.json") != [question.id for question in questions]:
        raise ArtifactError(f"{artifact.path} was made from other questions than {spec.eval_set.name} has: delete it and run again.")
    arrays = {name: np.load(artifact.file(f"{name}.npy"), mmap_mode="r", allow_pickle=False) for name in ARRAYS}
    return LatentSamples(spec=spec, questions=questions, **arrays)


def check_disjoint(means: Sequence[Question], evaluated: Sequence[Question]) -> None:
    """Refuse vectors made from what they steer: raises InterventionError when a question, a triple or a template is in both."""
    for what, of in (("question", _text), ("triple", _triple), ("template", _template)):
        both = {of(question) for question in means} & {of(question) for question in evaluated} - {None}
        if both:
            raise InterventionError(
                f"The means and the evaluation share {len(both):,} {what}{'s' if len(both) > 1 else ''} ({min(map(str, both)):.80}): the "
                "effect would be measured on the data the vector was made from. Take means from another split, or a preset as in the post."
            )


def _text(question: Question) -> str:
    return question.question


def _triple(question: Question) -> str | None:
    return f"{_family(question)} {question.triple}" if question.triple else None


def _template(question: Question) -> str | None:
    return question.template or None
