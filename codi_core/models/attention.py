"""The attention every loaded model runs: plain causal attention, or the one of the cache that a call brings along."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch.nn import functional as F
from transformers import AttentionInterface

ATTENTION = "codi"
"""Name under which transformers finds `attention`. It registers no mask function, so transformers builds no masks at all."""


class AttendingCache(Protocol):
    """A KV cache that computes attention itself, because its keys lie in more than one tensor."""

    def attend(self, layer: int, query: torch.Tensor, scaling: float) -> torch.Tensor:
        """Query ``[row head q d_head]`` → ``[row q head d_head]``, over everything cached up to the newest token."""


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    attending: AttendingCache | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Query ``[row head q d_head]``, key and value ``[row kv_head t d_head]`` → ``[row q head d_head]``.

    Without a cache the sequence is a whole one starting at its first token: causal, and padding (on the right) is never looked at.
    """
    if attending is not None:
        return attending.attend(module.layer_idx, query, scaling), None
    causal = query.shape[2] > 1
    grouped = query.shape[1] != key.shape[1]
    output = F.scaled_dot_product_attention(query, key, value, is_causal=causal, scale=scaling, enable_gqa=grouped)
    return output.transpose(1, 2), None


AttentionInterface.register(ATTENTION, attention)
