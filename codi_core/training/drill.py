"""Bare equations: the arithmetic of the problems without the stories, several times cheaper a piece.

A small network that must learn to read and to calculate at once learns neither quickly. Equations come from problems of every split: what
is held out is the problem, numbers and wording together, and not the sums it takes, which a network this small can only know by practice.
"""

from __future__ import annotations

from itertools import islice

import torch
from tokenizers import Tokenizer

from codi_core.problems.generate import Step, equations
from codi_core.training.batches import IGNORE, pad
from codi_core.training.tokenizer import BOT, token_id


def drill(tokenizer: Tokenizer, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs ``[size t]`` (bot << a op b =, right-padded) and targets of the same shape: the value where an equation ends, else IGNORE."""
    bot, opening = token_id(tokenizer, BOT), token_id(tokenizer, "<<")
    steps: list[Step] = list(islice(equations(seed), size))
    encoded = tokenizer.encode_batch([f"{step.expression}=" for step in steps], add_special_tokens=False)
    inputs = [[bot, opening, *e.ids] for e in encoded]
    targets = [[IGNORE] * (len(row) - 1) + [token_id(tokenizer, str(step.value))] for row, step in zip(inputs, steps, strict=True)]
    return pad(inputs, bot), pad(targets, IGNORE)
