"""How far long calls are: not at all, on a bar, or told to a function."""

from __future__ import annotations

from typing import Any

from codi_core.values.callbacks import OnProgress

OnDone = bool | OnProgress | None
"""True: a bar. A function is called with (done, total)."""


def shown(progress: OnDone, what: str) -> OnProgress:
    if callable(progress):
        return progress
    return _bar(what) if progress else lambda done, total: None


def _bar(what: str) -> OnProgress:
    from tqdm.auto import tqdm

    bar: tqdm[Any] | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        bar = bar or tqdm(total=total, desc=what)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show
