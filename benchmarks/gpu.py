"""``python -m benchmarks.gpu``: acceptance on a GPU, with whatever weights are at hand; prints tables, ``--out FILE`` writes them.

The public code's checkpoints answer token for token in float32; then random weights of a base's shape (``--shape``), written by this
command in the public format, are loaded, pushed by a slider move over 1,319 questions of GSM8K's lengths, and swept. On a CPU
``--shape tiny`` shows that the command works.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.__main__ import COEFFICIENTS, Row, table
from benchmarks.shapes import ALPHA, write
from codi_core.device import choose_device, machine_name
from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import generate
from codi_core.services.effects import evaluate_condition
from codi_core.services.shared.directions import directions_of
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.kv import KV
from codi_core.steering.vectors import Difference
from codi_core.store import code_version
from codi_core.values.model import RolloutConfig
from codi_core.values.vectors import MeansSpec
from tests.references import NAMES, answer_ids, config, engine_on, results

PASSES, ANSWER = 6, 5
"""Answers of answer-only models have one to four tokens, eos included; random weights would never stop."""
MEANS = MeansRequest(n=200)
SITES = range(1, PASSES + 1)
CONDITIONS_A_SITE = 300
"""Of the sweep of the posts: 30 ordered pairs, 10 coefficients, 6 sites, 1,800 conditions."""
MEAN_LENGTH, SPREAD, LONGEST = 60, 0.35, 185
"""Tokens of a GSM8K prompt in Llama's tokenizer."""
MODEL, TRAINED = "weights", "bundled-steps"
LOADED = """
import resource, sys, time
from codi_core.models.load import ModelRequest, load_model
from codi_core.settings import Settings
start = time.process_time()
load_model(ModelRequest(sys.argv[1], lora_alpha=float(sys.argv[2])), Settings(device=sys.argv[3]))
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="Llama-3.2-1B-Instruct", help="a known base's name, or tiny (default Llama-3.2-1B-Instruct)")
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="keep the random weights here, and take them from here when they are there"
    )
    parser.add_argument("--questions", type=int, default=1_319, help="of the slider and the sweep (default 1,319, as GSM8K's test set)")
    parser.add_argument("--fixtures", nargs="*", default=NAMES, metavar="NAME", help="of tests/parity/fixtures (default all)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the tables here")
    args = parser.parse_args(argv)
    device = choose_device(args.device).device
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.weights or Path(scratch) / MODEL
        if not (folder / "pytorch_model.bin").is_file():
            write(folder, args.shape)
        settings = Settings(cache_dir=Path(scratch) / "cache", model=str(folder), device=args.device)
        asked = _questions(Path(scratch) / "lengths.jsonl", args.questions)
        bench = Workbench(settings, {settings.model: ModelRequest(settings.model, lora_alpha=ALPHA)})
        try:
            sections = [
                ("Answers", [*exact(args.fixtures, args.device), agreement(settings, min(args.questions, 200))]),
                (f"Loading {args.shape}, random weights", loading(folder, args.device, device)),
                *bench.worker.submit(lambda _: speed(bench, asked, device), "gpu").result(),
                ("A move of the slider, statistics and storage included", slider(bench, asked, args.questions)),
                ("Memory", memory(device)),
            ]
        finally:
            bench.close()
    text = document(sections, device, args)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


def exact(names: Sequence[str], device: str) -> list[Row]:
    """Answers of every fixture in float32 and in bfloat16, against what the families' own code wrote in float32."""
    rows = []
    for dtype in ("float32", "bfloat16"):
        same = total = 0
        for name in names:
            engine, expected = engine_on(name, device=device, dtype=dtype), results(name)
            found = engine.rollout([row["prompt"] for row in expected], config(name), batch_size=4, record=False)
            eos = engine.model.ids.eos
            same += sum(list(ours.answer_ids) == answer_ids(row, eos) for ours, row in zip(found, expected, strict=True))
            total += len(expected)
        exactly = dtype == "float32"
        rows.append(
            Row(
                f"{dtype}: answers equal, token for token, on {len(names)} checkpoints",
                f"{same} of {total}",
                *(("all", same == total) if exactly else ()),
            )
        )
    return rows


def agreement(settings: Settings, n: int) -> Row:
    """Of a trained model with itself in the two precisions."""
    questions = [problem.question for problem in generate("test", n)]
    answers = []
    for dtype in ("float32", "bfloat16"):
        engine = Engine(load_model(ModelRequest(TRAINED, dtype=dtype), settings))
        answers.append([rollout.answer for rollout in engine.rollout(questions, RolloutConfig(PASSES), record=False)])
    same = sum(one == other for one, other in zip(*answers, strict=True))
    return Row(f"{TRAINED}, bfloat16: answers as in float32", f"{same:,} of {n:,}")


def loading(folder: Path, wanted: str, device: torch.device) -> list[Row]:
    """In a process of its own, whose peak is of nothing else."""
    out = subprocess.run(
        [sys.executable, "-c", LOADED, str(folder), str(ALPHA), wanted], capture_output=True, text=True, check=True, timeout=600
    )
    seconds, peak = map(float, out.stdout.split())
    size = sum(path.stat().st_size for path in folder.glob("*.bin"))
    return [
        Row("file of weights", f"{size / 1e9:.2f} GB"),
        Row("processor time", f"{seconds:.1f} s"),
        Row("peak memory of the process, its libraries included", f"{peak / 1e9:.2f} GB", "≤ 4 GB", peak <= 4e9),
    ]


def speed(bench: Workbench, asked: str, device: torch.device) -> list[tuple[str, list[Row]]]:
    """The sweep of the posts, by a group of conditions at every site; and how near that comes to what the device can do."""
    engine = bench.engine()
    eval_set, questions = load_eval_set(asked)
    directions = directions_of(bench, engine, MEANS, PASSES, lambda: None)
    prepared = PreparedSet(engine, questions, RolloutConfig(PASSES, ANSWER))
    preparing = _timed(prepared.prepare)
    means = MeansSpec(engine.model.spec.key, load_eval_set(MEANS.eval_set, MEANS.n)[0])
    seconds, flops, counted = 0.0, 0.0, 0.0
    for site in SITES:
        conditions = [
            Condition(engine.model.spec, eval_set, prepared.config, (KV(Difference(2, 4), c, (site,), then="stop", raw=True),), means)
            for c in COEFFICIENTS
        ]
        _run(prepared, conditions, directions)  # unsteered answers are decoded once, and kernels chosen
        took = _timed(lambda c=conditions: _run(prepared, c, directions))  # type: ignore[misc]
        with FlopCounterMode(display=False) as counter:
            _run(prepared, conditions, directions)
        seconds += took / len(conditions) * CONDITIONS_A_SITE
        flops, counted = flops + counter.get_total_flops(), counted + took
    peak, rate = matrix_peak(engine), flops / counted
    of_all = seconds / (CONDITIONS_A_SITE * len(SITES))
    return [
        (
            f"The sweep of the posts, {len(questions):,} questions",
            [
                Row("preparation: prompts and latents", f"{preparing:,.2f} s"),
                Row("a condition, 8 side by side, mean over the sites", f"{of_all * 1000:,.1f} ms"),
                Row("1,800 conditions, extrapolated", f"{seconds:,.0f} s", "≤ 240 s", seconds <= 240),
                Row("matrix products, measured alone", f"{peak / 1e12:,.2f} TFLOP/s"),
                Row("matrix products of the sweep", f"{rate / 1e12:,.2f} TFLOP/s, {rate / peak:.0%} of that"),
            ],
        )
    ]


def slider(bench: Workbench, asked: str, n: int) -> list[Row]:
    """As the Steer page does it."""
    times = []
    for coefficient in (0.3, 0.7, 1.1, 1.3, 1.7):
        method = KV(Difference(2, 4), coefficient, (5,), then="stop")
        request = ConditionRequest(bench.settings.model, (method,), asked, 0, means=MEANS, max_new_tokens=ANSWER)
        times.append(_timed(lambda r=request: list(evaluate_condition(bench, r, "gpu"))))  # type: ignore[misc]
    took = median(times[1:])
    return [
        Row("the very first move (preparation)", f"{times[0] * 1000:,.0f} ms"),
        Row(f"KV, stop after 5 passes: all {n:,} questions", f"{took * 1000:,.0f} ms", "≤ 150 ms", took <= 0.15),
    ]


def memory(device: torch.device) -> list[Row]:
    rows = [Row("peak memory of this process", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9:.2f} GB")]
    if device.type == "cuda":
        rows.append(Row("peak memory of the GPU", f"{torch.cuda.max_memory_allocated(device) / 1e9:.2f} GB"))
    return rows


def matrix_peak(engine: Engine) -> float:
    """FLOP/s of a large matrix product in the model's precision."""
    device, dtype = engine.model.device, engine.model.dtype
    size = 8_192 if device.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return 2 * size**3 / median(_timed(lambda: left @ right) for _ in range(10))


def _run(prepared: PreparedSet, conditions: Sequence[Condition], directions: Directions) -> None:
    for group in prepared.groups(conditions):
        chosen = [conditions[place] for place in group]
        for number in range(len(prepared.batches)):
            prepared.answers_of(number, chosen, directions)


def _questions(path: Path, n: int) -> str:
    """As long as GSM8K's, of one word, each with another number; gold answers of one token."""
    rng, drawn = random.Random(0), []
    lengths = np.random.default_rng(0).lognormal(np.log(MEAN_LENGTH) - SPREAD**2 / 2, SPREAD, n).clip(20, LONGEST)
    for number, length in enumerate(lengths):
        drawn.append({"question": f"{number}" + " the" * (int(length) - 6), "answer": str(rng.randrange(1, 999))})
    path.write_text("\n".join(map(json.dumps, drawn)), encoding="utf-8")
    return str(path)


def _timed(work: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def document(sections: Sequence[tuple[str, Sequence[Row]]], device: torch.device, args: argparse.Namespace) -> str:
    head = (
        f"# On a GPU\n\nWritten by `python -m benchmarks.gpu --shape {args.shape} --questions {args.questions}`, code {code_version()}.\n"
    )
    machine = f"{device}: {machine_name(device)}, torch {torch.__version__}.\n"
    return head + machine + "".join(f"\n## {title}\n\n{table(rows)}" for title, rows in sections)


if __name__ == "__main__":
    main()
