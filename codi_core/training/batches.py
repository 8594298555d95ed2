"""Training batches: problems of similar length together, tokens padded, all from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import torch
from tokenizers import Tokenizer

from codi_core.problems.generate import Problem, stream
from codi_core.training.tokenizer import BOT, EOS, EOT, PAD, token_id

MAX_STEPS = 3
IGNORE = -100
CHUNK = 16
"""Batches drawn, sorted by length and shuffled together."""


@dataclass(frozen=True)
class Batch:
    prompt: torch.Tensor
    """``[batch T]``, left-padded: bos question eos bot."""
    prompt_mask: torch.Tensor
    """``[batch T]``, 1 = real."""
    chain: torch.Tensor
    """``[batch C]``, right-padded: cot eot answer eos."""
    chain_eot: torch.Tensor
    """``[batch]``, where eot stands in ``chain``."""
    answer: torch.Tensor
    """``[batch A]``, right-padded: eot answer eos."""
    step_values: torch.Tensor
    """``[batch MAX_STEPS]``, token id of each step's value; IGNORE past the last step."""


def pad(rows: list[list[int]], value: int, left: bool = False) -> torch.Tensor:
    width = max(map(len, rows))
    return torch.tensor([[value] * (width - len(r)) + r if left else r + [value] * (width - len(r)) for r in rows])


def encode(problems: list[Problem], tokenizer: Tokenizer) -> Batch:
    eos, bot, eot, pad_id = (token_id(tokenizer, t) for t in (EOS, BOT, EOT, PAD))
    prompts = [[*e.ids, eos, bot] for e in tokenizer.encode_batch([p.question for p in problems])]
    cots = [e.ids for e in tokenizer.encode_batch([p.cot for p in problems], add_special_tokens=False)]
    answers = [e.ids for e in tokenizer.encode_batch([str(p.answer) for p in problems], add_special_tokens=False)]
    values = [[token_id(tokenizer, str(s.value)) for s in p.steps] for p in problems]
    prompt = pad(prompts, pad_id, left=True)
    return Batch(
        prompt=prompt,
        prompt_mask=prompt.ne(pad_id).long(),
        chain=pad([[*c, eot, *a, eos] for c, a in zip(cots, answers, strict=True)], IGNORE),
        chain_eot=torch.tensor([len(c) for c in cots]),
        answer=pad([[eot, *a, eos] for a in answers], IGNORE),
        step_values=pad([v + [IGNORE] * (MAX_STEPS - len(v)) for v in values], IGNORE),
    )


def batches(tokenizer: Tokenizer, size: int, seed: int, first: int = 0) -> Iterator[Batch]:
    """Endless training batches, starting at number ``first``: a resumed run sees exactly what an unbroken one would."""
    chunk, skip = divmod(first, CHUNK)
    while True:
        problems = list(islice(stream("train", seed * 1_000_003 + chunk), size * CHUNK))
        problems.sort(key=lambda p: len(p.question))
        parts = [problems[i : i + size] for i in range(0, len(problems), size)]
        random.Random(chunk).shuffle(parts)
        for part in parts[skip:]:
            yield encode(part, tokenizer)
        chunk, skip = chunk + 1, 0
