"""Attention of passes and answer, edges cut before the softmax, and what one latent does to the later ones.

The graph follows Liu et al. (arXiv 2602.08783), written anew: replace one latent, roll on, stop after each later pass, compare the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codi_core.engine.cache import Cache
from codi_core.engine.editors import edits_by_site
from codi_core.engine.engine import Engine
from codi_core.engine.steps import nothing
from codi_core.engine.watch import Watch
from codi_core.evaluation.rolled import Plan, Rolled, roll_out
from codi_core.evaluation.sequences import listen
from codi_core.evaluation.speculative import masked_logits
from codi_core.models.model import CodiModel
from codi_core.steering.edits import BatchEditor, Edit
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.influence import ROLES, by_role

Replaced = Tensor
"""``[index row d_model]``: what stands in the place of z(i), i = 0..n−1."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Questions rolled out side by side. To be used with the engine held."""

    rolled: Rolled
    ids: tuple[tuple[int, ...], ...]
    """Of the prompts without bot."""
    operands: tuple[tuple[int, ...], ...]
    """Places of tokens with a digit."""

    @property
    def width(self) -> int:
        """Columns of the padded prompt: slot i is key ``width + i``."""
        return int(self.rolled.rows.positions.max())

    @property
    def passes(self) -> int:
        return self.rolled.passes

    @property
    def model(self) -> CodiModel:
        return self.rolled.steps.model

    @property
    def e(self) -> int:
        """The query that predicts the answer's first token."""
        return self.passes + len(self.model.after_latents)


def rolled_out(
    engine: Engine, prompts: Sequence[Sequence[int]], names: tuple[str, ...], passes: int, check: CheckCancelled = nothing
) -> Prompts:
    """``prompts`` with bot last."""
    prefix = engine.prefill(prompts)
    rows = roll_out(engine, prefix, names, passes, check_cancelled=check)
    model = engine.model
    without = tuple(tuple(ids[:-1]) for ids in prompts)
    operands = tuple(tuple(at for at, token in enumerate(ids) if any(c.isdigit() for c in model.token_text(token))) for ids in without)
    return Prompts(Rolled(engine, rows, prefix.extended(rows.keys, rows.values)), without, operands)


def shuffled(engine: Engine, prompts: Prompts, check: CheckCancelled = nothing) -> Prompts:
    """The same questions with every token of a number in the next one's place, the last one's in the first: as long as they were, word for
    word. One with a single number is its own copy. To be used with the engine held.
    """
    moved = []
    for ids, places in zip(prompts.ids, prompts.operands, strict=True):
        copy = [*ids, prompts.model.ids.bot]
        for place, before in zip(places, (*places[-1:], *places[:-1]), strict=True):
            copy[place] = ids[before]
        moved.append(copy)
    return rolled_out(engine, moved, prompts.rolled.rows.ids, prompts.passes, check)


# Attention


def attention(prompts: Prompts) -> Tensor:
    """``[row layer head query key]`` of queries 0..n and e; keys as in `shown_keys`."""
    rolled, model, n = prompts.rolled, prompts.model, prompts.passes
    cache = rolled.fork(Plan(0, 0, n, 1))
    cache.watch = watch = Watch(record=True)
    rolled.steps.think(cache, n)
    at_e(prompts, cache)
    everything = watch.recorded(prompts.e + 1, model.n_layers, prompts.width + prompts.e + 1)
    return shown_keys(prompts, everything[:, :, :, [*range(n + 1), prompts.e]])


def shown_keys(prompts: Prompts, of: Tensor) -> Tensor:
    """Keys as the cache has them ``[… key]`` → tokens, slots, and all that follows the latents (eot, and eos in ``paper-eos``) as one."""
    latents = prompts.width + prompts.passes + 1
    return torch.cat([of[..., :latents], of[..., latents:].sum(-1, keepdim=True)], -1)


def at_e(prompts: Prompts, cache: Cache) -> Tensor:
    """Log-probabilities of the answer's first token ``[row vocab]``; the cache forgets eot again."""
    steps, model = prompts.rolled.steps, prompts.model
    length = cache.length
    after = torch.tensor(model.after_latents, device=model.device).expand(cache.rows, -1)
    hidden = steps.forward(cache, model.embed_written(after))[:, -1]
    cache.length = length
    return masked_logits(model, hidden).float().log_softmax(-1)


def masses(prompts: Prompts, mean: Floats) -> tuple[Floats, Floats, Floats]:
    """Of mean attention ``[row query key]``: mass by role and the uniform share of it ``[row query role]``, and the mass at the places of
    the next question's operands ``[row query]``."""
    rows, queries, width = len(prompts.ids), mean.shape[1], prompts.width
    mass, uniform = (np.zeros((rows, queries, len(ROLES)), np.float32) for _ in range(2))
    elsewhere = np.zeros((rows, queries), np.float32)
    for row, ids in enumerate(prompts.ids):
        others = prompts.operands[(row + 1) % rows]
        for query in range(queries):
            mass[row, query], uniform[row, query] = by_role(mean[row, query], len(ids), prompts.operands[row], width, query)
            elsewhere[row, query] = mean[row, query, [at for at in others if 0 < at < len(ids)]].sum()
    return mass, uniform, elsewhere


# The graph of latents


def total_effects(prompts: Prompts, put: Replaced, check: CheckCancelled = nothing) -> tuple[Floats, Floats]:
    """``[3 i j row]`` and to the answer ``[i row]``: see `values.influence.Graph`. Clean rows and rows for each z(i) side by side."""
    rolled, n, rows = prompts.rolled, prompts.passes, len(prompts.ids)
    conditions = [[], *([Edit("z", i, put[i].float(), torch.zeros((), device=put.device))] for i in range(n))]
    edits = edits_by_site([BatchEditor(conditions)], n, prompts.model.n_layers)
    cache = rolled.fork(Plan(0, 0, n, n + 1))
    total = np.full((3, n, n, rows), np.nan, np.float32)
    answer = np.zeros((n, rows), np.float32)
    z = None
    for index in range(n + 1):
        check()
        latents = rolled.steps.think(cache, index, edits, z=z)
        z = latents.z[:, -1]
        h = latents.h[:, -1].reshape(n + 1, rows, -1)
        zs = prompts.model.project(latents.h[:, -1]).reshape(n + 1, rows, -1)
        read = masked_logits(prompts.model, h).float().log_softmax(-1)
        if index < n:
            moved = (zs[1:] - zs[:1]).norm(dim=-1) / zs[:1].norm(dim=-1)
            _fill(total[1], index, moved)
            _fill(total[2], index, _kl(read[:1], read[1:]))
        if index > 0:
            first = at_e(prompts, cache).reshape(n + 1, rows, -1)
            stopped = _kl(first[:1], first[1:])
            _fill(total[0], index - 1, stopped)
            if index == n:
                answer = stopped.cpu().numpy()
    return total, answer


def _fill(into: Floats, j: int, values: Tensor) -> None:
    """Column j of ``[i j row]`` from ``[i row]``, for i < j."""
    into[:j, j] = values[:j].cpu().numpy()


def _kl(clean: Tensor, other: Tensor) -> Tensor:
    """Of log-probabilities ``[… vocab]`` → ``[…]`` (nats); masked ids count nothing."""
    there = clean > float("-inf")
    return (clean.exp() * (clean - other).masked_fill(~there, 0)).nan_to_num(0).sum(-1).clamp(min=0)


def direct_effects(prompts: Prompts, check: CheckCancelled = nothing) -> tuple[Floats, Floats]:
    """Slot i hidden from one query alone. From pass j: relative change of z(j) ``[slot query row]``. From e: change of log p of the own
    first token ``[slot + 1 row]``, the last one with the numbers of the question hidden."""
    rolled, model, n, rows = prompts.rolled, prompts.model, prompts.passes, len(prompts.ids)
    direct = np.full((n + 1, n + 1, rows), np.nan, np.float32)
    for j in range(1, n + 1):
        check()
        cache = rolled.fork(Plan(j, 0, n, j + 1))
        cache.watch = Watch(_hidden(prompts, [[], *([i] for i in range(j))], j))
        z = model.project(rolled.rows.h[:, j - 1].repeat(j + 1, 1))
        found = rolled.steps.think(cache, j, z=z).z[:, -1].reshape(j + 1, rows, -1)
        direct[:j, j] = ((found[1:] - found[:1]).norm(dim=-1) / found[:1].norm(dim=-1)).cpu().numpy()
    cuts: list[list[int]] = [[], *([i] for i in range(n + 1)), [-1]]
    cache = rolled.fork(Plan(n + 1, 0, n, len(cuts)))
    cache.watch = Watch(_hidden(prompts, cuts, n + 1))
    first = at_e(prompts, cache).reshape(len(cuts), rows, -1)
    own = first[0].argmax(-1)
    log_p = first.gather(2, own.expand(len(cuts), -1)[..., None])[..., 0]
    return direct, (log_p[1:] - log_p[:1]).cpu().numpy()


def _hidden(prompts: Prompts, cuts: Sequence[Sequence[int]], query: int) -> Tensor:
    """`Watch.blocked` of every condition: slots (−1: the numbers of the question) hidden from ``query`` and, if it is eot, what follows."""
    rows, width = len(prompts.ids), prompts.width
    blocked = torch.zeros(len(cuts), rows, prompts.e + 1, 1, 1, width + prompts.e + 1, dtype=torch.bool)
    queries = slice(query, query + 1) if query <= prompts.passes else slice(query, None)
    for condition, slots in enumerate(cuts):
        for slot in slots:
            if slot >= 0:
                blocked[condition, :, queries, ..., width + slot] = True
                continue
            for row, places in enumerate(prompts.operands):
                blocked[condition, row, queries, ..., list(places)] = True
    return blocked.flatten(0, 1).to(prompts.model.device)


# Edges cut


@dataclass(frozen=True)
class Cut:
    """Keys (columns as in `Watch`) hidden from queries, and z(i) replaced, or not."""

    keys: tuple[int, ...] = ()
    queries: tuple[int, ...] = ()
    """Of 0..n and e; e stands for the whole answer."""
    z: tuple[int, Tensor] | None = None


def answers_under(
    prompts: Prompts, cuts: Sequence[Cut], own: Sequence[int], max_new_tokens: int, check: CheckCancelled = nothing
) -> list[tuple[float, float, list[int]]]:
    """One question under each cut, the first of which should cut nothing: log p of its own answer, KL(first ‖ cut) at e, greedy answer."""
    rolled, n = prompts.rolled, prompts.passes
    blocked = torch.zeros(len(cuts), prompts.e + 1, 1, 1, prompts.width + prompts.e + 1, dtype=torch.bool)
    for number, cut in enumerate(cuts):
        for query in cut.queries:
            queries = slice(query, query + 1) if query <= n else slice(n + 1, None)
            blocked[number, queries, ..., list(cut.keys)] = True
    blocked = blocked.to(prompts.model.device)
    cache = rolled.fork(Plan(0, 0, n, len(cuts)))
    cache.watch = Watch(blocked)
    zero = torch.zeros((), device=blocked.device)
    conditions = [[] if cut.z is None else [Edit("z", cut.z[0], cut.z[1][None], zero)] for cut in cuts]
    rolled.steps.think(cache, n, edits_by_site([BatchEditor(conditions)], n, prompts.model.n_layers), check_cancelled=check)
    heard = listen(rolled.steps, cache, [[tuple(own)]], max_new_tokens, check, keep_first=True)
    kl = _kl(heard.first[:1], heard.first).tolist()
    return [(float(log_p.sum()), kl[row], heard.ids[row]) for row, log_p in enumerate(heard.log_p[0])]
