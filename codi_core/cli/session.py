"""What every command needs: settings, the workbench, progress on stderr, output."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codi_core.settings import Settings
from codi_core.types import Share

if TYPE_CHECKING:
    from codi_core.services.workbench import Workbench
    from codi_core.sweeps.local import SweepProgress


PROGRESS_SECONDS = 10.0
"""How often a line of progress appears where it cannot be overwritten."""


def settings_of(args: argparse.Namespace) -> Settings:
    flags = {name: getattr(args, name, None) for name in Settings.__dataclass_fields__}
    return dataclasses.replace(Settings.from_env(), **{name: value for name, value in flags.items() if value is not None})


@contextmanager
def open_workbench(args: argparse.Namespace) -> Iterator[Workbench]:
    """Closed at the end, whatever happens: Ctrl+C then stops the model at its next step."""
    from codi_core.models.load import ModelRequest
    from codi_core.services.workbench import Workbench

    settings = settings_of(args)
    request = ModelRequest(settings.model, args.base, args.lora_alpha, args.prompt_format, args.rope_rounding)
    bench = Workbench(settings, {settings.model: request})
    try:
        yield bench
    finally:
        bench.close()


def progress(args: argparse.Namespace, what: str) -> Callable[[int, int], None] | None:
    """Shows (done, total) on stderr: one line that changes on a terminal, a line now and then elsewhere, nothing there with --json."""
    overwrite, started = sys.stderr.isatty(), time.monotonic()
    if args.json and not overwrite:
        return None
    shown = started

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if overwrite or done == total or now - shown >= PROGRESS_SECONDS:
            shown = now
            line = f"{what}: {done:,} of {total:,}, {now - started:.0f} s"
            print(f"\r{line}" if overwrite else line, end="" if overwrite and done < total else "\n", file=sys.stderr, flush=True)

    return show


def sweep_progress(args: argparse.Namespace) -> Callable[[SweepProgress], None] | None:
    """As `progress`, with rate and time left; a unit that fails is named at once."""
    overwrite = sys.stderr.isatty()
    if args.json and not overwrite:
        return None
    shown = float("-inf")
    named: set[int] = set()

    def show(progress: SweepProgress) -> None:
        nonlocal shown
        for number, reason in progress.failed:
            if number not in named:
                print("\n" * overwrite + f"unit {number} failed: {reason}", file=sys.stderr)
        named.update(number for number, _ in progress.failed)
        complete, now = progress.done == progress.total, time.monotonic()
        if overwrite or complete or now - shown >= PROGRESS_SECONDS:
            shown = now
            left = f", {progress.eta:,.0f} s left" if 0 < progress.eta < float("inf") else ""
            line = f"{progress.done:,} of {progress.total:,} units, {progress.rate:.2f} conditions/s{left}"
            print(f"\r{line}  " if overwrite else line, end="" if overwrite and not complete else "\n", file=sys.stderr, flush=True)

    return show


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain))


def _plain(array: Any) -> Any:
    """A numpy array or number as lists; NaN, a mean over nothing say, becomes null."""
    import numpy as np

    known: Any = np.where(np.isnan(array), None, array) if array.dtype.kind == "f" else array
    return known.tolist()


def print_table(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}")


def passed_or_failed(passed: bool) -> str:
    return "PASS" if passed else "FAIL"


def percent(share: Share) -> str:
    return f"{share.value:6.1%}  [{share.low:.1%}, {share.high:.1%}]  n {share.n:,}, effective {share.effective_n:,.0f}"
