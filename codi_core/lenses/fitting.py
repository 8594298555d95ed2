"""Fitting J-lenses: the Jacobians of many rollouts, one by one, summed. A sum resumes, and sums of parts add up.

``text`` is the estimator of anthropics/jacobian-lens on the prompt's own positions: over pairs p ≤ p' of valid positions the Jacobian of
depth L at p' with respect to p, summed over p', mean over p, mean over prompts. The others are means over prompts of one cell's Jacobian.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from codi_core.device import available_memory, free_cached_memory, is_out_of_memory
from codi_core.engine.engine import Engine
from codi_core.engine.gradients import Unrolled, pulled_back, unroll
from codi_core.engine.taps import Recording
from codi_core.errors import LensError, MemoryLimitError
from codi_core.keys import key_of
from codi_core.lenses.jacobian import Variant, pooled
from codi_core.lenses.latents import Progress
from codi_core.models.model import CodiModel
from codi_core.models.prompts import clean_question
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import question_digest

ROWS = 256
"""Copies of a prompt that carry a gradient at once, at most; fewer when memory runs out."""
SAVE_EVERY = 10
ENOUGH_TOKENS = 40
SKIPPED = {True: 16, False: 4}
"""First positions that text leaves out, attention sinks, of prompts with ENOUGH_TOKENS and of shorter ones."""


@dataclass(frozen=True)
class JacobianSpec:
    """Everything but the model and the questions that decides the Jacobians."""

    kind: ClassVar[str] = "jacobian"
    train_set: str = "train+means"
    """Splits of our problems or other eval sets, joined by ``+`` and taken in equal parts."""
    held_out_set: str = "select"
    n_questions: int = 200
    n_held_out: int = 400
    passes: int = 6
    seed: int = 0


def wanted(variants: Sequence[Variant]) -> tuple[str, ...]:
    """What has to be summed for them: the kv path is what z leaves of the whole."""
    names: set[str] = set()
    for variant in variants:
        names |= {variant.target} if variant.path != "z" else set()
        names |= {f"{variant.target}-z"} if variant.path else set()
    return tuple(sorted(names))


@dataclass(eq=False)
class Sums:
    """Jacobians added up over questions, in two halves."""

    identity: str
    """Of the model, the spec and the questions, the same for every part."""
    names: tuple[str, ...]
    """What is summed: see `wanted`."""
    part: tuple[int, int] = (1, 1)
    """Number of this part, from 1, and how many there are."""
    totals: dict[str, Tensor] = field(default_factory=dict)
    """``[half index depth output input]``, float32 on the cpu; one index for text."""
    counts: list[int] = field(default_factory=lambda: [0, 0])
    """Questions added, by half."""
    norms: dict[str, list[float]] = field(default_factory=dict)
    """A question each: max over cells of ‖J‖ / √d."""
    done: int = 0
    """Questions looked at."""

    def add(self, half: int, found: dict[str, Tensor]) -> None:
        for name, jacobians in found.items():
            if name not in self.totals:
                self.totals[name] = torch.zeros(2, *jacobians.shape)
            self.totals[name][half] += jacobians
            norm = jacobians.flatten(2).norm(dim=-1).max() / jacobians.shape[-1] ** 0.5
            self.norms.setdefault(name, []).append(float(norm))
        self.counts[half] += 1

    def mean(self, variant: Variant, passes: int, halves: Sequence[int] = (0, 1)) -> Tensor:
        """``[index depth output input]`` of one variant. Raises LensError when there is nothing to average."""
        count = sum(self.counts[half] for half in halves)
        if not count:
            raise LensError("No question was left to fit on: the model answers none of them with a number. Choose another set.")
        whole = self._total(variant.target, halves) if variant.path != "z" else None
        through_z = self._total(f"{variant.target}-z", halves) if variant.path else None
        total = through_z if whole is None else whole if through_z is None else whole - through_z
        assert total is not None
        return pooled(total / count, variant, variant.sources(passes))

    def _total(self, name: str, halves: Sequence[int]) -> Tensor:
        if name not in self.totals:
            raise LensError(f"These sums hold {', '.join(self.names)}, and not {name}: fit that variant.")
        return self.totals[name][list(halves)].sum(0)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".tmp")
        torch.save(vars(self), partial)
        partial.replace(path)


def load_sums(path: Path) -> Sums:
    """Raises LensError when the file is none of ours."""
    try:
        return Sums(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # whatever a foreign file makes torch raise
        raise LensError(f"{path} cannot be read as sums of Jacobians ({error}): fit the part again.") from error


def merged(parts: Sequence[Sums]) -> Sums:
    """Parts of one fit as one; a part that is missing is missing in the mean. Raises LensError when they are not of one fit, or one is
    there twice.
    """
    first = parts[0]
    numbers = sorted(part.part[0] for part in parts)
    if len({(part.identity, part.names, part.part[1]) for part in parts}) > 1:
        raise LensError("These parts do not make one fit: the same model, sets, variants and seed are needed.")
    if len(set(numbers)) < len(numbers):
        raise LensError(f"Parts {', '.join(map(str, numbers))} were given: each counts once.")
    whole = Sums(first.identity, first.names, done=sum(part.done for part in parts))
    whole.totals = {name: torch.stack([part.totals[name] for part in parts]).sum(0) for name in first.names}
    whole.counts = [sum(part.counts[half] for part in parts) for half in (0, 1)]
    whole.norms = {name: list(chain.from_iterable(part.norms[name] for part in parts)) for name in first.names}
    return whole


def fit(
    engine: Engine,
    spec: JacobianSpec,
    variants: Sequence[Variant],
    questions: Sequence[str],
    state: Path,
    progress: Progress,
    check_cancelled: CheckCancelled,
    part: tuple[int, int] = (1, 1),
    rows: int = ROWS,
) -> Sums:
    """Sum, or go on: what was summed is in the file ``state``, which the caller deletes.

    Part k of N takes every N-th question from the k-th.

    Raises MemoryLimitError when the sums or a single row do not fit, and what the engine raises.
    """
    names = wanted(variants)
    _check_memory(names, spec.passes, engine.model)
    sums = _resumed(state, Sums(identity_of(engine.model, spec, questions), names, part))
    mine = range(part[0] - 1, len(questions), part[1])
    for number in mine[sums.done :]:
        check_cancelled()
        (answered,) = engine.rollout([questions[number]], RolloutConfig(spec.passes), record=False)
        if answered.number is not None:
            found, rows = _in_memory(engine, list(answered.input_ids), spec.passes, names, rows)
            sums.add(number % 2, found)
        sums.done += 1
        progress("fitting", sums.done, len(mine))
        if sums.done % SAVE_EVERY == 0 or sums.done == len(mine):
            sums.save(state)
    return sums


def identity_of(model: CodiModel, spec: JacobianSpec, questions: Sequence[str]) -> str:
    """Of a fit, whatever its parts and variants."""
    return key_of([model.spec, spec, [question_digest(clean_question(question)) for question in questions]])


def _resumed(state: Path, new: Sums) -> Sums:
    if not state.exists():
        return new
    found = load_sums(state)
    return found if (found.identity, found.part, found.names) == (new.identity, new.part, new.names) else new


def _check_memory(names: Sequence[str], passes: int, model: CodiModel) -> None:
    cells = sum(1 if name == "text" else passes + 1 for name in names) * (model.n_layers + 1)
    needed, free = 3 * cells * model.d_model**2 * 4, available_memory(torch.device("cpu"))  # two halves, and one question
    if needed > free:
        raise MemoryLimitError(
            f"Sums of {', '.join(names)} need {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB are free: fit fewer variants at a time."
        )


def _in_memory(engine: Engine, ids: Sequence[int], passes: int, names: Sequence[str], rows: int) -> tuple[dict[str, Tensor], int]:
    """`jacobians` with as many rows as fit, and how many those are."""
    try:
        return jacobians(engine, ids, passes, names, rows), rows
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        if rows == 1:
            raise MemoryLimitError("The gradient of a single row does not fit in memory: use another device or dtype.") from error
    free_cached_memory()
    return _in_memory(engine, ids, passes, names, rows // 2)


def jacobians(engine: Engine, ids: Sequence[int], passes: int, names: Sequence[str], rows: int = ROWS) -> dict[str, Tensor]:
    """Of one prompt (bot last), by name: ``[index depth output input]``, float32 on the cpu; for text one index."""
    model = engine.model
    d, depths, rows = model.d_model, model.n_layers + 1, min(rows, model.d_model)
    found = {name: torch.zeros(1 if name == "text" else passes + 1, depths, d, d) for name in names}
    with engine.differentiably():
        unrolled = unroll(engine, ids, passes, rows) if set(names) - {"text"} else None
        text = _Text(engine, ids, rows) if "text" in names else None
        for start in range(0, d, rows):
            unit = torch.eye(d, device=model.device, dtype=model.dtype)[start : start + rows]
            unit = torch.nn.functional.pad(unit, (0, 0, 0, rows - len(unit)))[:, None]
            cells = chain(_of_latents(unrolled, unit, names) if unrolled else (), [("text", 0, text.pulled(unit))] if text else ())
            for name, index, gradients in cells:
                for depth, gradient in enumerate(gradients):
                    found[name][index, depth, start : start + rows] = gradient.reshape(rows, d)[: d - start].float().cpu()
    return found


def _of_latents(unrolled: Unrolled, unit: Tensor, names: Sequence[str]) -> Iterator[tuple[str, int, list[Tensor]]]:
    """Name, index, gradients by depth. ``unit`` ``[row 1 d_model]``: of each row the output that is differentiated."""
    resid, z = unrolled.resid, unrolled.z
    through_z: list[tuple[str, int, Tensor]] = []
    if "local" in names:
        for index, cells in enumerate(resid):
            yield "local", index, pulled_back(cells[-1], cells, unit)
    if {"next", "next-z"} & set(names):
        for index, (cells, following) in enumerate(pairwise(resid)):
            *gradients, at_z = pulled_back(following[-1], [*cells, z[index]], unit)
            if "next" in names:
                yield "next", index, gradients
            through_z.append(("next-z", index, at_z))
    if {"answer", "answer-z"} & set(names):
        depths = len(resid[0])
        gradients = pulled_back(unrolled.answer, [*chain(*resid), *z], unit)
        for index in range(len(resid)):
            if "answer" in names:
                yield "answer", index, gradients[index * depths : (index + 1) * depths]
            through_z.append(("answer-z", index, gradients[len(resid) * depths + index]))
    for name, index, at_z in through_z:
        if name in names:
            yield name, index, pulled_back(z[index], resid[index], at_z)


class _Text:
    """A prompt without its bot, run once for all rows."""

    def __init__(self, engine: Engine, ids: Sequence[int], rows: int) -> None:
        model, tokens = engine.model, len(ids) - 1
        self.valid = range(SKIPPED[tokens >= ENOUGH_TOKENS], tokens - 1)
        if not self.valid:
            raise LensError(f"A prompt of {tokens} tokens is too short for text Jacobians: leave such questions out.")
        inputs = model.embed(torch.tensor(ids[:-1], device=model.device)).expand(rows, -1, -1).clone().requires_grad_()
        with Recording(model.blocks) as recording:
            model.body(inputs)
        self.depths = recording.depths

    def pulled(self, unit: Tensor) -> list[Tensor]:
        """By depth ``[row d_model]``: summed over targets, mean over sources."""
        gradient = torch.zeros_like(self.depths[-1])
        gradient[:, self.valid] = unit
        found = pulled_back(self.depths[-1], self.depths, gradient)
        return [at[:, self.valid].mean(1) for at in found]
