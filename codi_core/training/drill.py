"""Bare equations: the arithmetic of the problems without the stories, several times cheaper a piece.

A small network that must learn to read and to calculate at once learns neither quickly. Operands are drawn over the whole range, whatever
split a problem with these numbers belongs to: held-out problems ask for new combinations of known facts, not for facts never met.
"""

from __future__ import annotations

import random

import torch
from tokenizers import Tokenizer

from codi_core.training.batches import IGNORE, pad
from codi_core.training.tokenizer import BOT, token_id

KINDS = ("small", "tens", "times", "parts", "percent")
WEIGHTS = (8, 6, 3, 1, 2)


def equation(rng: random.Random) -> tuple[str, int]:
    """``("7+5", 12)``: sums and differences up to 180, the same of tens up to 990, products, parts and percentages."""
    kind = rng.choices(KINDS, WEIGHTS)[0]
    if kind in ("small", "tens"):
        unit, most = (1, 160) if kind == "small" else (10, 90)
        a, b = rng.randint(1, most), rng.randint(1, 20 if kind == "small" and rng.random() < 0.7 else min(most, 80))
        if rng.random() < 0.5:
            a, b = max(a, b) + (a == b), min(a, b)
            return f"{a * unit}-{b * unit}", (a - b) * unit
        total = min(a + b, 99 * 10 // unit)
        return f"{(total - b) * unit}+{b * unit}", total * unit
    if kind == "times":
        a, b = (rng.randint(1, 20), rng.randint(1, 9)) if rng.random() < 0.6 else (rng.randint(2, 45), rng.randint(2, 4))
        return f"{a}*{b}", a * b
    if kind == "parts":
        a, b = rng.randint(1, 30), rng.randint(2, 3)
        return f"{a * b}/{b}", a
    n, p = rng.choice((20, 40, 50, 60, 80, *range(100, 1000, 100))), 10 * rng.randint(1, 8)
    return f"{n}*{p}/100", n * p // 100


def drill(tokenizer: Tokenizer, size: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs ``[size t]`` (bot << a op b =, right-padded) and targets of the same shape: the value where an equation ends, else IGNORE."""
    rng = random.Random(seed)
    bot, opening = token_id(tokenizer, BOT), token_id(tokenizer, "<<")
    equations = [equation(rng) for _ in range(size)]
    encoded = tokenizer.encode_batch([f"{expression}=" for expression, _ in equations], add_special_tokens=False)
    inputs = [[bot, opening, *e.ids] for e in encoded]
    targets = [[IGNORE] * (len(row) - 1) + [token_id(tokenizer, str(value))] for row, (_, value) in zip(inputs, equations, strict=True)]
    return pad(inputs, bot), pad(targets, IGNORE)
