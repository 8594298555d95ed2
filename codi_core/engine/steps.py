"""The pieces of a rollout: prefill, passes, greedy decoding. `engine.Engine` puts them together.

    prefill   prompt without bot, T tokens       fills the prefix        positions 0..T-1
    pass 0    bot                                fills slot 0            position T          h0, z0 = prj(h0)
    pass k    z(k-1), k = 1..n                   fills slot k            position T+k        hk, zk
    decode    eot (paper-eos: eot, eos)          slots n+1..             then greedily, token by token, until eos

Padding is masked everywhere and positions start at 0 in every row, so a row's numbers do not depend on its batch beyond rounding (the
public code does neither).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codi_core.device import threads_for
from codi_core.engine.cache import Cache, Prefix, PrefixWriter
from codi_core.engine.editors import Editor, Site, edited
from codi_core.engine.taps import ResidualHooks
from codi_core.models.model import CodiModel
from codi_core.values.callbacks import CheckCancelled

COLUMN = 0.5
"""Rows whose layers take as long as attention over one more copy of a prompt."""
COMPACT_BELOW = 0.75
"""Finished rows leave the batch once this fraction of its rows would be enough: the others' slots move, their prompts are copied."""

Edits = Mapping[Site, Sequence[Editor]]
NO_EDITS: Edits = {}


def nothing() -> None:
    """The default of ``check_cancelled``."""


@dataclass(frozen=True, eq=False)
class Latents:
    """What the passes of a call gave, from the first pass it ran on."""

    h: Tensor
    """``[row index d_model]``, after edits."""
    z: Tensor
    """``[row index d_model]``, after edits."""
    resid: Tensor | None
    """``[row index depth d_model]``, after edits; None when not recorded."""


@dataclass(frozen=True, eq=False)
class Generated:
    """Greedy answers, one a row of the cache."""

    ids: list[list[int]]
    """Without eos."""
    finished: list[bool]
    """Whether eos came within the limit."""
    first_logits: Tensor
    """``[row vocab]`` at the first token, masked ids at -inf."""


class Steps:
    """Runs the pieces on one model, which is the same after every call."""

    def __init__(self, model: CodiModel) -> None:
        self.model = model
        self._lock = threading.RLock()

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """The model to oneself, without gradients. Hold it around a sequence of pieces."""
        with self._lock, torch.inference_mode():
            yield

    @contextmanager
    def differentiably(self) -> Iterator[None]:
        """The model to oneself, with gradients: for `gradients.unroll`."""
        with self._lock, torch.inference_mode(False), torch.enable_grad():
            yield

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Prefix:
        """Keys and values of prompts (ids with bot last) up to bot, which is left for pass 0."""
        assert all(len(prompt) > 1 for prompt in prompts)
        lengths = [len(prompt) - 1 for prompt in prompts]
        longest = max(lengths)
        padded = [[*prompt[:-1], *[self.model.ids.pad] * (longest - length)] for prompt, length in zip(prompts, lengths, strict=True)]
        ids = torch.tensor(padded, device=self.model.device)
        writer = PrefixWriter(torch.tensor(lengths, device=self.model.device), self.model.n_layers, self.model.dtype)
        positions = torch.arange(longest, device=self.model.device)[None]
        with threads_for(self.model.parameters_count * ids.numel()):
            self.model.body(self.model.embed(ids), positions, writer)
        return writer.prefix()

    def open_cache(self, prefix: Prefix, conditions: int = 1, slots: int = 24, skipped: int = 0) -> Cache:
        """An empty cache over a prefix that holds ``skipped`` latents, with room for ``slots`` tokens before it must grow."""
        return Cache(prefix, prefix.rows * conditions, slots, skipped)

    def think(
        self,
        cache: Cache,
        passes: int,
        edits: Edits = NO_EDITS,
        record: bool = False,
        check_cancelled: CheckCancelled = nothing,
        z: Tensor | None = None,
    ) -> Latents:
        """Run the passes that are not in the cache yet, up to ``passes``; bot is pass 0.

        To resume at pass k set ``cache.length`` so that k slots are filled (the skipped ones included) and give ``z`` ``[row d_model]``,
        the latent of pass k-1 (edited or not).
        """
        first, model = cache.skipped + cache.length, self.model
        assert (z is None) == (first == 0)
        inputs = model.embed(torch.full((cache.rows,), model.ids.bot, device=model.device)) if z is None else z
        shape = (cache.rows, passes + 1 - first, model.n_layers + 1, model.d_model)
        resid = torch.empty(shape, dtype=model.dtype, device=model.device) if record else None
        h_all, z_all = [], []
        with ResidualHooks(model, edits, resid, first) as taps:
            for index in range(first, passes + 1):
                check_cancelled()
                taps.index = index
                h = self._edit(edits, Site("h", index), self.forward(cache, inputs[:, None])[:, -1])
                inputs = self._edit(edits, Site("z", index), model.project(h))
                self._edit_slot(edits, cache, index)
                h_all.append(h)
                z_all.append(inputs)
        return Latents(torch.stack(h_all, 1), torch.stack(z_all, 1), resid)

    def decode(self, cache: Cache, max_new_tokens: int, check_cancelled: CheckCancelled = nothing) -> Generated:
        """Greedy answers after the passes: eot (and eos), then token by token, masked as in the family's code. Uses the cache up."""
        return self.generate(cache, self.model.after_latents, self.model.masked, max_new_tokens, check_cancelled)

    def generate(
        self, cache: Cache, first: Sequence[int], masked: Sequence[int], max_new_tokens: int, check_cancelled: CheckCancelled = nothing
    ) -> Generated:
        """Feed ``first`` to every row, then take the likeliest token until eos. Uses the cache up."""
        check_cancelled()
        inputs = torch.tensor(first, device=self.model.device).expand(cache.rows, -1)
        first_logits = self._next_logits(cache, inputs, masked)
        ids, finished = self.go_on(
            cache, likeliest(first_logits), masked, [max_new_tokens] * cache.rows, [True] * cache.rows, check_cancelled
        )
        return Generated(ids, finished, first_logits)

    def go_on(
        self,
        cache: Cache,
        tokens: Tensor,
        masked: Sequence[int],
        left: Sequence[int],
        begins: Sequence[bool],
        check_cancelled: CheckCancelled = nothing,
    ) -> tuple[list[list[int]], list[bool]]:
        """From the next token of every row ``[row]``, likeliest first, until eos or ``left`` tokens: ids without eos, and whether it came.

        Rows that are done, or have nothing left from the start, leave the batch and the cache. ``begins``: rows whose answer begins with
        their token, which some families do not compare with eos.
        """
        model, rows = self.model, list(range(cache.rows))
        ids: list[list[int]] = [[] for _ in rows]
        live, finished = [count > 0 for count in left], [False] * len(rows)
        while True:
            for row, token in dict(zip(rows, tokens.tolist(), strict=True)).items():
                if not live[row]:
                    continue
                spared = begins[row] and not ids[row] and model.family.first_token_may_be_eos
                finished[row] = token == model.ids.eos and not spared
                if not finished[row]:
                    ids[row].append(token)
                live[row] = not finished[row] and len(ids[row]) < left[row]
            if not any(live):
                return ids, finished
            first = dict(zip(reversed(rows), reversed(range(len(rows))), strict=True))  # place of a row; a repeated one has several
            grid = _live_grid([live[row] and first[row] == place for place, row in enumerate(rows)], cache.prefix.rows)
            if grid.numel() <= COMPACT_BELOW * cache.rows:
                kept = grid.to(model.device)
                cache.keep(kept)
                tokens, rows = tokens[kept.reshape(-1)], [rows[place] for place in grid.reshape(-1).tolist()]
            check_cancelled()
            tokens = likeliest(self._next_logits(cache, tokens[:, None], masked))

    def forward(self, cache: Cache, embeddings: Tensor) -> Tensor:
        """One pass of the next tokens ``[row q d_model]`` over the cache, which grows by q → post-norm hidden states, same shape."""
        tokens = embeddings.shape[1]
        cache.reserve(tokens)
        with threads_for(self.model.parameters_count * cache.rows * tokens):
            hidden: Tensor = self.model.body(embeddings, cache.positions(tokens), cache)
        cache.length += tokens
        return hidden

    def _next_logits(self, cache: Cache, ids: Tensor, masked: Sequence[int]) -> Tensor:
        """Ids ``[row q]`` → logits ``[row vocab]`` after the last of them; contiguous input (a strided one is up to 1,200× slower)."""
        hidden = self.forward(cache, self.model.embed_written(ids))[:, -1].contiguous()
        logits: Tensor = self.model.lm_head(hidden)
        logits[:, list(masked)] = float("-inf")
        return logits

    @staticmethod
    def _edit(edits: Edits, site: Site, value: Tensor) -> Tensor:
        return edited(edits[site], site, value) if site in edits else value

    @staticmethod
    def _edit_slot(edits: Edits, cache: Cache, index: int) -> None:
        for site, editors in edits.items():
            if site.index == index and site.point in ("k", "v"):
                slot = (cache.keys if site.point == "k" else cache.values)[site.layer, :, :, index - cache.skipped]
                slot.copy_(edited(editors, site, slot))


def likeliest(logits: Tensor) -> Tensor:
    """Arg max over the last axis, the first of equals; on a cpu by numpy, which is seven times faster at it than torch."""
    if logits.device.type == "cpu" and logits.dtype == torch.float32:
        return torch.from_numpy(np.asarray(logits.numpy().argmax(-1)))
    return logits.argmax(-1)


def _live_grid(live: Sequence[bool], questions: int) -> Tensor:
    """Numbers of the live rows as `Cache.select` wants them: columns of one question each, as high as costs least.

    High columns have to be filled up with repeats where a question has fewer rows; of low ones a question has several, each with a copy of
    its prompt.
    """
    owned = [[row for row in range(question, len(live), questions) if live[row]] for question in range(questions)]
    counts = np.array([len(rows) for rows in owned if rows])
    heights = np.arange(1, counts.max() + 1)
    columns = -(-counts // heights[:, None]).sum(1)
    height = int(heights[np.argmin((heights + COLUMN) * columns)])
    cut = [rows[first : first + height] for rows in owned for first in range(0, len(rows), height)]
    return torch.tensor([rows + rows[:1] * (height - len(rows)) for rows in cut]).T
