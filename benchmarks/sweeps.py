"""``python -m benchmarks.sweeps [MODEL] [--n N]``: the full post-kv preset against the naive way; rewrites a section of docs/sweeps.md.

Every run is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.__main__ import CLOCK, fixed, processor, tokens_of
from benchmarks.naive import Naive
from benchmarks.sections import rewrite
from codi_core.device import set_threads
from codi_core.engine.engine import Engine
from codi_core.services.doctor import cores
from codi_core.services.shared.directions import directions_of
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import Job, means_request, resolve
from codi_core.services.sweeps.run import sweep
from codi_core.settings import ROOT, Settings
from codi_core.steering.context import Directions
from codi_core.steering.vectors import Difference, VectorSpace
from codi_core.sweeps.local import SweepProgress, Tally, run_sweep, run_units
from codi_core.sweeps.presets import SWEEPS, Pair
from codi_core.sweeps.units import Part, Unit
from codi_core.version import code_version

DOCUMENT = ROOT / "docs" / "sweeps.md"
HEADING = "## Performance"
PRESET = SWEEPS["post-kv"]
PAIRS = PRESET.pairs(6)
FEW = len(PAIRS)
"""The grid's pairs are that many times fewer when peak memory is compared."""
PART = 5
"""The grid's pairs are that many times fewer when processes are compared."""
COMPARED: Sequence[Pair] = PAIRS[::7]
"""Pairs whose conditions, with every index and coefficient, the naive way is timed on."""
BATCH = 64


@dataclass(frozen=True)
class Site:
    """The conditions of a pair at an index, one for every coefficient."""

    index: int
    seconds: float
    """Of a condition."""
    answers: list[list[str]]
    """By coefficient, in the order of the questions."""


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.sweeps", description=__doc__)
    parser.add_argument("model", nargs="?", default=Settings.from_env().model)
    parser.add_argument("--n", type=int, default=200, help="questions (default 200)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th pair of the grid, to try it out")
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    parser.add_argument("--here", action="store_true", help="one sweep in this process, its numbers as JSON")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(run(args.model, args.n, args.every)))
        return
    few, full = (in_a_process(args.model, args.n, every) for every in (FEW, args.every))
    walls = {workers: walled(args.model, args.n, workers) for workers in (1, cores())}
    ours = {tuple(pair): [Site(*site) for site in sites] for pair, sites in full["sites"] if sites}
    text = section(args.model, args.n, few, full, walls, by_index(args.model, args.n, ours))
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)


def in_a_process(model: str, n: int, every: int) -> dict[str, Any]:
    words = [sys.executable, "-m", "benchmarks.sweeps", model, "--n", str(n), "--every", str(every), "--here"]
    out = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    return found


def run(model: str, n: int, every: int) -> dict[str, Any]:
    """A sweep of every K-th pair of the preset, with all that belongs to it: means, preparation, storage, statistics."""
    with tempfile.TemporaryDirectory() as folder:
        bench = opened(model, folder)
        job = resolve(bench, request(model, n, PAIRS[::every]))
        cells, spent, answers = job.spec.cells(), defaultdict(float), {}
        marks: list[float] = []

        def compute(unit: Unit) -> Part:
            began = CLOCK()
            part = job.compute(unit)
            spent[unit] = CLOCK() - began
            answers[unit] = [list(own.answer) for _, own in part.rows.groupby("place")]
            return part

        def work(tally: Tally) -> None:
            marks.append(CLOCK())
            run_units(bench.store, job.spec, compute, tally)
            marks.append(CLOCK())

        started, wall = CLOCK(), time.perf_counter()
        run_sweep(bench.store, job.spec, job.questions, work, show)
        found = {
            "conditions": len(cells),
            "seconds": CLOCK() - started,
            "units": marks[1] - marks[0],
            "wall": time.perf_counter() - wall,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        bench.close()
    sites: dict[Pair, list[tuple[int, float, list[list[str]]]]] = {pair: [] for pair in COMPARED}
    for unit, seconds in spent.items():
        first = cells[unit.first]
        if (first.a, first.b) in sites:
            assert unit.stop - unit.first == len(PRESET.coefficients)  # a unit holds one pair's coefficients
            sites[first.a, first.b].append((first.index, seconds / len(PRESET.coefficients), answers[unit]))
    return {**found, "sites": list(sites.items())}


def walled(model: str, n: int, workers: int) -> float:
    """Seconds in all, start of the processes included."""
    with tempfile.TemporaryDirectory() as folder:
        bench, started = opened(model, folder, workers), time.perf_counter()
        sweep(bench, request(model, n, PAIRS[::PART]))
        bench.close()
        return time.perf_counter() - started


def request(model: str, n: int, pairs: Sequence[Pair]) -> SweepRequest:
    """Other questions than those of the sweep that ships, which would be found."""
    cells = [("kv-as-in-the-post", a, b, index, c) for index in PRESET.indices(6) for a, b in pairs for c in PRESET.coefficients]
    return SweepRequest(model, "post-kv", n=n, seed=1, randoms=0, shuffled=0, only=tuple(cells))


def opened(model: str, folder: str, workers: int = 1) -> Workbench:
    settings = replace(Settings.from_env(), model=model, cache_dir=Path(folder), dtype="float32", workers=workers)
    set_threads(settings.threads)
    return Workbench(settings)


def show(progress: SweepProgress) -> None:
    if progress.done % 10 == 0:
        print(f"{progress.done} of {progress.total} units, {progress.rate:.2f} conditions/s, {progress.eta:.0f} s left", file=sys.stderr)


@dataclass(frozen=True)
class Compared:
    """Conditions of COMPARED at one index."""

    naive: float
    """Seconds of a condition."""
    ours: float
    tokens: tuple[float, float]
    """Fed for an answer: naive, ours."""
    same: int
    """Answers equal."""
    answers: int


def by_index(model: str, n: int, ours: dict[Pair, list[Site]]) -> dict[int, Compared]:
    """The naive way on the very conditions of COMPARED, as far as they were swept."""
    with tempfile.TemporaryDirectory() as folder:
        bench = opened(model, folder)
        job = resolve(bench, request(model, n, list(ours)))
        means = job.spec.means
        engine, directions = bench.run(
            model, lambda engine, check: (engine, directions_of(bench, engine, means_request(means), means.passes, check)), "naive"
        )
        naive = Naive.of(engine.model)
        found = {index: compared(engine, naive, directions, job, index, ours) for index in PRESET.indices(6)}
        bench.close()
        return found


def compared(engine: Engine, naive: Naive, directions: Directions, job: Job, index: int, ours: dict[Pair, list[Site]]) -> Compared:
    prompts = [engine.model.build_prompt(question.question) for question in job.questions]
    seconds, sites, answers = [], [], []
    for a, b in ours:
        vector = directions.vector(Difference(a, b), VectorSpace("kv", raw=True))
        sites += [site for site in ours[a, b] if site.index == index]
        for coefficient in PRESET.coefficients:
            began = CLOCK()
            answers.append(naive.answers(prompts, index, vector, coefficient, job.spec.rollout.max_new_tokens, BATCH))
            seconds.append(CLOCK() - began)
    expected = [own for site in sites for own in site.answers]
    same = sum(x == y for run, other in zip(expected, answers, strict=True) for x, y in zip(run, other, strict=True))
    length = float(np.mean([tokens_of(engine, answer) + len(engine.model.after_latents) for run in expected for answer in run]))
    return Compared(
        float(np.mean(seconds)),
        float(np.mean([site.seconds for site in sites])),
        (fixed(prompts, index) + length, length),
        same,
        sum(map(len, answers)),
    )


def section(model: str, n: int, few: dict[str, Any], full: dict[str, Any], walls: dict[int, float], sites: dict[int, Compared]) -> str:
    ours = full["seconds"] / full["conditions"]
    clock = "processor time" if CLOCK is time.process_time else "wall time"
    pairs = ", ".join(f"({a}, {b})" for (a, b), own in full["sites"] if own)
    rows = [
        ("conditions", f"{full['conditions']:,.0f} × {n:,} questions", ""),
        ("the whole sweep, statistics and storage included", f"{full['seconds']:,.0f} s of {clock}, {full['wall']:,.0f} s in all", ""),
        ("conditions a second of " + clock, f"{1 / ours:,.2f} ({full['conditions'] / full['units']:,.2f} without statistics)", ""),
        *(
            (f"one pair in {PART}, `--workers {workers}`", f"{seconds:,.0f} s in all ({walls[1] / seconds:.2f} ×)", "")
            for workers, seconds in walls.items()
        ),
        (f"peak memory, {few['conditions']:,.0f} conditions", f"{few['peak']:,.0f} MB", "≤ 600 MB"),
        (f"peak memory, {full['conditions']:,.0f} conditions", f"{full['peak']:,.0f} MB", "the same"),
    ]
    about = (
        f"Written by `python -m benchmarks.sweeps {model} --n {n}`: preset `post-kv` on `{model}`, `templates`, float32,\n"
        f"code `{code_version()}`, {processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s)."
    )
    naive = (
        f"Naive: transformers' own model and cache, batches of {BATCH} sorted by length; prompt and latents run again for every\n"
        f"condition, as the public scripts do. Timed on all {n:,} questions under every coefficient of the pairs\n"
        f"{pairs}, and compared with the time of the very same conditions in the sweep ({clock} of a condition).\n"
        "After few passes answers are long, and an answer's tokens cost both ways the same: fewer tokens alone give what is in brackets."
    )
    table = "".join(f"| {what} | {measured} | {target} |\n" for what, measured, target in rows)
    heads = "| stop after pass | naive | ours | × | target | tokens fed for an answer: naive, ours | answers equal |"
    return (
        f"{HEADING}\n\n{about}\n\n| | measured | target |\n|---|---|---|\n{table}\n{naive}\n\n"
        f"{heads}\n|---|---|---|---|---|---|---|\n{''.join(lines(sites))}"
    )


def lines(sites: dict[int, Compared]) -> Iterator[str]:
    for index, one in sites.items():
        a, b = one.tokens
        yield (
            f"| {index} | {one.naive:,.2f} s | {one.ours:,.3f} s | {one.naive / one.ours:,.1f} × | ≥ 20 × "
            f"| {a:,.1f}, {b:,.1f} ({a / b:,.1f} ×) | {one.same:,} of {one.answers:,} |\n"
        )
    total = [float(np.mean([getattr(one, name) for one in sites.values()])) for name in ("naive", "ours")]
    yield f"| all | {total[0]:,.2f} s | {total[1]:,.3f} s | {total[0] / total[1]:,.1f} × | ≥ 20 × | | |\n"


if __name__ == "__main__":
    main()
