"""What every command needs: settings, the workbench, progress on stderr, output."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from codi_core.errors import InputError
from codi_core.settings import Settings
from codi_core.values.callbacks import OnProgress
from codi_core.values.stats import Share
from codi_core.values.verdict import points

if TYPE_CHECKING:
    from tqdm import tqdm

    from codi_core.services.shared.workbench import Workbench
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
    from codi_core.services.shared.workbench import Workbench

    settings = settings_of(args)
    asked = ("base", "lora_alpha", "prompt_format", "rope_rounding", "family", "suffix", "lead")
    request = ModelRequest(settings.model, **{name: getattr(args, name) for name in asked})
    bench = Workbench(settings, {settings.model: request})
    try:
        if "passes" in args and args.passes is None:
            args.passes = _usual_passes(bench)
        yield bench
    finally:
        bench.close()


def _usual_passes(bench: Workbench) -> int:
    """As many as the model was trained with. Raises InputError when no file says and its family's checkpoints differ."""
    from codi_core.models.presets import known
    from codi_core.services.cards import model_card

    if (stated := known(bench.settings.model).passes) is not None:
        return stated
    card = model_card(bench, bench.settings.model, "passes")
    if card.passes is None:
        raise InputError(f"No file says how many latents {card.spec.name} was trained with ({card.passes_hint}): give --passes.")
    return card.passes


def progress(args: argparse.Namespace, what: str) -> OnProgress | None:
    """Shows (done, total) on stderr: a bar that changes on a terminal, a line now and then elsewhere, nothing there with --json."""
    if args.json and not sys.stderr.isatty():
        return None
    bar: tqdm[Any] | None = None

    def show(done: int, total: int) -> None:
        nonlocal bar
        bar = bar or _bar(what, total)
        bar.update(done - bar.n)
        if done >= total:
            bar.close()

    return show


def sweep_progress(args: argparse.Namespace) -> Callable[[SweepProgress], None] | None:
    """As `progress`, in units, with conditions a second and the time left; a unit that fails is named at once."""
    if args.json and not sys.stderr.isatty():
        return None
    bar: tqdm[Any] | None = None
    named: set[int] = set()

    def show(progress: SweepProgress) -> None:
        nonlocal bar
        bar = bar or _bar("units", progress.total)
        for number, reason in progress.failed:
            if number not in named:
                bar.write(f"unit {number} failed: {reason}", file=sys.stderr)
        named.update(number for number, _ in progress.failed)
        left = f", {progress.eta:,.0f} s left" if 0 < progress.eta < float("inf") else ""
        bar.set_postfix_str(f"{progress.rate:.2f} conditions/s{left}", refresh=False)
        bar.update(progress.done - bar.n)
        if progress.done == progress.total:
            bar.close()

    return show


def _bar(what: str, total: int) -> tqdm[Any]:
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    shape = None if terminal else "{desc}: {n:,} of {total:,}, {elapsed}{postfix}\n"
    return tqdm(total=total, desc=what, file=sys.stderr, mininterval=0.1 if terminal else PROGRESS_SECONDS, bar_format=shape)


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


def padded(text: str, width: int) -> str:
    """To ``width`` columns of a terminal at least, of which some scripts take two a character; what cannot be seen is escaped."""
    import wcwidth

    seen = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return wcwidth.ljust(seen, width)


def fitted(text: str, width: int) -> str:
    """As `padded`, and cut."""
    import wcwidth

    return wcwidth.clip(padded(text, width), 0, width)


def passed_or_failed(passed: bool) -> str:
    return "PASS" if passed else "FAIL"


def changed(delta: float, low: float, high: float) -> str:
    """A difference of shares with its interval, as everywhere in points."""
    return f"{points(delta)} points [{points(low)}, {points(high)}]"


def percent(share: Share) -> str:
    return f"{share.value:6.1%}  [{share.low:.1%}, {share.high:.1%}]  n {share.n:,}, effective {share.effective_n:,.0f}"
