"""The KV cache: a frozen prefix that conditions share, and the slots each of them owns.

    prefix   keys, values  [layer row kv_head token d_head]     the prompt without bot, right-padded; one row a question (B)
    slots    keys, values  [layer row kv_head slot  d_head]     slot 0 = bot, 1..n = passes, then eot and the answer; C·B rows

A prefix may also hold the first latents, each row's right after its prompt (`Prefix.extended`); the cache then ``skipped`` their slots.

Row r of the slots belongs to question r % B (condition-major: all questions of condition 0, then of condition 1, …). Attention over the
prefix is computed against its B rows for all C conditions at once, so a fork copies n + 1 slots and never the prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from codi_core.engine.watch import Watch
from codi_core.models.blocks import causal_attention

GROWTH = 16
"""Slots are added in steps of at least this many."""
FEW_SLOTS = 4
"""Up to so many are weighted one by one: thousands of tiny matrix products take a cpu four times as long."""


@dataclass(frozen=True, eq=False)
class Prefix:
    """Keys and values of B prompts up to (not including) bot, or further."""

    keys: Tensor
    """``[layer row kv_head token d_head]``, rotated; what lies in the padding is never read."""
    values: Tensor
    lengths: Tensor
    """``[row]``: real tokens, the position of what comes next."""
    padding: Tensor | None
    """``[row 1 token]``: 0 at real tokens and -inf at padding, in the model's dtype; None when there is no padding."""

    @property
    def rows(self) -> int:
        return self.keys.shape[1]

    def select(self, rows: Tensor) -> Prefix:
        """A copy of some rows, its padding cut to the longest of them."""
        lengths = self.lengths[rows]
        longest = int(lengths.max())
        padding = None if self.padding is None or int(lengths.min()) == longest else self.padding[rows, :, :longest]
        return Prefix(_picked(self.keys, rows, longest), _picked(self.values, rows, longest), lengths, padding)

    def extended(self, keys: Tensor, values: Tensor) -> Prefix:
        """A copy that goes on with slots ``[layer row kv_head slot d_head]``: each row's right after its last real token."""
        columns = self.lengths[:, None] + torch.arange(keys.shape[3], device=keys.device)
        where = columns[None, :, None, :, None].expand(keys.shape)
        lengths = self.lengths + keys.shape[3]
        width = int(lengths.max())

        def joined(own: Tensor, slots: Tensor) -> Tensor:
            return torch.cat([own, own.new_zeros(slots.shape)], 3)[:, :, :, :width].scatter(3, where, slots)

        return Prefix(joined(self.keys, keys), joined(self.values, values), lengths, _padding(lengths, width, keys.dtype))

    def shortened(self, tokens: int) -> Prefix:
        """A view without the last ``tokens`` of every row."""
        lengths = self.lengths - tokens
        width = int(lengths.max())
        return Prefix(self.keys[:, :, :, :width], self.values[:, :, :, :width], lengths, _padding(lengths, width, self.keys.dtype))


class PrefixWriter:
    """What prompts run with: keeps their keys and values, attention stays plain and causal."""

    def __init__(self, lengths: Tensor, n_layers: int, dtype: torch.dtype) -> None:
        self.lengths = lengths
        self.dtype = dtype
        self.keys: list[Tensor] = [torch.empty(0)] * n_layers
        self.values: list[Tensor] = [torch.empty(0)] * n_layers

    def update(self, keys: Tensor, values: Tensor, layer: int) -> None:
        """Each ``[row kv_head token d_head]``."""
        self.keys[layer], self.values[layer] = keys, values

    def attend(self, layer: int, query: Tensor, scaling: float) -> Tensor:
        """Query ``[row head token d_head]`` → ``[row token head d_head]``."""
        return causal_attention(query, self.keys[layer], self.values[layer], scaling)

    def prefix(self) -> Prefix:
        keys, values = torch.stack(self.keys), torch.stack(self.values)
        return Prefix(keys, values, self.lengths, _padding(self.lengths, keys.shape[3], self.dtype))


class Cache:
    """Slots on top of a shared prefix. ``length`` slots are filled; setting it lower forgets the newest ones."""

    def __init__(self, prefix: Prefix, rows: int, slots: int, skipped: int = 0) -> None:
        """``skipped``: slots that lie in the prefix; own slot k is that of index ``skipped + k``."""
        assert rows % prefix.rows == 0
        layers, _, heads, _, d_head = prefix.keys.shape
        self.prefix, self.skipped = prefix, skipped
        self.keys = prefix.keys.new_empty(layers, rows, heads, slots, d_head)
        self.values = torch.empty_like(self.keys)
        self.length = 0
        self._empty: Tensor | None = None
        """``[row]``: slots that a row left empty when it went on after fewer than others; None where no row did. See `resume`."""
        self._gap: Tensor | None = None
        """``[row 1 slot]``: -inf at those, 0 elsewhere."""
        self.watch: Watch | None = None
        """Records or blocks attention; not handed on to forks."""

    @property
    def rows(self) -> int:
        return self.keys.shape[1]

    def positions(self, tokens: int) -> Tensor:
        """``[row tokens]``: positions of the next ``tokens`` tokens; prompts have different lengths, slots do not."""
        first = self.prefix.lengths.repeat(self.rows // self.prefix.rows) + self.length
        if self._empty is not None:
            first = first - self._empty
        return first[:, None] + torch.arange(tokens, device=first.device)

    def reserve(self, slots: int) -> None:
        """Make room for ``slots`` more."""
        needed = self.length + slots
        if needed <= self.keys.shape[3]:
            return
        capacity = max(needed, self.keys.shape[3] + GROWTH)
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            new = old.new_empty(*old.shape[:3], capacity, old.shape[4])
            new[:, :, :, : self.length] = old[:, :, :, : self.length]
            setattr(self, name, new)

    def fork(self, conditions: int) -> Cache:
        """``conditions`` copies of every row, side by side; the prefix is shared, only the slots are copied."""
        assert self._gap is None, "rows of a resumed cache go on, they are not copied"
        fork = Cache(self.prefix, self.rows * conditions, self.keys.shape[3], self.skipped)
        fork.keys[:, :, :, : self.length] = self.keys[:, :, :, : self.length].repeat(1, conditions, 1, 1, 1)
        fork.values[:, :, :, : self.length] = self.values[:, :, :, : self.length].repeat(1, conditions, 1, 1, 1)
        fork.length = self.length
        return fork

    def resume(self, lengths: Tensor) -> None:
        """Row r goes on after its first ``lengths[r]`` slots: all together, behind the longest."""
        self.length = int(lengths.max())
        self._gap = _padding(lengths, self.length, self.keys.dtype)
        self._empty = None if self._gap is None else self.length - lengths

    def keep(self, grid: Tensor) -> None:
        """Only some rows from now on: row numbers ``[condition column]``, a column's of one question.

        Their slots move together within the memory they have; their prompts are copied.
        """
        rows = grid.reshape(-1)
        self.prefix = self.prefix.select(grid[0] % self.prefix.rows)
        for name in ("keys", "values"):
            slots: Tensor = getattr(self, name)
            assert len(rows) <= slots.shape[1]
            for layer in slots:
                layer[: len(rows), :, : self.length] = layer[:, :, : self.length].index_select(0, rows)
            setattr(self, name, slots[:, : len(rows)])
        if self._gap is not None and self._empty is not None:
            has_empty = bool(self._empty[rows].any())
            self._gap, self._empty = (self._gap[rows], self._empty[rows]) if has_empty else (None, None)
        if self.watch is not None:
            self.watch = self.watch.select(rows)

    def update(self, keys: Tensor, values: Tensor, layer: int) -> None:
        """Each ``[row kv_head q d_head]``: fills the next q slots of one layer."""
        end = self.length + keys.shape[2]
        self.keys[layer, :, :, self.length : end] = keys
        self.values[layer, :, :, self.length : end] = values

    def slots(self, layer: int, end: int) -> tuple[Tensor, Tensor]:
        """Keys and values of the first ``end`` slots of one layer, each ``[row kv_head slot d_head]``."""
        return self.keys[layer, :, :, :end], self.values[layer, :, :, :end]

    def attend(self, layer: int, query: Tensor, scaling: float) -> Tensor:
        """Query ``[row head q d_head]`` over prefix and slots, one softmax (in float32) → ``[row q head d_head]``.

        The q queries are the newest slots; each sees the prefix, the older slots, itself and the new ones before it.
        """
        rows, heads, tokens, d_head = query.shape
        prefix, kv_heads = self.prefix, self.keys.shape[2]
        questions, conditions, group = prefix.rows, rows // prefix.rows, heads // kv_heads
        end = self.length + tokens
        # Queries of one kv head side by side: [question kv_head (condition group q) d_head] for the prefix, [row …] for the slots.
        own_query = (query * scaling).reshape(rows, kv_heads, group * tokens, d_head)
        shared_query = _across(own_query, conditions, questions)
        shared = shared_query @ prefix.keys[layer].transpose(-1, -2)
        if prefix.padding is not None:
            shared += prefix.padding[:, None]
        slot_keys, slot_values = self.slots(layer, end)
        own = own_query @ slot_keys.transpose(-1, -2)
        if tokens > 1:
            own.view(rows, kv_heads, group, tokens, end).add_(_causal(tokens, end, own))
        if self._gap is not None:
            own[..., : self._gap.shape[-1]] += self._gap[:, None]
        scores = torch.cat([shared, _across(own, conditions, questions)], dim=-1)
        if self.watch is not None:
            by_head = _back(scores, conditions, questions).reshape(rows, heads, tokens, -1)
            by_head = self.watch.scores(layer, self.skipped + self.length, by_head)
            scores = _across(by_head.reshape(rows, kv_heads, group * tokens, -1), conditions, questions)
        weights = scores.softmax(-1, dtype=torch.float32)
        if self.watch is not None:
            by_head = _back(weights, conditions, questions).reshape(rows, heads, tokens, -1)
            self.watch.attended(layer, self.skipped + self.length, by_head)
        weights = weights.to(query.dtype)
        in_prefix = shared.shape[-1]
        from_prefix = _back(weights[..., :in_prefix] @ prefix.values[layer], conditions, questions)
        from_slots = _weighted(_back(weights[..., in_prefix:], conditions, questions), slot_values)
        output = (from_prefix + from_slots).reshape(rows, heads, tokens, d_head)
        return output.transpose(1, 2)


def _picked(slots: Tensor, rows: Tensor, length: int) -> Tensor:
    """``slots[:, rows, :, :length]``, layer by layer: torch copies whole rows then, not number by number."""
    layers, _, heads, _, d_head = slots.shape
    picked = slots.new_empty(layers, len(rows), heads, length, d_head)
    for own, layer in zip(picked, slots, strict=True):
        torch.index_select(layer[:, :, :length], 0, rows, out=own)
    return picked


def _padding(lengths: Tensor, width: int, dtype: torch.dtype) -> Tensor | None:
    """``[row 1 token]``, see `Prefix.padding`."""
    is_padding = torch.arange(width, device=lengths.device) >= lengths[:, None]
    if not is_padding.any():
        return None
    return torch.zeros(is_padding.shape, dtype=dtype, device=lengths.device).masked_fill_(is_padding, float("-inf"))[:, None]


def _across(own: Tensor, conditions: int, questions: int) -> Tensor:
    """``[(condition question) kv_head m x]`` → ``[question kv_head (condition m) x]``; a view when there is one condition."""
    if conditions == 1:
        return own
    _, kv_heads, m, x = own.shape
    return own.view(conditions, questions, kv_heads, m, x).permute(1, 2, 0, 3, 4).reshape(questions, kv_heads, conditions * m, x)


def _back(shared: Tensor, conditions: int, questions: int) -> Tensor:
    """The inverse of `_across`."""
    if conditions == 1:
        return shared
    _, kv_heads, m, x = shared.shape
    per = m // conditions
    return shared.view(questions, kv_heads, conditions, per, x).permute(2, 0, 1, 3, 4).reshape(conditions * questions, kv_heads, per, x)


def _weighted(weights: Tensor, values: Tensor) -> Tensor:
    """``weights @ values``, ``[row kv_head m slot]`` and ``[row kv_head slot d_head]``."""
    slots = values.shape[2]
    if slots > FEW_SLOTS or values.dtype != torch.float32:
        return weights @ values
    total = weights[..., :1] * values[:, :, :1]
    for slot in range(1, slots):
        total.addcmul_(weights[..., slot : slot + 1], values[:, :, slot : slot + 1])
    return total


def _causal(tokens: int, end: int, like: Tensor) -> Tensor:
    return torch.full((tokens, end), float("-inf"), dtype=like.dtype, device=like.device).triu(end - tokens + 1)
