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

from benchmarks.sections import rewrite, sections
from codi_core.device import set_threads
from codi_core.keys import from_canonical
from codi_core.services.shared.commands import sweep_command
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.confirm import confirm_request
from codi_core.services.sweeps.run import sweep
from codi_core.settings import ROOT, Settings
from codi_core.sweeps.local import SweepProgress
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import band_sweeps
from codi_core.sweeps.units import SWEEPS

MODELS = ("bundled", "bundled-steps")
GRIDS = ("post-hidden", "post-kv", "corrected-hidden", "corrected-kv")
LIMIT = 25.0
"""MB that the shipped sweeps may take together."""
DOCUMENT = ROOT / "docs" / "sweeps.md"
MADE_BEFORE = "made before"
HEADING = "## What ships"


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.grids", description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--n", type=int, default=150, help="questions of the grids of the posts (default 150)")
    parser.add_argument("--n-factorial", type=int, default=100, help="of the factorial (default 100)")
    parser.add_argument("--n-select", type=int, default=200, help="of the grid that winners are chosen from (default 200)")
    parser.add_argument("--n-confirm", type=int, default=500, help="of the test of the winners (default 500)")
    args = parser.parse_args()
    lines, kept = [], set[str]()
    for model in args.models:
        settings = replace(Settings.from_env(), model=model)
        set_threads(settings.threads)
        bench = Workbench(settings)
        try:
            for request in requests(bench, model, args):
                line, keys = shipped(bench, request)
                print(line, flush=True)
                lines.append(line)
                kept |= keys
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
    """In order: the winners of the last grid are known once it is there. Winners are ranked where they are confirmed, the factorial's cells
    on demand: their bands would take longer than all grids together.
    """
    for preset in GRIDS:
        yield SweepRequest(model, preset, "templates", args.n)
    yield SweepRequest(model, "factorial", "templates", args.n_factorial, randoms=0, shuffled=0)
    selected = SweepRequest(model, "corrected-kv", "select", args.n_select, randoms=0, shuffled=0)
    yield selected
    yield confirm_request(bench, sweep(bench, selected).key, n=args.n_confirm)[0]


def shipped(bench: Workbench, request: SweepRequest) -> tuple[str, set[str]]:
    """What it took, and the keys of the sweep and of the bands measured for it."""
    there, started = bench.store.keys(SWEEPS), time.monotonic()
    table = sweep(bench, request, show)
    took = MADE_BEFORE if table.key in there else f"{time.monotonic() - started:,.0f} s"
    spec = from_canonical(SweepSpec, bench.store.read(SWEEPS, table.key).meta.spec)
    keys = {table.key, *band_sweeps(bench.store, spec)}
    targets = {key: bench.settings.bundled_dir / SWEEPS / key for key in keys}
    for key, target in targets.items():
        if not target.is_dir():
            target.parent.mkdir(exist_ok=True)
            shutil.move(bench.store.path(SWEEPS, key), target)
    conditions, size = len(table.cells) + len(table.bands), sum(map(size_of, targets.values()))
    found = f"{table.eval_set.name}, n {table.eval_set.n:,}: {conditions:,} conditions, {size:.2f} MB, {took}"
    return f"* `{sweep_command(replace(request, only=()))}`{' of the winners' if request.only else ''}: {found}", keys


def show(progress: SweepProgress) -> None:
    if progress.done % 20 == 0 or progress.done == progress.total:
        print(f"{progress.done} of {progress.total} units, {progress.rate:.2f} conditions/s, {progress.eta:,.0f} s left", file=sys.stderr)


def size_of(folder: Path) -> float:
    """MB."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def write(lines: list[str], total: float) -> None:
    """Sweeps of models that were not asked for keep their lines, and so do those that were there already."""
    written = sections(DOCUMENT.read_text(encoding="utf-8")).get(HEADING, "")
    known = {command_in(line): line for line in written.splitlines() if line.startswith("* `")}
    known |= {command_in(line): line for line in lines if MADE_BEFORE not in line or command_in(line) not in known}
    about = f"Made by `make sweeps`, {total:.1f} MB together."
    rewrite(DOCUMENT, "\n".join([HEADING, "", about, "", *(known[name] for name in sorted(known))]))


def command_in(line: str) -> str:
    return line.split("`")[1] + (" winners" if "winners" in line else "")


if __name__ == "__main__":
    main()
