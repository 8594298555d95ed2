"""Donor swap: the latents of another problem patched in. Does the answer follow the latents or the prompt?

z    the inputs of passes 1..n are the donor's z0..z(n-1); every pass still attends to its own prompt
kv   after the passes, the cache slots 1..n hold the donor's keys and values; eot and the answer still attend to their own prompt
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from codi_core.device import halve_on_oom
from codi_core.engine.answers import parse_number
from codi_core.engine.batching import plan_batches
from codi_core.engine.cache import Cache
from codi_core.engine.editors import Site
from codi_core.engine.engine import TOKEN_BUDGET, Engine
from codi_core.engine.steps import OnStep, nothing
from codi_core.models.model import CodiModel
from codi_core.steering.rotary import rotation
from codi_core.types import EvalRow, Question, RolloutConfig

Patch = Literal["z", "kv"]
PATCHES: tuple[Patch, ...] = ("z", "kv")
Pair = tuple[int, int]
"""Places of a question and of its donor."""


@dataclass(frozen=True)
class SwapRow:
    """What a question was answered with its donor's latents; numbers are the model's own, without patching, for ``own`` and ``donor``."""

    id: str
    donor_id: str
    own: float
    donor: float
    answered: float | None


def choose_donors(rows: Sequence[EvalRow], seed: int = 0) -> list[Pair]:
    """A donor for every question the model answers with a number: another one, at random, that it answers with another number.

    Questions for which there is none are left out.
    """
    rng = random.Random(seed)
    answered = [place for place, row in enumerate(rows) if row.number is not None and row.outcome != "truncated"]
    pairs = []
    for place in answered:
        donors = [other for other in answered if rows[other].number != rows[place].number]
        if donors:
            pairs.append((place, rng.choice(donors)))
    return pairs


def swap(
    engine: Engine,
    questions: Sequence[Question],
    rows: Sequence[EvalRow],
    pairs: Sequence[Pair],
    patch: Patch,
    config: RolloutConfig,
    on_step: OnStep = nothing,
) -> list[SwapRow]:
    """Answer the first question of each pair with the latents of the second; ``rows`` are their unpatched outcomes."""
    prompts = [engine.model.build_prompt(question.question) for question in questions]
    lengths = [max(len(prompts[own]), len(prompts[donor])) for own, donor in pairs]
    extra = config.passes + 2 + config.max_new_tokens
    answers: dict[int, str] = {}

    def run(batch: Sequence[int]) -> list[str]:
        own, donors = ([prompts[pairs[number][side]] for number in batch] for side in (0, 1))
        with engine.exclusively():
            return _answers(engine, own, donors, patch, config, on_step)

    for batch in plan_batches(lengths, None, extra, TOKEN_BUDGET[engine.model.device.type] // 2):  # two prompts a row
        answers.update(zip(batch, halve_on_oom(run, batch), strict=True))
    return [_row(rows[own], rows[donor], answers[number]) for number, (own, donor) in enumerate(pairs)]


def _row(own: EvalRow, donor: EvalRow, answer: str) -> SwapRow:
    assert own.number is not None and donor.number is not None
    return SwapRow(own.id, donor.id, own.number, donor.number, parse_number(answer))


@dataclass(frozen=True, eq=False)
class _Put:
    """Editor: z of every pass becomes the given one."""

    z: Tensor
    """``[row index d_model]``, rows in the order of the batch."""

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site("z", index) for index in range(self.z.shape[1]))

    def edit(self, site: Site, value: Tensor) -> Tensor:
        return self.z[:, site.index]


def _answers(
    engine: Engine, own: list[list[int]], donors: list[list[int]], patch: Patch, config: RolloutConfig, on_step: OnStep
) -> list[str]:
    """Row r of ``own`` with the latents of row r of ``donors``: the pieces of the engine keep rows in order."""
    passes = config.passes
    donor_cache = engine.open_cache(engine.prefill(donors), slots=passes + 1)
    donor = engine.think(donor_cache, passes, on_step=on_step)
    cache = engine.open_cache(engine.prefill(own))
    if patch == "z":
        put = _Put(donor.z[:, :passes])
        engine.think(cache, passes, {site: [put] for site in put.sites}, on_step=on_step)
    else:
        engine.think(cache, passes, on_step=on_step)
        _move_slots(engine.model, donor_cache, cache, passes)
    generated = engine.decode(cache, config.max_new_tokens, on_step)
    return [engine.model.decode(ids) for ids in generated.ids]


def _move_slots(model: CodiModel, source: Cache, target: Cache, passes: int) -> None:
    """Keys and values of slots 1..n from one cache to the other; keys are turned to where the target's slots stand."""
    slots = slice(1, passes + 1)
    steps = torch.arange(1, passes + 1, device=model.device)
    there, here = (rotation(model, cache.prefix.lengths[:, None] + steps) for cache in (source, target))
    keys = source.keys[:, :, :, slots]
    if there is not None and here is not None:
        keys = here.unsqueeze(1).apply(there.unsqueeze(1).undo(keys.float()))
    target.keys[:, :, :, slots] = keys
    target.values[:, :, :, slots] = source.values[:, :, :, slots]
