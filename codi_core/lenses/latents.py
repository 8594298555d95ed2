"""Residuals of many questions, for training and judging lenses: at the latents, or at the positions of the prompt's text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.engine.taps import Recording
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.model import RolloutConfig

AT_ONCE = 256
"""Questions between two calls of ``progress``; also bounds the rollouts alive at once."""
TEXT_POSITIONS = 7
"""Positions drawn from a prompt: as many as a rollout of six passes has latents."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


def collect_latents(
    engine: Engine, questions: Sequence[str], indices: Sequence[int], progress: Progress, check_cancelled: CheckCancelled
) -> Tensor:
    """``[question index depth d_model]`` on the cpu in the model's dtype."""
    found = []
    for first in range(0, len(questions), AT_ONCE):
        config = RolloutConfig(passes=max(indices), max_new_tokens=1)
        rollouts = engine.rollout(questions[first : first + AT_ONCE], config, check_cancelled=check_cancelled)
        found += [torch.from_numpy(rollout.resid[list(indices)]).to(engine.model.dtype) for rollout in rollouts]
        progress("collecting latents", len(found), len(questions))
    return torch.stack(found)


def collect_text(engine: Engine, questions: Sequence[str], seed: int, progress: Progress, check_cancelled: CheckCancelled) -> Tensor:
    """``[position depth d_model]``: up to TEXT_POSITIONS positions of every prompt, bot excluded, drawn by ``seed``."""
    model, draw, found = engine.model, random.Random(seed), []
    for number, question in enumerate(questions, 1):
        ids = model.build_prompt(question)
        positions = sorted(draw.sample(range(len(ids) - 1), min(TEXT_POSITIONS, len(ids) - 1)))
        with engine.exclusively(), Recording(model.blocks) as recording:
            check_cancelled()
            engine.prefill([ids])
        found.append(torch.stack(recording.depths, 1)[0][:, positions].transpose(0, 1).cpu())
        if number % AT_ONCE == 0 or number == len(questions):
            progress("collecting text positions", number, len(questions))
    return torch.cat(found)
