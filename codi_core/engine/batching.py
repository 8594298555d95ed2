"""Which questions run together."""

from __future__ import annotations

from collections.abc import Sequence


def plan_batches(lengths: Sequence[int], batch_size: int | None, extra_tokens: int, token_budget: int) -> list[list[int]]:
    """Question numbers by batch: sorted by prompt length, so that little is padding (ties keep their order).

    Without ``batch_size`` a batch takes as many rows as fit ``token_budget`` when each is as long as the longest, plus
    ``extra_tokens`` for latents and answer; at least one.
    """
    batches: list[list[int]] = []
    for question in sorted(range(len(lengths)), key=lambda q: (lengths[q], q)):
        rows = len(batches[-1]) + 1 if batches else 1
        fits = rows <= batch_size if batch_size is not None else rows * (lengths[question] + extra_tokens) <= token_budget
        if batches and fits:
            batches[-1].append(question)
        else:
            batches.append([question])
    return batches
