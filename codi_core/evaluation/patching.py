"""Patching between prompts: cells of a source's rollout put in a target's, and how far the answer goes over.

Residuals are taken in the very shapes in which they are put in place (rounding depends on them): a prompt patched with its own cell stays
as it was, bit for bit. What is compared with, the unpatched target, is computed in these shapes, too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.answers import parse_number
from codi_core.engine.batching import plan_batches
from codi_core.engine.engine import TOKEN_BUDGET, Engine
from codi_core.engine.steps import nothing
from codi_core.evaluation.rolled import Plan, Rolled, roll_out
from codi_core.evaluation.sequences import listen
from codi_core.evaluation.speculative import Ids
from codi_core.steering.edits import Edit
from codi_core.steering.vectors import VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import RolloutConfig
from codi_core.values.patching import FEWEST_NATS, Follows, Patch, Place

Change = Callable[[tuple[str, ...], int, int, Tensor], Tensor]
"""What becomes of values taken at an index and depth (−1: a slot) ``[row … d]`` before they are put in place: another vector of the
same shape. The names are those of the pairs."""


@dataclass(frozen=True)
class Pair:
    """Prompts. ``donor`` is where cells are taken from: the source, or another one whose answer nobody asks for."""

    name: str
    source: str
    target: str
    donor: str = ""


@dataclass(frozen=True, eq=False)
class Patched:
    """Of every patch and pair."""

    ld: Floats
    """``[patch pair]``"""
    log_p: Floats
    """``[patch pair 2]``: of the source's and of the target's answer."""
    answers: list[list[str]]
    """``[patch][pair]``"""
    norm: Floats
    """``[patch pair]``: length of what was put at a cell over that of what stood there; NaN for slots and several cells."""


@dataclass(frozen=True, eq=False)
class _Batch:
    donor: Rolled
    target: Rolled
    names: tuple[str, ...]
    answers: tuple[tuple[Ids, Ids], ...]
    """Own answers of source and target, one pair a row; eos is part of them where one begins the other."""
    ld_source: Floats
    """``[row]``"""

    @cached_property
    def parts(self) -> list[int]:
        """Place of the first token at which the two answers differ; 0 where they do not."""
        return [next((at for at, (a, b) in enumerate(zip(*both, strict=False)) if a != b), 0) for both in self.answers]

    @property
    def alike(self) -> bool:
        """Whether both sides have the same positions, so that keys can be moved as they are."""
        return torch.equal(self.donor.rows.positions, self.target.rows.positions)


class PairSet:
    """Pairs of prompts on one model. For one thread; the engine is held for one call at a time."""

    def __init__(self, engine: Engine, pairs: Sequence[Pair], config: RolloutConfig, check_cancelled: CheckCancelled = nothing) -> None:
        """Rolls everything out. Raises InputError for a prompt that cannot be read."""
        self.engine, self.pairs, self.config = engine, tuple(pairs), config
        prompts = [[engine.prompt(text, config).ids for text in (pair.source, pair.target, pair.donor or pair.source)] for pair in pairs]
        self.tokens = [(len(source), len(target)) for source, target, _ in prompts]
        extra = config.passes + 2 + config.max_new_tokens
        budget = TOKEN_BUDGET[engine.model.device.type] // 2  # two prompts a row
        self.batches = plan_batches([max(map(len, sides)) for sides in prompts], None, extra, budget)
        with engine.exclusively():
            self._rolled = [self._prepare(batch, prompts, check_cancelled) for batch in self.batches]
        self._unpatched: dict[tuple[int, Plan], tuple[Patched, Tensor | None]] = {}

    def _prepare(self, batch: Sequence[int], prompts: Sequence[Sequence[list[int]]], check_cancelled: CheckCancelled) -> _Batch:
        names, passes, engine = tuple(self.pairs[pair].name for pair in batch), self.config.passes, self.engine
        sides: list[Rolled] = []
        for side in range(3):
            if side == 2 and not any(self.pairs[pair].donor for pair in batch):
                sides.append(sides[0])
                continue
            check_cancelled()
            prefix = engine.prefill([prompts[pair][side] for pair in batch])
            rows = roll_out(engine, prefix, names, passes, check_cancelled=check_cancelled)
            sides.append(Rolled(engine, rows, prefix.extended(rows.keys, rows.values)))
        source, target, donor = sides
        answers = tuple(zip(*(self._own(side, check_cancelled) for side in (source, target)), strict=True))
        eos = engine.model.ids.eos
        answers = tuple(((*a, eos), (*b, eos)) if a[: len(b)] == b or b[: len(a)] == a else (a, b) for a, b in answers)
        made = _Batch(donor, target, names, answers, np.empty(0, np.float32))
        unpatched = self._heard(made, source, [()], Plan(passes + 1, passes + 1, passes, 1), check_cancelled)[0]
        return _Batch(donor, target, names, answers, unpatched.ld[0])

    def _own(self, side: Rolled, check_cancelled: CheckCancelled) -> list[Ids]:
        cache = side.fork(Plan(side.passes + 1, side.passes + 1, side.passes, 1))
        return [tuple(ids) for ids in self.engine.decode(cache, self.config.max_new_tokens, check_cancelled).ids]

    def answers(self, pair: int) -> tuple[str, str]:
        """Own answers of source and target, as text."""
        number, row = self._where[pair]
        source, target = (self.engine.model.decode(list(ids)) for ids in self._rolled[number].answers[row])
        return source, target

    def ld_source(self) -> Floats:
        """``[pair]``: logit difference of the sources, unpatched."""
        return self._joined([batch.ld_source for batch in self._rolled])

    @cached_property
    def _where(self) -> dict[int, tuple[int, int]]:
        return {pair: (number, row) for number, batch in enumerate(self.batches) for row, pair in enumerate(batch)}

    def _joined(self, parts: Sequence[Floats]) -> Floats:
        """Arrays of every batch, the pair last, in the order of the pairs."""
        order = np.argsort(np.concatenate(self.batches))
        joined: Floats = np.concatenate(parts, -1)[..., order]
        return joined

    def patched(
        self, patches: Sequence[Patch], change: Change | None = None, check_cancelled: CheckCancelled = nothing
    ) -> tuple[Patched, Patched]:
        """The unpatched targets and the patched ones. The patches begin at the same pass and slot."""
        found: list[tuple[Patched, Patched]] = []
        for number, batch in enumerate(self._rolled):
            with self.engine.exclusively():
                found.append(self._patched(number, batch, patches, change, check_cancelled))
        before, after = ([pair[side] for pair in found] for side in (0, 1))
        return self._together(before), self._together(after)

    def _together(self, parts: Sequence[Patched]) -> Patched:
        order = np.argsort(np.concatenate(self.batches))
        answers = [[text for part in parts for text in part.answers[patch]] for patch in range(len(parts[0].answers))]
        return Patched(
            ld=self._joined([part.ld for part in parts]),
            log_p=np.moveaxis(self._joined([np.moveaxis(part.log_p, 2, 0) for part in parts]), 0, 2),
            answers=[[row[place] for place in order] for row in answers],
            norm=self._joined([part.norm for part in parts]),
        )

    def _patched(
        self, number: int, batch: _Batch, patches: Sequence[Patch], change: Change | None, check_cancelled: CheckCancelled
    ) -> tuple[Patched, Patched]:
        starts = {(min(patch.first_pass, self.config.passes + 1), patch.first_slot) for patch in patches}
        assert len(starts) == 1, "patches of one call begin together"
        plan = Plan(*starts.pop(), self.config.passes, len(patches))
        if (number, plan) not in self._unpatched:
            self._unpatched[number, plan] = self._heard(batch, batch.target, [()] * len(patches), plan, check_cancelled)
        before, lengths = self._unpatched[number, plan]
        edits = self.edits(batch, patches, change)
        after, _ = self._heard(batch, batch.target, edits, plan, check_cancelled)
        norm = np.full(after.ld.shape, np.nan, np.float32)
        for place, (own, patch) in enumerate(zip(edits, patches, strict=True)):
            if lengths is not None and patch.target.depth is not None:
                norm[place] = (own[0].delta.norm(dim=-1) / lengths[:, patch.target.depth]).cpu().numpy()
        return before, replace(after, norm=norm)

    def _heard(
        self, batch: _Batch, side: Rolled, edits: Sequence[Sequence[Edit]], plan: Plan, check_cancelled: CheckCancelled
    ) -> tuple[Patched, Tensor | None]:
        """What is answered after edits; without edits also how long the residuals of the first pass are, ``[row depth]``."""
        cache, latents = side.think_on(edits, plan, check_cancelled, record=not any(edits))
        sets = [[both[which] for both in batch.answers] for which in (0, 1)]
        heard = listen(self.engine, cache, sets, self.config.max_new_tokens, check_cancelled)
        rows, conditions = len(batch.names), plan.conditions
        at = np.tile(batch.parts, conditions)
        own = [log_p[np.arange(len(at)), at] for log_p in heard.log_p]
        texts = [self.engine.model.decode(ids) for ids in heard.ids]
        patched = Patched(
            ld=(own[0] - own[1]).reshape(conditions, rows),
            log_p=np.stack([log_p.sum(1).reshape(conditions, rows) for log_p in heard.log_p], -1),
            answers=[texts[start : start + rows] for start in range(0, len(texts), rows)],
            norm=np.full((conditions, rows), np.nan, np.float32),
        )
        resid = None if latents is None else latents.resid
        return patched, None if resid is None else resid[:rows, 0].float().norm(dim=-1)

    def edits(self, batch: _Batch, patches: Sequence[Patch], change: Change | None) -> list[list[Edit]]:
        """Of every patch."""
        taken: dict[int, tuple[Tensor, Tensor]] = {}
        edits = []
        for number, patch in enumerate(patches):
            own: list[Edit] = []
            for source, target in zip(patch.source.indices, patch.target.indices, strict=True):
                if patch.source.slot:
                    own += _slot_edits(batch, source, target, change)
                    continue
                if source not in taken:
                    taken[source] = _recorded(batch, source, len(patches))
                resid, fed = (each[number] for each in taken[source])
                own += _resid_edits(batch.names, patch, source, target, resid, fed, change)
            edits.append(own)
        return edits


def _recorded(batch: _Batch, index: int, conditions: int) -> tuple[Tensor, Tensor]:
    """Of the donor, for as many conditions: the residuals of a pass ``[condition row depth d_model]``, and what it was fed, which GPT-2
    adds a position to."""
    donor, rows = batch.donor, len(batch.names)
    _, latents = donor.think_on([()] * conditions, Plan(index, index, index, conditions), record=True)
    assert latents is not None and latents.resid is not None
    resid = latents.resid[:, 0]
    model = donor.steps.model
    bot = torch.full((conditions * rows,), model.ids.bot, device=resid.device)
    fed = model.project(donor.rows.h[:, index - 1].repeat(conditions, 1)) if index else model.embed(bot)
    return resid.view(conditions, rows, *resid.shape[1:]), fed.view(conditions, rows, -1)


def _resid_edits(
    names: tuple[str, ...], patch: Patch, source: int, target: int, resid: Tensor, fed: Tensor, change: Change | None
) -> list[Edit]:
    """``resid`` ``[row depth d_model]`` and what is fed ``[row d_model]`` of the source index; what is fed to the target is z before it."""
    depths = range(resid.shape[1])
    moves = [(depth, depth) for depth in depths] if patch.source.depth is None else [(patch.source.depth, patch.target.depth or 0)]
    edits, whole = [], torch.zeros((), device=resid.device)
    for taken, put in moves:
        if (target, put) == (0, 0):
            continue
        value = (fed if put == taken == 0 else resid[:, taken]).float()
        value = value if change is None else change(names, source, taken, value)
        edits.append(Edit("z", target - 1, value, whole) if put == 0 else Edit("resid", target, value, whole, put))
    return edits


def _slot_edits(batch: _Batch, source: int, target: int, change: Change | None) -> list[Edit]:
    raw = batch.alike and source == target
    keys, values = batch.donor.rows.at(VectorSpace("kv", raw=raw), source)
    if change is not None:
        parts = (part.transpose(0, 1) for part in (keys, values))
        keys, values = (change(batch.names, source, -1 - place, part).transpose(0, 1) for place, part in enumerate(parts))
    whole = torch.zeros(len(keys), 1, 1, 1, device=keys.device)
    return [Edit("k", target, batch.target.rows.into_cache(keys, target, raw), whole), Edit("v", target, values, whole)]


def recovery(moved: Floats, apart: Floats) -> Floats:
    """(LD patched − LD target) / (LD source − LD target), given numerator and denominator; NaN where that is below FEWEST_NATS."""
    known = np.abs(apart) >= FEWEST_NATS
    found: Floats = np.where(known, moved / np.where(known, apart, 1), np.nan).astype(np.float32)
    return found


def follows(answer: str, source: str, target: str) -> Follows:
    """Whose answer it is, by its number where there is one. The target's own answer is no one else's."""
    given, theirs, own = (text.strip() if parse_number(text) is None else parse_number(text) for text in (answer, source, target))
    return "target" if given == own else "source" if given == theirs else "other"


def random_alike(seed: int) -> Change:
    """Random vectors as long as those taken, another one for every pair and place."""

    def change(names: tuple[str, ...], index: int, depth: int, values: Tensor) -> Tensor:
        drawn = np.stack([_rng(seed, index, depth, name).standard_normal(values.shape[1:]) for name in names]).astype(np.float32)
        noise = torch.from_numpy(drawn).to(values.device)
        alike: Tensor = noise * (values.norm(dim=-1, keepdim=True) / noise.norm(dim=-1, keepdim=True))
        return alike

    return change


def _rng(seed: int, index: int, depth: int, name: str) -> np.random.Generator:
    return np.random.default_rng([seed, index, depth + 2, zlib.crc32(name.encode())])


def cells_of(index: int, n_layers: int, feeds_back: bool = True) -> list[Patch]:
    """Every cell of an index, put at the same cell. Depth 0 is z, which is the same in every prompt where nothing is fed back."""
    return [Patch(place, place) for depth in range(0 if index and feeds_back else 1, n_layers + 1) for place in [Place((index,), depth)]]
