"""From residuals to what a person looks at. Full-vocabulary arrays never leave the device, and live one chunk at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codi_core.lenses.base import Lens
from codi_core.models.model import CodiModel
from codi_core.values.arrays import Floats
from codi_core.values.lens import LensGrid

CHUNK_BYTES = 1 << 26
"""Size of one logits array; a handful of them are alive at once."""


@dataclass(frozen=True, eq=False)
class Reading:
    """What a lens reads in many rows (a row is one index of one rollout)."""

    top_ids: Tensor
    """``[row depth k]``"""
    top_probs: Tensor
    """``[row depth k]``"""
    entropy: Tensor
    """``[row depth]``, nats."""
    kl: Tensor
    """``[row depth]``, KL(output || lens) in nats; exactly 0 at the last depth."""
    rank: Tensor
    """``[row depth m]``, 1 = most likely; tokens of equal probability share the better rank."""
    prob: Tensor
    """``[row depth m]``"""


def read_lens(
    model: CodiModel,
    lens: Lens,
    resid: Tensor,
    index: Tensor,
    tracked: Tensor,
    top_k: int = 10,
    on_chunk: Callable[[], None] | None = None,
) -> Reading:
    """Read ``[row depth d_model]``, taken at the indices ``[row]``; ``tracked`` ``[row m]`` are the token ids to follow in each row.

    ``on_chunk`` may raise Cancelled.
    """
    parts = []
    with torch.inference_mode():
        for rows in _chunks(resid.shape[0], resid.shape[1] * model.vocab_size * 4):
            if on_chunk:
                on_chunk()
            parts.append(_read_chunk(lens.logits(model, resid[rows], index[rows]), tracked[rows], top_k))
    return Reading(**{name: torch.cat([getattr(part, name) for part in parts]) for name in Reading.__dataclass_fields__})


def lens_grid(model: CodiModel, lens: Lens, resid: Floats, tracked_ids: Sequence[int] = (), top_k: int = 10) -> LensGrid:
    """What ``lens`` reads in one rollout: ``resid`` ``[index depth d_model]`` as in `Rollout`."""
    tracked = torch.tensor(list(tracked_ids), dtype=torch.long, device=model.device)
    index = torch.arange(len(resid), device=model.device)
    rows = torch.from_numpy(resid).to(model.device, model.dtype)
    reading = read_lens(model, lens, rows, index, tracked.expand(len(resid), -1), top_k)
    top_ids = reading.top_ids.cpu().numpy()
    return LensGrid(
        lens=lens.name,
        model_key=model.spec.key,
        top_ids=top_ids,
        top_tokens=np.array([model.token_text(token) for token in top_ids.ravel().tolist()]).reshape(top_ids.shape),
        top_probs=reading.top_probs.cpu().numpy(),
        entropy=reading.entropy.cpu().numpy(),
        kl=reading.kl.cpu().numpy(),
        tracked_ids=tuple(tracked_ids),
        tracked_tokens=tuple(map(model.token_text, tracked_ids)),
        tracked_rank=reading.rank.cpu().numpy(),
        tracked_prob=reading.prob.cpu().numpy(),
    )


def _chunks(rows: int, bytes_per_row: int) -> Iterator[slice]:
    step = max(1, CHUNK_BYTES // bytes_per_row)
    return (slice(first, first + step) for first in range(0, rows, step))


def _read_chunk(logits: Tensor, tracked: Tensor, top_k: int) -> Reading:
    """Logits ``[row depth vocab]``, tracked ``[row m]``."""
    log_probs = logits.log_softmax(-1)
    probs = log_probs.exp()
    output, output_probs = log_probs[:, -1:], probs[:, -1:]
    top = probs.topk(min(top_k, probs.shape[-1]))
    where = tracked[:, None].expand(-1, logits.shape[1], -1)
    own = log_probs.gather(-1, where)
    ranks = [(log_probs > own[..., m : m + 1]).sum(-1) + 1 for m in range(where.shape[-1])]  # one token at a time: no [row depth m vocab]
    return Reading(
        top_ids=top.indices,
        top_probs=top.values,
        entropy=-(probs * log_probs).sum(-1),
        kl=(output_probs * (output - log_probs)).sum(-1).clamp_min(0),  # rounding may leave -1e-8
        rank=torch.stack(ranks, -1) if ranks else where,
        prob=own.exp(),
    )
