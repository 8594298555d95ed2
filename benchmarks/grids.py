"""``python -m benchmarks.grids [MODEL …] [--n N] …``: run the sweeps that ship, move them to cache/bundled, say what they took.

Those that are there already are kept; run again after a model was replaced, the old model's are removed. Interrupted, the same command goes
on. Rewrites a section of docs/sweeps.md.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from codi_core.device import set_threads
from codi_core.services.sweeps import SweepRequest, confirm_request, sweep, sweep_command
from codi_core.services.workbench import Workbench
from codi_core.settings import ROOT, Settings
from codi_core.sweeps.local import SweepProgress
from codi_core.sweeps.units import SWEEPS
from codi_core.types import SweepTable

MODELS = ("bundled", "bundled-steps")
GRIDS = ("post-hidden", "post-kv", "corrected-hidden", "corrected-kv")
LIMIT = 20.0
"""MB that the shipped sweeps may take together."""
DOCUMENT = ROOT / "docs" / "sweeps.md"
MADE_BEFORE = "made before"
HEADING, AFTER = "\n## What ships\n", "\n## Performance\n"


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.grids", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--n", type=int, default=300, help="questions of the grids of the posts (default 300)")
    parser.add_argument("--n-factorial", type=int, default=200, help="of the factorial (default 200)")
    parser.add_argument("--n-select", type=int, default=200, help="of the grid that winners are chosen from (default 200)")
    parser.add_argument("--n-confirm", type=int, default=500, help="of the test of the winners (default 500)")
    args = parser.parse_args()
    lines, kept = [], set()
    for model in args.models:
        settings = replace(Settings.from_env(), model=model)
        set_threads(settings.threads)
        bench = Workbench(settings)
        try:
            for request in requests(bench, model, args):
                line, table = shipped(bench, request)
                print(line, flush=True)
                lines.append(line)
                kept.add(table.key)
        finally:
            bench.close()
    root = settings.bundled_dir / SWEEPS
    for folder in root.iterdir():
        if folder.name not in kept and set(args.models) == set(MODELS):
            shutil.rmtree(folder)
    total = sum(size_of(folder) for folder in root.iterdir())
    write(lines, total)
    if total > LIMIT:
        sys.exit(f"The sweeps take {total:.1f} MB, more than {LIMIT:g}: run again with a smaller --n.")


def requests(bench: Workbench, model: str, args: argparse.Namespace) -> Iterator[SweepRequest]:
    """In order: the winners of the last grid are known once it is there."""
    for preset in GRIDS:
        yield SweepRequest(model, preset, "templates", args.n)
    yield SweepRequest(model, "factorial", "templates", args.n_factorial)
    selected = SweepRequest(model, "corrected-kv", "select", args.n_select)
    yield selected
    yield confirm_request(bench, sweep(bench, selected).key, n=args.n_confirm)[0]


def shipped(bench: Workbench, request: SweepRequest) -> tuple[str, SweepTable]:
    there, started = bench.store.keys(SWEEPS), time.monotonic()
    table = sweep(bench, request, show)
    took = MADE_BEFORE if table.key in there else f"{time.monotonic() - started:,.0f} s"
    made, target = bench.store.path(SWEEPS, table.key), bench.settings.bundled_dir / SWEEPS / table.key
    if made.is_dir() and not target.is_dir():
        target.parent.mkdir(exist_ok=True)
        shutil.move(made, target)
    found = f"{table.eval_set.name}, n {table.eval_set.n:,}: {len(table.cells):,} conditions, {size_of(target):.2f} MB, {took}"
    return f"* `{sweep_command(replace(request, only=()))}`{' of the winners' if request.only else ''}: {found}", table


def show(progress: SweepProgress) -> None:
    if progress.done % 20 == 0 or progress.done == progress.total:
        print(f"{progress.done} of {progress.total} units, {progress.rate:.2f} conditions/s, {progress.eta:,.0f} s left", file=sys.stderr)


def size_of(folder: Path) -> float:
    """MB."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def write(lines: list[str], total: float) -> None:
    """Sweeps of models that were not asked for keep their lines, and so do those that were there already."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(HEADING)
    if not rest:
        before, _, after = text.partition(AFTER)
    else:
        after = rest.partition(AFTER)[2]
    known = {command_in(line): line for line in rest.partition(AFTER)[0].splitlines() if line.startswith("* `")}
    known |= {command_in(line): line for line in lines if MADE_BEFORE not in line or command_in(line) not in known}
    own = "\n".join([HEADING, f"Made by `make sweeps`, {total:.1f} MB together.", "", *(known[name] for name in sorted(known))])
    DOCUMENT.write_text(before.rstrip("\n") + "\n" + own + "\n" + (AFTER + after if after else ""), encoding="utf-8")


def command_in(line: str) -> str:
    return line.split("`")[1] + (" winners" if "winners" in line else "")


if __name__ == "__main__":
    main()
