"""Watching attention, and cutting it: an object that a cache asks during one call. A cache without one does not know of it."""

from __future__ import annotations

import torch
from torch import Tensor


class Watch:
    """Records what is attended to, blocks what must not be. Queries are counted by slots: index 0..n, then eot (and eos), then the answer.

    Keys are counted as the cache has them: the tokens of the padded prompt, then the slots.
    """

    def __init__(self, blocked: Tensor | None = None, record: bool = False) -> None:
        """``blocked`` ``[row query layer head key]``, true where a query must not see a key (before the softmax, hence the other keys share
        its weight); layers and heads may have size 1 = all of them. Queries after the last one are treated as that one.
        """
        self.blocked = blocked
        self.record = record
        self.weights: dict[tuple[int, int], Tensor] = {}
        """By (query, layer): ``[row head key]``, float32."""

    def select(self, rows: Tensor) -> Watch:
        """Of some rows; what was recorded stays behind."""
        return Watch(None if self.blocked is None else self.blocked[rows], self.record)

    def scores(self, layer: int, first: int, scores: Tensor) -> Tensor:
        """``[row head query key]`` before the softmax, of queries from ``first`` on."""
        if self.blocked is None:
            return scores
        queries = torch.arange(first, first + scores.shape[2], device=scores.device).clamp(max=self.blocked.shape[1] - 1)
        blocked = self.blocked[:, queries, min(layer, self.blocked.shape[2] - 1)].transpose(1, 2)
        width = min(scores.shape[3], blocked.shape[3])
        return torch.cat([scores[..., :width].masked_fill(blocked[..., :width], float("-inf")), scores[..., width:]], -1)

    def attended(self, layer: int, first: int, weights: Tensor) -> None:
        """``[row head query key]`` after the softmax, float32."""
        if self.record:
            for place in range(weights.shape[2]):
                self.weights[first + place, layer] = weights[:, :, place]

    def recorded(self, queries: int, layers: int, keys: int) -> Tensor:
        """``[row layer head query key]``; 0 at keys that were not there yet."""
        rows, heads = self.weights[0, 0].shape[:2]
        found = self.weights[0, 0].new_zeros(rows, layers, heads, queries, keys)
        for (query, layer), weights in self.weights.items():
            if query < queries:
                found[:, layer, :, query, : weights.shape[-1]] = weights
        return found
