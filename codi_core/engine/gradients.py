"""Rollouts that can be differentiated: how the residual stream at one cell moves the residual stream at another, through the recurrence.

The passes are those of the engine. Only the cache differs: it never writes a tensor twice, so that a gradient flows through every slot.
The prompt's keys and values are constants. All rows are copies of one prompt, and each carries a gradient of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from codi_core.engine.cache import Cache, Prefix
from codi_core.engine.steps import Steps
from codi_core.engine.taps import Recording


class GradientCache(Cache):
    """Slots as a list that grows by one entry a pass, in the place of tensors that are written into."""

    def __init__(self, prefix: Prefix, rows: int) -> None:
        super().__init__(prefix, rows, slots=0)
        self._filled: list[list[tuple[Tensor, Tensor]]] = [[] for _ in range(len(prefix.keys))]

    def reserve(self, slots: int) -> None:
        """There is always room for more."""

    def update(self, keys: Tensor, values: Tensor, layer: int) -> None:
        self._filled[layer].append((keys, values))

    def slots(self, layer: int, end: int) -> tuple[Tensor, Tensor]:
        keys, values = (torch.cat(parts, 2) for parts in zip(*self._filled[layer], strict=True))
        return keys, values


@dataclass(frozen=True, eq=False)
class Unrolled:
    """A rollout of one prompt, ``row`` times, with the graph that made it."""

    resid: list[list[Tensor]]
    """By index, then depth 0..L: ``[row 1 d_model]``"""
    z: list[Tensor]
    """By index: ``[row d_model]``; the last is not used by anything."""
    answer: Tensor
    """``[row 1 d_model]``: depth L where the first answer token is predicted (eot, or the eos after it)."""


def unroll(steps: Steps, ids: Sequence[int], passes: int, rows: int) -> Unrolled:
    """Prompt ``ids`` with bot last. Hold `Steps.differentiably` around it and around what differentiates it."""
    model = steps.model
    with torch.no_grad():
        cache = GradientCache(steps.prefill([ids]), rows)
        bot, *after = (model.embed(torch.full((rows,), token, device=model.device)) for token in (model.ids.bot, *model.after_latents))
    inputs = bot.clone().requires_grad_()  # no weight asks for a gradient: the first input has to, or there is no graph
    resid, z = [], []
    for _ in range(passes + 1):
        with Recording(model.blocks) as recording:
            hidden = steps.forward(cache, inputs[:, None])[:, -1]
        inputs = model.project(hidden)
        if not inputs.requires_grad:  # a pause twin's: it depends on nothing, and later passes still have to be differentiated
            inputs = inputs.clone().requires_grad_()
        resid.append(recording.depths)
        z.append(inputs)
    for token in after:
        with Recording(model.blocks) as recording:
            steps.forward(cache, token[:, None])
    return Unrolled(resid, z, recording.depths[-1])


def pulled_back(output: Tensor, inputs: Sequence[Tensor], gradient: Tensor) -> list[Tensor]:
    """``gradient`` at ``output`` → gradients at each of ``inputs``, zero where the output does not depend on one.

    Only what lies between the two is run through, and the graph is kept.
    """
    found = torch.autograd.grad(output, inputs, gradient, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(tensor) if grad is None else grad for tensor, grad in zip(inputs, found, strict=True)]
