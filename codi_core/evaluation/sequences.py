"""What a cache would answer, and how likely some given answers are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from codi_core.engine.cache import Cache
from codi_core.engine.steps import Steps, likeliest, nothing
from codi_core.evaluation.speculative import Ids, blocks, masked_logits
from codi_core.models.model import CodiModel
from codi_core.values.callbacks import CheckCancelled


@dataclass(frozen=True, eq=False)
class Heard:
    """Of every row of a cache (all questions of condition 0, then of condition 1, …)."""

    log_p: list[npt.NDArray[np.float32]]
    """For each set of sequences ``[row token]``: log-probability of each token after those before it; 0 beyond a sequence's end."""
    ids: list[list[int]]
    """The greedy answer, without eos."""
    first: Tensor
    """``[row vocab]``: log-probabilities of the first token; empty unless asked for."""


def listen(
    steps: Steps,
    cache: Cache,
    sets: Sequence[Sequence[Ids]],
    max_new_tokens: int,
    check_cancelled: CheckCancelled = nothing,
    keep_first: bool = False,
) -> Heard:
    """After the passes: eot, then each set of sequences (one a question, the same for all conditions) teacher-forced, then greedily.

    ``max_new_tokens`` 0 leaves the greedy answer out. The cache is left with what was written last.
    """
    model = steps.model
    check_cancelled()
    after = torch.tensor(model.after_latents, device=model.device).expand(cache.rows, -1)
    hidden = steps.forward(cache, model.embed_written(after))[:, -1:]
    start = cache.length
    log_p = []
    for sequences in sets:
        cache.length = start
        log_p.append(_forced(steps, cache, hidden, sequences))
    logits = [masked_logits(model, hidden[rows, 0]) for rows in blocks(model, hidden)]
    cache.length = start
    ids: list[list[int]] = [[] for _ in range(cache.rows)]
    if max_new_tokens:
        tokens = torch.cat([likeliest(part) for part in logits])
        left, begins = [max_new_tokens] * cache.rows, [True] * cache.rows
        ids, _ = steps.go_on(cache, tokens, model.masked, left, begins, check_cancelled)
    first = torch.cat([part.float().log_softmax(-1) for part in logits]) if keep_first else hidden.new_empty(0)
    return Heard(log_p, ids, first)


def _forced(steps: Steps, cache: Cache, first: Tensor, sequences: Sequence[Ids]) -> npt.NDArray[np.float32]:
    """``first`` ``[row 1 d_model]`` is the state before the first token."""
    model, longest = steps.model, max(map(len, sequences))
    padded = np.zeros((len(sequences), longest), np.int64)
    there = np.zeros((len(sequences), longest), bool)
    for row, ids in enumerate(sequences):
        padded[row, : len(ids)], there[row, : len(ids)] = ids, True
    conditions = cache.rows // len(sequences)
    ids_of = torch.from_numpy(np.tile(padded, (conditions, 1))).to(model.device)
    hidden = first
    if longest > 1:
        hidden = torch.cat([first, steps.forward(cache, model.embed_written(ids_of[:, :-1]))], 1)
    parts = [_log_probs(model, hidden[rows], ids_of[rows]) for rows in blocks(model, hidden)]
    return np.where(np.tile(there, (conditions, 1)), torch.cat(parts).cpu().numpy(), np.float32(0))


def _log_probs(model: CodiModel, hidden: Tensor, ids: Tensor) -> Tensor:
    logits = masked_logits(model, hidden).float()
    return logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
