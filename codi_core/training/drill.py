"""Bare equations: the arithmetic of the chains without the stories, several times cheaper a piece.

A small network that must learn to read and to calculate at once learns neither quickly; with calculation drilled first, explicit chains
and latents have only the composition left to learn.
"""

from __future__ import annotations

from itertools import islice

import torch
from tokenizers import Tokenizer

from codi_core.problems.generate import Step, stream
from codi_core.training.batches import IGNORE, pad
from codi_core.training.tokenizer import BOT, token_id


def drill(tokenizer: Tokenizer, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Steps of ``size`` training problems, one drawn from each. Returns inputs ``[size t]`` (bot << a op b =, right-padded) and
    targets of the same shape: the value where the equation ends, IGNORE elsewhere.
    """
    bot, opening = token_id(tokenizer, BOT), token_id(tokenizer, "<<")
    steps: list[Step] = [p.steps[number % len(p.steps)] for number, p in enumerate(islice(stream("train", seed), size))]
    expressions = tokenizer.encode_batch([f"{step.expression}=" for step in steps], add_special_tokens=False)
    inputs = [[bot, opening, *e.ids] for e in expressions]
    targets = [[IGNORE] * (len(row) - 1) + [token_id(tokenizer, str(step.value))] for row, step in zip(inputs, steps, strict=True)]
    return pad(inputs, bot), pad(targets, IGNORE)
