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
from codi_core.engine.batching import plan_batches
from codi_core.engine.cache import Cache
from codi_core.engine.editors import Site
from codi_core.engine.engine import TOKEN_BUDGET, Engine
from codi_core.engine.steps import nothing
from codi_core.models.model import CodiModel
from codi_core.problems.answers import read_answer
from codi_core.steering.rotary import rotation
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.evals import EvalRow
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Answer, AnswerRule, Question

Patch = Literal["z", "kv"]
PATCHES: tuple[Patch, ...] = ("z", "kv")
Pair = tuple[int, int]
"""Places of a question and of its donor."""


def patches_of(model: CodiModel) -> tuple[Patch, ...]:
    """In a pause twin z is the same for all problems and never acts."""
    return PATCHES if model.family.feeds_back else ("kv",)


@dataclass(frozen=True)
class SwapRow:
    """What a question was answered with its donor's latents, as its answer rule reads it. ``own`` and ``donor`` are the model's own answers
    to the two, without patching.
    """

    id: str
    donor_id: str
    own: Answer
    donor: Answer
    answered: Answer | None


def choose_donors(rows: Sequence[EvalRow], seed: int = 0) -> list[Pair]:
    """A donor for every question whose answer can be read: another one, at random, that the model answers differently.

    Questions for which there is none are left out.
    """
    rng = random.Random(seed)
    answered = [place for place, row in enumerate(rows) if row.given is not None and row.outcome != "truncated"]
    pairs = []
    for place in answered:
        donors = [other for other in answered if rows[other].given != rows[place].given]
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
    check_cancelled: CheckCancelled = nothing,
) -> list[SwapRow]:
    """Answer the first question of each pair with the latents of the second; ``rows`` are their unpatched outcomes."""
    prompts = [engine.model.build_prompt(question.question) for question in questions]
    lengths = [max(len(prompts[own]), len(prompts[donor])) for own, donor in pairs]
    extra = config.passes + 2 + config.max_new_tokens
    answers: dict[int, str] = {}

    def run(batch: Sequence[int]) -> list[str]:
        own, donors = ([prompts[pairs[number][side]] for number in batch] for side in (0, 1))
        with engine.exclusively():
            return _answers(engine, own, donors, patch, config, check_cancelled)

    for batch in plan_batches(lengths, None, extra, TOKEN_BUDGET[engine.model.device.type] // 2):  # two prompts a row
        answers.update(zip(batch, halve_on_oom(run, batch), strict=True))
    return [_row(rows[own], rows[donor], answers[number], questions[own].rule) for number, (own, donor) in enumerate(pairs)]


def _row(own: EvalRow, donor: EvalRow, answer: str, rule: AnswerRule) -> SwapRow:
    assert own.given is not None and donor.given is not None
    return SwapRow(own.id, donor.id, own.given, donor.given, read_answer(rule, answer))


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
    engine: Engine, own: list[list[int]], donors: list[list[int]], patch: Patch, config: RolloutConfig, check_cancelled: CheckCancelled
) -> list[str]:
    """Row r of ``own`` with the latents of row r of ``donors``: the pieces of the engine keep rows in order."""
    passes = config.passes
    donor_cache = engine.open_cache(engine.prefill(donors), slots=passes + 1)
    donor = engine.think(donor_cache, passes, check_cancelled=check_cancelled)
    cache = engine.open_cache(engine.prefill(own))
    if patch == "z":
        put = _Put(donor.z[:, :passes])
        engine.think(cache, passes, {site: [put] for site in put.sites}, check_cancelled=check_cancelled)
    else:
        engine.think(cache, passes, check_cancelled=check_cancelled)
        _move_slots(engine.model, donor_cache, cache, passes)
    generated = engine.decode(cache, config.max_new_tokens, check_cancelled)
    return [engine.model.decode(ids) for ids in generated.ids]


def reordered(
    engine: Engine, questions: Sequence[Question], config: RolloutConfig, seed: int = 0, check_cancelled: CheckCancelled = nothing
) -> list[tuple[str, str]]:
    """The answer as it is, and with the contents of slots 1..n in a random order, another one for each question; never the order they had.

    Keys are turned to their new places, so that only which latent stands where is another.
    """
    prompts = [engine.model.build_prompt(question.question) for question in questions]
    rng = random.Random(seed)
    orders = [_order(config.passes, rng) for _ in questions]
    answers: dict[int, tuple[str, str]] = {}

    def run(batch: Sequence[int]) -> list[tuple[str, str]]:
        with engine.exclusively():
            cache = engine.open_cache(engine.prefill([prompts[row] for row in batch]))
            engine.think(cache, config.passes, check_cancelled=check_cancelled)
            length = cache.length
            found = []
            for order in (None, torch.tensor([orders[row] for row in batch], device=engine.model.device)):
                cache.length = length
                if order is not None:
                    _reorder(engine.model, cache, order)
                generated = engine.decode(cache, config.max_new_tokens, check_cancelled)
                found.append([engine.model.decode(ids) for ids in generated.ids])
            return list(zip(*found, strict=True))

    lengths = [len(prompt) for prompt in prompts]
    for batch in plan_batches(lengths, None, config.passes + 2 + config.max_new_tokens, TOKEN_BUDGET[engine.model.device.type]):
        answers.update(zip(batch, halve_on_oom(run, batch), strict=True))
    return [answers[row] for row in range(len(questions))]


def _order(count: int, rng: random.Random) -> list[int]:
    """A permutation of the slots 1..count, counted from 0, that is not the one they have."""
    order = list(range(count))
    while count > 1 and order == sorted(order):
        rng.shuffle(order)
    return order


def _reorder(model: CodiModel, cache: Cache, order: Tensor) -> None:
    """``order`` ``[row slot]``: which slot's content stands there; as `_move_slots`, within one cache."""
    count = order.shape[1]
    slots, steps = slice(1, count + 1), torch.arange(1, count + 1, device=order.device)
    turned = rotation(model, cache.prefix.lengths[:, None] + steps)
    keys, values = cache.keys[:, :, :, slots].clone(), cache.values[:, :, :, slots].clone()
    keys = keys if turned is None else turned.unsqueeze(1).undo(keys.float())
    where = order[None, :, None, :, None].expand(keys.shape)
    keys, values = keys.gather(3, where), values.gather(3, where)
    cache.keys[:, :, :, slots] = keys if turned is None else turned.unsqueeze(1).apply(keys).to(cache.keys.dtype)
    cache.values[:, :, :, slots] = values


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
