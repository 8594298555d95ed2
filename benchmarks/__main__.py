"""``python -m benchmarks [--model NAME] [--questions N]``: measure and write docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from benchmarks.naive import Naive
from codi_core.engine.engine import Engine
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import generate
from codi_core.services.effects import ConditionRequest, evaluate_condition
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.steer import MeansRequest, SteerRequest, steer
from codi_core.services.workbench import Workbench
from codi_core.settings import ROOT, Settings
from codi_core.steering.conditions import Condition
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.means import collect_samples
from codi_core.steering.methods import Method
from codi_core.steering.rows import Directions
from codi_core.steering.vectors import Difference
from codi_core.store import code_version
from codi_core.types import MeansSpec, RolloutConfig

DOCUMENT = ROOT / "docs" / "performance.md"
COEFFICIENTS = (-5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0)
"""Those of the posts."""
AB = Difference(2, 4)
STOP = KV(AB, 1.0, (5,), then="stop", raw=True)
"""KV steering as in the posts: the one of our methods that the naive script does."""
CONFIG = RolloutConfig(6, 16)
REPEATS = 5


@dataclass(frozen=True)
class Row:
    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("--model", default=Settings.from_env().model)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_env(), model=args.model, cache_dir=Path(folder), dtype="float32")
        engine = Engine(load_model(ModelRequest(args.model), settings))
        sections = [
            ("Eight conditions over an eval set", sweep(engine, args.questions)),
            ("A move of the slider", slider(settings, args.questions)),
            ("One prompt", prompt(settings)),
        ]
    text = document(engine, sections)
    print(text)
    if not args.dry:
        DOCUMENT.write_text(text, encoding="utf-8")


def sweep(engine: Engine, n: int) -> list[Row]:
    """The same eight conditions three ways, answers compared row by row."""
    eval_set, questions = load_eval_set("bundled", n, 0)
    means, means_questions = load_eval_set("means", 200, 0)
    spec = MeansSpec(engine.model.spec.key, means)
    directions = Directions(collect_samples(engine, spec, means_questions))
    started = time.perf_counter()
    prepared = PreparedSet(engine, questions, CONFIG)
    prepared.prepare()
    preparing = time.perf_counter() - started

    def conditions(method: Method) -> list[Condition]:
        return [Condition(spec.model, eval_set, CONFIG, (method.with_coefficient(c),), spec) for c in COEFFICIENTS]

    def ours(method: Method = STOP) -> list[list[str]]:
        return answers_of(prepared, conditions(method), directions)

    naive = Naive.of(engine.model)
    prompts = [engine.model.build_prompt(question.question) for question in questions]
    vector = directions.vector(AB, STOP.place)

    def theirs(batch: int, part: Sequence[list[int]], coefficients: Iterable[float]) -> list[list[str]]:
        return [naive.answers(part, 5, vector, coefficient, CONFIG.max_new_tokens, batch) for coefficient in coefficients]

    few = prompts[:: max(1, n // 40)]
    ours()  # the baseline is decoded once
    fast, slow, one = [], [], []
    for _ in range(REPEATS):  # side by side: whatever else runs on the machine disturbs all alike
        fast.append(timed(ours))
        slow.append(timed(lambda: theirs(64, prompts, COEFFICIENTS[::4])) * 4)
        one.append(timed(lambda: theirs(1, few, COEFFICIENTS[:1])) * len(COEFFICIENTS) * len(prompts) / len(few))
    expected = theirs(64, prompts, COEFFICIENTS)
    found = ours()
    same = sum(a == b for mine, other in zip(found, expected, strict=True) for a, b in zip(mine, other, strict=True))
    alone = theirs(1, few, COEFFICIENTS[:1])[0]
    same_alone = sum(a == b for a, b in zip(alone, found[0][:: max(1, n // 40)], strict=True))
    changed = np.mean([a != b for run in found for a, b in zip(run, baseline_answers(prepared, conditions(STOP)), strict=True)])
    per = 1000 / len(COEFFICIENTS)
    ratio64, ratio1 = (median(a / b for a, b in zip(other, fast, strict=True)) for other in (slow, one))
    with_preparing = median(a / (b + preparing) for a, b in zip(slow, fast, strict=True))
    rows = [
        Row("naive, batch 1 (the public scripts' way)", f"{median(one) * per:,.0f} ms a condition"),
        Row("naive, batch 64 sorted by length", f"{median(slow) * per:,.0f} ms a condition"),
        Row("ours, eight conditions side by side", f"{median(fast) * per:,.1f} ms a condition"),
        Row("× naive, batch 1", f"{ratio1:,.0f} ×", "≥ 100 ×", ratio1 >= 100),
        Row("× naive, batch 64", f"{ratio64:,.0f} ×", "≥ 30 ×", ratio64 >= 30),
        Row("× naive, batch 64, preparation and all", f"{with_preparing:,.1f} ×"),
        Row("preparation, once a model and eval set", f"{preparing * 1000:,.0f} ms"),
        Row(
            "answers equal to naive batch 64, row by row",
            f"{same:,} of {len(prompts) * len(COEFFICIENTS):,}",
            "all",
            same == len(prompts) * 8,
        ),
        Row("answers equal to naive batch 1, row by row", f"{same_alone:,} of {len(few):,}", "all", same_alone == len(few)),
        Row("answers the conditions change", f"{changed:.0%}"),
    ]
    for name, method in (("KV, slot 2, all passes", KV(AB, 1.0, (2,))), ("z at index 2, all passes", Hidden(AB, 1.0, (2,)))):
        ours(method)
        rows.append(Row(f"ours, {name}", f"{median(timed(lambda m=method: ours(m)) for _ in range(3)) * per:,.1f} ms a condition"))  # type: ignore[misc]
    return rows


def answers_of(prepared: PreparedSet, conditions: list[Condition], directions: Directions) -> list[list[str]]:
    """Answers of every condition in the order of the eval set."""
    done: list[dict[int, str]] = [{} for _ in conditions]
    for group in prepared.groups(conditions):
        for number in range(len(prepared.batches)):
            runs = prepared.answers_of(number, [conditions[place] for place in group], directions)
            for place, run in zip(group, runs, strict=True):
                done[place].update(zip(run.numbers.tolist(), run.answers, strict=True))
    return [[answers[number] for number in range(len(prepared))] for answers in done]


def baseline_answers(prepared: PreparedSet, conditions: list[Condition]) -> list[str]:
    runs = [prepared.baseline_of(number, conditions[:1])[0] for number in range(len(prepared.batches))]
    answers = {number: answer for run in runs for number, answer in zip(run.numbers.tolist(), run.answers, strict=True)}
    return [answers[number] for number in range(len(prepared))]


def slider(settings: Settings, n: int) -> list[Row]:
    """As the page does it: through the service, statistics and storage included."""
    bench = Workbench(settings)
    rows = []
    for name, method in (("KV, stop after 5 passes", KV(AB, 1.0, (5,), then="stop")), ("z at index 2, all passes", Hidden(AB, 1.0, (2,)))):
        first, complete, again = [], [], []
        for number, coefficient in enumerate((0.3, 0.7, 1.1, 1.3, 1.7, 1.9, 2.3)):
            request = ConditionRequest(settings.model, (method.with_coefficient(coefficient),), n=n, means=MeansRequest(n=200))
            started = time.perf_counter()
            times = [time.perf_counter() - started for _ in evaluate_condition(bench, request, "bench")]
            if number == 0:  # collects the means and prepares the eval set
                rows.append(Row(f"{name}: the very first move (means, preparation)", f"{times[-1] * 1000:,.0f} ms"))
                continue
            first.append(times[0])
            complete.append(times[-1])
            again.append(timed(lambda r=request: list(evaluate_condition(bench, r, "bench"))))  # type: ignore[misc]
        rows += [
            Row(f"{name}: first estimate", f"{median(first) * 1000:,.0f} ms", "≤ 300 ms", median(first) <= 0.3),
            Row(f"{name}: all {n} questions", f"{median(complete) * 1000:,.0f} ms", "≤ 1,000 ms", median(complete) <= 1),
            Row(f"{name}: a visited coefficient", f"{median(again) * 1000:,.0f} ms", "≤ 50 ms", median(again) <= 0.05),
        ]
    bench.close()
    return rows


def prompt(settings: Settings) -> list[Row]:
    bench = Workbench(settings)
    texts = [problem.question for problem in generate("test", 12, 7)]
    grid = [inspect(bench, InspectRequest(settings.model, text), "bench").milliseconds for text in texts][2:]
    means, pushed = MeansRequest(n=200), Hidden(AB, 1.0, (2,))
    steered = []
    for text in texts[:4]:
        for coefficient in (0.0, 0.5, 1.0, 1.5):
            steered.append(
                steer(bench, SteerRequest(settings.model, text, (pushed.with_coefficient(coefficient),), means), "bench").milliseconds
            )
    bench.close()
    return [
        Row("prompt → logit-lens grid, top 10 in every cell", f"{median(grid):,.0f} ms", "≤ 60 ms", median(grid) <= 60),
        Row("coefficient → baseline, steered and control answers with their grids", f"{median(steered):,.0f} ms"),
    ]


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def document(engine: Engine, sections: Sequence[tuple[str, list[Row]]]) -> str:
    model = engine.model
    load = os.getloadavg()[0]
    lines = [
        "# Performance",
        "",
        "Written by `python -m benchmarks`; float32, medians, everything of a table measured side by side in one run.",
        "",
        f"* model `{model.spec.name}` ({model.parameters_count / 1e6:.1f} M parameters), key `{model.spec.key}`; code `{code_version()}`",
        f"* {platform.processor() or platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__} on {model.device} "
        f"with {torch.get_num_threads()} thread(s); load average at the end {load:.1f}",
        "* the load is high when other work shares the cores: absolute times then say little, ratios more" if load > 1.5 else "",
        "",
        "Naive: transformers' own model and cache, prompt and latents run again for every condition. Ours: prompts and latents kept, the edited",
    ]
    for title, rows in sections:
        lines += ["", f"## {title}", "", "| | measured | target | |", "|---|---|---|---|"]
        lines += [f"| {row.what} | {row.measured} | {row.target} | {'' if row.met is None else '✓' if row.met else '✗'} |" for row in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
