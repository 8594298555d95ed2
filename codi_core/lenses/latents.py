"""Residuals of many questions, for training and judging lenses: at the latents, or at the positions of the prompt's text."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from codi_core.engine.engine import Engine
from codi_core.types import RolloutConfig

AT_ONCE = 256
"""Questions between two calls of ``progress``; also bounds the rollouts alive at once."""
TEXT_POSITIONS = 7
"""Positions drawn from a prompt: as many as a rollout of six passes has latents."""

Progress = Callable[[str, int, int], None]
"""What is being done, how much of it is done, how much there is."""


def collect_latents(
    engine: Engine, questions: Sequence[str], indices: Sequence[int], progress: Progress, on_step: Callable[[], None]
) -> Tensor:
    """``[question index depth d_model]`` on the cpu in the model's dtype."""
    found = []
    for first in range(0, len(questions), AT_ONCE):
        config = RolloutConfig(passes=max(indices), max_new_tokens=1)
        rollouts = engine.rollout(questions[first : first + AT_ONCE], config, on_step=on_step)
        found += [torch.from_numpy(rollout.resid[list(indices)]).to(engine.model.dtype) for rollout in rollouts]
        progress("collecting latents", len(found), len(questions))
    return torch.stack(found)


def collect_text(engine: Engine, questions: Sequence[str], seed: int, progress: Progress, on_step: Callable[[], None]) -> Tensor:
    """``[position depth d_model]``: up to TEXT_POSITIONS positions of every prompt, bot excluded, drawn by ``seed``."""
    model, draw, found = engine.model, random.Random(seed), []
    for number, question in enumerate(questions, 1):
        ids = model.build_prompt(question)
        positions = sorted(draw.sample(range(len(ids) - 1), min(TEXT_POSITIONS, len(ids) - 1)))
        with engine.exclusively(), _Recording(model.blocks) as recording:
            on_step()
            engine.prefill([ids])
        found.append(torch.stack(recording.depths, 1)[0][:, positions].transpose(0, 1).cpu())
        if number % AT_ONCE == 0 or number == len(questions):
            progress("collecting text positions", number, len(questions))
    return torch.cat(found)


class _Recording:
    """While entered, keeps the residual stream of one forward pass at every depth: tensors ``[row token d_model]``."""

    def __init__(self, blocks: nn.ModuleList) -> None:
        self.blocks = blocks
        self.depths: list[Tensor] = []

    def __enter__(self) -> _Recording:
        self.handles = [self.blocks[0].register_forward_pre_hook(lambda block, inputs: self.depths.append(inputs[0]))]
        self.handles += [block.register_forward_hook(self._keep) for block in self.blocks]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _keep(self, block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self.depths.append(output)
