"""Greedy answers by checking a draft: one forward pass over eot and the draft, then decoding only where a row disagrees.

Exact for greedy decoding: what is fed up to the first disagreement is what would have been decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from codi_core.engine.cache import Cache
from codi_core.engine.steps import Steps, likeliest, nothing
from codi_core.errors import InterventionError
from codi_core.evaluation.golds import Gold
from codi_core.models.model import CodiModel
from codi_core.values.callbacks import CheckCancelled

LOGIT_BYTES = {"cpu": 32 << 20, "cuda": 128 << 20, "mps": 128 << 20}
"""Logits in memory at a time."""
DRAFTED = 0.5
"""Drafts are cut to the length that this share of them has at most: what few need must not be fed for everybody."""
LONGEST_DRAFT = 11
"""Of a long one: a push that changes an answer at all mostly does so early, and what follows was fed for nothing. Not fewer: MKL has other
kernels, which round differently, for products of less than a dozen tokens."""

Ids = tuple[int, ...]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Draft:
    ids: Ids
    """Without eos."""
    finished: bool
    """Whether eos came within the limit."""


@dataclass(frozen=True, eq=False)
class Answered:
    """One condition's answers to the questions of a batch."""

    answers: tuple[Draft, ...]
    p_gold: Floats
    """``[question]``"""
    margin: Floats
    """``[question]``"""


def verify_draft(
    steps: Steps,
    cache: Cache,
    drafts: Sequence[Draft],
    golds: Sequence[Gold],
    max_new_tokens: int,
    names: Sequence[str],
    check_cancelled: CheckCancelled = nothing,
) -> list[Answered]:
    """Answers of every condition (rows as in `Cache`) after its passes; ``names`` are the conditions', for errors. Uses the cache up.

    ``drafts`` and ``golds`` one a question. Raises InterventionError naming the condition when the logits are not numbers.
    """
    model, conditions, start = steps.model, len(names), cache.length + len(steps.model.after_latents)
    width = _width(drafts)
    drafted = _padded([draft.ids[:width] for draft in drafts], width)
    gold = _tensor(np.tile([gold.ids[0] for gold in golds], conditions), model)
    check_cancelled()
    if all(len(gold.ids) == 1 for gold in golds):
        hidden = _feed(steps, cache, _after_eot(model, drafted), conditions)[:, -width - 1 :]
        tokens, scores = _read(model, hidden, gold)
    else:
        first, scores = _score_long(steps, cache, golds, conditions)
        cache.length = start
        hidden = torch.cat([first, _feed(steps, cache, drafted, conditions)], 1) if width else first
        tokens, _ = _read(model, hidden, gold)
    _check_numbers(tokens, names)
    answers = _settle(steps, cache, start, tokens, drafted, list(drafts) * conditions, max_new_tokens, check_cancelled)
    p_gold, margin = (score.reshape(conditions, -1) for score in scores)
    rows = len(drafts)
    return [Answered(tuple(answers[c * rows : (c + 1) * rows]), p_gold[c], margin[c]) for c in range(conditions)]


def fed_at_once(model: CodiModel, drafts: Sequence[Draft], golds: Sequence[Gold]) -> int:
    """Tokens that `verify_draft` feeds to every row; where no draft is fed, with one that every row decodes."""
    return len(model.after_latents) + max(_width(drafts), 1, *(len(gold.ids) - 1 for gold in golds))


def _width(drafts: Sequence[Draft]) -> int:
    """Tokens of the drafts to feed. Of one token none: checking it and decoding it take a pass each, and decoding is never for nothing."""
    width = int(np.quantile([len(draft.ids) for draft in drafts], DRAFTED, method="higher"))
    return min(width, LONGEST_DRAFT) if width > 1 else 0


def _settle(
    steps: Steps,
    cache: Cache,
    start: int,
    tokens: npt.NDArray[np.int64],
    drafted: npt.NDArray[np.int64],
    drafts: list[Draft],
    max_new_tokens: int,
    check_cancelled: CheckCancelled,
) -> list[Draft]:
    """``tokens`` ``[row width+1]`` are the model's, after none, one, … of the draft's ``[question width]`` (-1 = padding)."""
    eos = steps.model.ids.eos
    agrees = tokens[:, :-1] == np.tile(drafted, (len(tokens) // len(drafted), 1))
    agreed = agrees.cumprod(1).sum(1)
    following = np.take_along_axis(tokens, agreed[:, None], 1)[:, 0]
    lengths = np.array([len(draft.ids) for draft in drafts])
    finished = np.array([draft.finished for draft in drafts])
    settled = (agreed == lengths) & np.where(finished, following == eos, lengths == max_new_tokens)
    if settled.all():
        return drafts
    left = np.where(settled, 0, max_new_tokens - agreed).tolist()
    lengths = np.where(settled, agreed[~settled].max(), agreed)
    cache.resume(_tensor(start + lengths, steps.model))
    ids, ended = steps.go_on(cache, _tensor(following, steps.model), steps.model.masked, left, (agreed == 0).tolist(), check_cancelled)
    return [
        draft if done else Draft(draft.ids[:length] + tuple(own), end)
        for draft, done, length, own, end in zip(drafts, settled, agreed.tolist(), ids, ended, strict=True)
    ]


def _feed(steps: Steps, cache: Cache, ids: npt.NDArray[np.int64], conditions: int) -> Tensor:
    """Ids ``[question q]`` (-1 = padding), the same under every condition → hidden states ``[row q d_model]``."""
    return steps.forward(cache, steps.model.embed_written(_tensor(np.tile(ids.clip(0), (conditions, 1)), steps.model)))


def _after_eot(model: CodiModel, ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return np.concatenate([np.tile(model.after_latents, (len(ids), 1)), ids], 1)


def _read(model: CodiModel, hidden: Tensor, gold: Tensor) -> tuple[npt.NDArray[np.int64], tuple[Floats, Floats]]:
    """Hidden ``[row q d_model]`` → tokens ``[row q]`` (-1 where logits are NaN), scores of ``gold`` ``[row]`` at the first."""
    tokens, scores = [], []
    for rows in blocks(model, hidden):
        logits = masked_logits(model, hidden[rows])
        tokens.append(likeliest(logits))
        scores.append(_score(logits[:, 0].float(), gold[rows]))
    found = torch.where(hidden.sum(-1).isfinite(), torch.cat(tokens), -1).cpu().numpy()
    log_p, margin = (torch.cat(part).cpu().numpy() for part in zip(*scores, strict=True))
    return found, (np.exp(log_p), margin)


def _score_long(steps: Steps, cache: Cache, golds: Sequence[Gold], conditions: int) -> tuple[Tensor, tuple[Floats, Floats]]:
    """The state after eot ``[row 1 d_model]``, and the scores of golds of several tokens: all but the last are fed after it."""
    model, longest = steps.model, max(len(gold.ids) for gold in golds)
    ids = _padded([gold.ids for gold in golds], longest)
    hidden = _feed(steps, cache, _after_eot(model, ids[:, :-1]), conditions)[:, -longest:]
    gold = _tensor(np.tile(ids, (conditions, 1)), model)
    place = _tensor(np.tile([gold.at for gold in golds], conditions), model)
    log_p, margin = torch.zeros(len(gold), device=model.device), torch.zeros(len(gold), device=model.device)
    for rows in blocks(model, hidden):
        logits = masked_logits(model, hidden[rows])
        for at in range(longest):
            log_p_at, margin_at = _score(logits[:, at].float(), gold[rows, at].clamp(min=0))
            log_p[rows] += log_p_at * (gold[rows, at] >= 0)
            margin[rows] += margin_at * (place[rows] == at)
    return hidden[:, :1], (log_p.exp().cpu().numpy(), margin.cpu().numpy())


def _score(logits: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    """Logits ``[row vocab]`` (overwritten), gold ``[row]`` → log-probability of gold, and its logit minus the best other one's."""
    own = logits.gather(1, gold[:, None])
    total = logits.logsumexp(1)
    best_other = logits.scatter_(1, gold[:, None], float("-inf")).amax(1)
    return own[:, 0] - total, own[:, 0] - best_other


def masked_logits(model: CodiModel, hidden: Tensor) -> Tensor:
    """Hidden ``[… d_model]`` → logits ``[… vocab]``, -inf at ids that an answer never writes."""
    logits: Tensor = model.lm_head(hidden.contiguous())
    logits[..., list(model.masked)] = float("-inf")
    return logits


def blocks(model: CodiModel, hidden: Tensor) -> list[slice]:
    """Rows whose logits fit in memory together."""
    size = max(1, LOGIT_BYTES[model.device.type] // (hidden.shape[1] * model.vocab_size * 4))
    return [slice(start, start + size) for start in range(0, len(hidden), size)]


def _padded(rows: Sequence[Ids], width: int) -> npt.NDArray[np.int64]:
    padded = np.full((len(rows), width), -1, np.int64)
    for number, ids in enumerate(rows):
        padded[number, : len(ids)] = ids
    return padded


def _tensor(values: npt.NDArray[np.int64], model: CodiModel) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(model.device)


def _check_numbers(tokens: npt.NDArray[np.int64], names: Sequence[str]) -> None:
    broken = [name for name, rows in zip(names, np.split(tokens, len(names)), strict=True) if (rows < 0).any()]
    if broken:
        raise InterventionError(f"The logits are not numbers (NaN) with {broken[0]}: choose a smaller coefficient, or dtype float32.")
