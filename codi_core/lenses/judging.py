"""What a lens is worth on questions it was not made from: how near it comes to the model's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codi_core.lenses.base import Lens
from codi_core.lenses.readout import read_lens
from codi_core.models.model import CodiModel
from codi_core.values.arrays import Floats


@dataclass(frozen=True)
class Judgement:
    kl: Floats
    """``[index depth]``: KL(output || lens) in nats, mean over questions."""
    agree: Floats
    """``[index depth]``: share of questions where the lens' first token is the output's."""


def judge(model: CodiModel, lens: Lens, latents: Tensor, indices: Sequence[int]) -> Judgement:
    """Of ``[question index depth d_model]``, taken at ``indices``."""
    kl, agree = (values.mean(0).cpu().numpy().astype(np.float32) for values in judge_each(model, lens, latents, indices))
    return Judgement(kl, agree)


def judge_each(model: CodiModel, lens: Lens, latents: Tensor, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """KL and agreement of a `Judgement`, question by question: ``[question index depth]`` of ``[question index depth d_model]``."""
    n, count, depths, _ = latents.shape
    rows = latents.flatten(0, 1).to(model.device)
    index = torch.tensor(list(indices), device=model.device).repeat(n)
    reading = read_lens(model, lens, rows, index, torch.empty(len(rows), 0, dtype=torch.long, device=model.device), top_k=1)
    agree = reading.top_ids[..., 0] == reading.top_ids[:, -1:, 0]
    kl, agreed = (values.float().view(n, count, depths) for values in (reading.kl, agree))
    return kl, agreed
