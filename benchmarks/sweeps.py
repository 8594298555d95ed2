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
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean

import torch

from benchmarks.__main__ import CLOCK, processor, timed
from benchmarks.naive import Naive
from benchmarks.sections import rewrite
from codi_core.device import set_threads
from codi_core.services.shared.directions import directions_of
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import means_request, resolve
from codi_core.settings import ROOT, Settings
from codi_core.steering.vectors import Difference, VectorSpace
from codi_core.sweeps.local import SweepProgress, Tally, run_sweep, run_units
from codi_core.sweeps.presets import SWEEPS
from codi_core.version import code_version

DOCUMENT = ROOT / "docs" / "sweeps.md"
HEADING = "## Performance"
FEW = 8
"""The grid's conditions are that many times fewer when peak memory is compared."""
SAMPLE = {1: 24, 64: 256}
"""Questions the naive way is timed on, by batch size."""


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.sweeps", description=__doc__)
    parser.add_argument("model", nargs="?", default=Settings.from_env().model)
    parser.add_argument("--n", type=int, default=1_000, help="questions (default 1000)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="only every K-th cell of the grid, to try it out")
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    parser.add_argument("--here", action="store_true", help="one sweep in this process, its numbers as JSON")
    args = parser.parse_args()
    if args.here:
        print(json.dumps(run(args.model, args.n, args.every)))
        return
    small, full = (in_a_process(args.model, args.n, every) for every in (args.every * FEW, args.every))
    naive = {batch: naively(args.model, args.n, batch) for batch in SAMPLE}
    text = section(args.model, args.n, small, full, naive)
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)


def in_a_process(model: str, n: int, every: int) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.sweeps", model, "--n", str(n), "--every", str(every), "--here"]
    out = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(out.splitlines()[-1])
    return found


def run(model: str, n: int, every: int) -> dict[str, float]:
    """A sweep of every K-th cell of the preset, with all that belongs to it: means, preparation, storage, statistics."""
    with tempfile.TemporaryDirectory() as folder:
        bench = opened(model, folder)
        preset = SWEEPS["post-kv"]
        cells = [
            ("kv-as-in-the-post", a, b, index, coefficient)
            for index in preset.indices(6)
            for a, b in preset.pairs(6)
            for coefficient in preset.coefficients
        ]
        request = SweepRequest(model, "post-kv", n=n, seed=1)  # other questions than those of the sweep that ships, which would be found
        if every > 1:
            request = replace(request, only=tuple(cells[::every]), randoms=max(1, request.randoms // every), shuffled=0)
        job = resolve(bench, request)
        marks: list[float] = []

        def compute(tally: Tally) -> None:
            marks.append(CLOCK())
            run_units(bench.store, job.spec, job.compute, tally)
            marks.append(CLOCK())

        started, wall = CLOCK(), time.perf_counter()
        run_sweep(bench.store, job.spec, job.questions, compute, show)
        found = {
            "conditions": len(job.spec.cells()),
            "seconds": CLOCK() - started,
            "units": marks[1] - marks[0],
            "wall": time.perf_counter() - wall,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        bench.close()
        return found


def opened(model: str, folder: str) -> Workbench:
    settings = replace(Settings.from_env(), model=model, cache_dir=Path(folder), dtype="float32")
    set_threads(settings.threads)
    return Workbench(settings)


def show(progress: SweepProgress) -> None:
    if progress.done % 10 == 0:
        print(f"{progress.done} of {progress.total} units, {progress.rate:.2f} conditions/s, {progress.eta:.0f} s left", file=sys.stderr)


def naively(model: str, n: int, batch: int) -> float:
    """Seconds a condition: some questions under one condition of every index, extrapolated to ``n``."""
    with tempfile.TemporaryDirectory() as folder:
        bench = opened(model, folder)
        job = resolve(bench, SweepRequest(model, "post-kv", n=n, means_n=min(n, 200)))
        engine = bench.run(model, lambda engine, _: engine, "naive")
        chosen = job.questions[:: max(1, len(job.questions) // SAMPLE[batch])]
        prompts = [engine.model.build_prompt(question.question) for question in chosen]
        means = job.spec.means
        directions = bench.run(
            model, lambda engine, check: directions_of(bench, engine, means_request(means), means.passes, check), "naive"
        )
        vector, naive = directions.vector(Difference(2, 4), VectorSpace("kv", raw=True)), Naive.of(engine.model)
        tokens = job.spec.rollout.max_new_tokens
        seconds = [
            timed(lambda index=index: naive.answers(prompts, index, vector, 0.5, tokens, batch), CLOCK)  # type: ignore[misc]
            for index in SWEEPS["post-kv"].indices(6)
        ]
        bench.close()
        return mean(seconds) * len(job.questions) / len(chosen)


def section(model: str, n: int, small: dict[str, float], full: dict[str, float], naive: dict[int, float]) -> str:
    ours = full["seconds"] / full["conditions"]
    load = os.getloadavg()[0]
    noise = f"; load average {load:.1f}: other work shares the cores, ratios of processor time say more than rates" if load > 1.5 else ""
    clock = "processor time" if CLOCK is time.process_time else "wall time"
    rows: Sequence[tuple[str, str, str]] = [
        ("conditions", f"{full['conditions']:,.0f} × {n:,} questions", ""),
        ("the whole sweep, statistics and storage included", f"{full['seconds']:,.0f} s of {clock}, {full['wall']:,.0f} s in all", ""),
        ("conditions a second", f"{1 / ours:,.2f} ({full['conditions'] / full['units']:,.2f} without statistics)", ""),
        *(
            (f"× naive, batch {batch}, extrapolated from {SAMPLE[batch]} questions", f"{naive[batch] / ours:,.0f} ×", f"≥ {target} ×")
            for batch, target in ((1, 100), (64, 30))
        ),
        (f"peak memory, {small['conditions']:,.0f} conditions", f"{small['peak']:,.0f} MB", ""),
        (f"peak memory, {full['conditions']:,.0f} conditions", f"{full['peak']:,.0f} MB", "the same"),
    ]
    table = "".join(f"| {what} | {measured} | {target} |\n" for what, measured, target in rows)
    return (
        f"{HEADING}\n\nWritten by `python -m benchmarks.sweeps {model}`: preset `post-kv` on `{model}`, `templates`, float32, code "
        f"`{code_version()}`, {processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s){noise}.\nNaive: transformers' own "
        "model and cache, prompt and latents run again for every condition, as the public scripts do; timed on a sample of the questions\n"
        f"at every index and extrapolated.\n\n| | measured | target |\n|---|---|---|\n{table}"
    )


if __name__ == "__main__":
    main()
