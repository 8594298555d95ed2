"""``python -m benchmarks [--model NAME] [--eval-set NAME] [--questions N]``: measure and write docs/performance.md."""

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
from benchmarks.sections import rewrite
from codi_core.engine.answers import parse_number
from codi_core.engine.engine import Engine
from codi_core.engine.watch import Watch
from codi_core.evaluation.prepared import PreparedSet
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.generate import generate
from codi_core.services.detect import DetectRequest, detect
from codi_core.services.effects import evaluate_condition
from codi_core.services.influence import InfluenceRequest, influence
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.settings import ROOT, Settings
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.means import collect_samples
from codi_core.steering.methods import Method
from codi_core.steering.vectors import Difference
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import Question
from codi_core.values.vectors import MeansSpec
from codi_core.version import code_version

DOCUMENT = ROOT / "docs" / "performance.md"
COEFFICIENTS = (-5.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 5.0)
"""Those of the posts."""
AB = Difference(2, 4)
STOP = KV(AB, 1.0, (5,), then="stop", raw=True)
"""KV steering as in the posts: the one of our methods that the naive script does."""
CONFIG = RolloutConfig(6, 5)
"""Gold answers of our problems have one token; four more are room enough (as `ANSWER_ROOM` does for the page)."""
REPEATS = 5
CLOCK = time.perf_counter if torch.cuda.is_available() else time.process_time


@dataclass(frozen=True)
class Row:
    what: str
    measured: str
    target: str = ""
    met: bool | None = None


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks", description=__doc__)
    parser.add_argument("--model", default=Settings.from_env().model)
    parser.add_argument("--eval-set", default="bundled", help="of the first table: a name or a file, say GSM8K's for its lengths")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(Settings.from_env(), model=args.model, cache_dir=Path(folder), dtype="float32")
        engine = Engine(load_model(ModelRequest(args.model), settings))
        tables = [
            ("Eight conditions over an eval set", sweep(engine, args.eval_set, args.questions)),
            ("A move of the slider", slider(settings, args.questions)),
            ("One prompt", prompt(settings)),
            ("Attention watched", watched(engine, settings)),
            ("A lens over an eval set", detection(settings)),
        ]
    text = document(engine, tables)
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)


def sweep(engine: Engine, name: str, n: int) -> list[Row]:
    """The same eight conditions in several ways, answers compared row by row."""
    eval_set, questions = load_eval_set(name, n, 0)
    means, means_questions = load_eval_set("means", 200, 0)
    spec = MeansSpec(engine.model.spec.key, means)
    directions = Directions(collect_samples(engine, spec, means_questions))
    prepared = PreparedSet(engine, questions, CONFIG)
    preparing = timed(prepared.prepare)
    naive, vector = Naive.of(engine.model), directions.vector(AB, STOP.where)
    prompts = [engine.model.build_prompt(question.question) for question in questions]
    few = range(0, n, max(1, n // 40))

    def ours(method: Method = STOP) -> list[list[str]]:
        conditions = [Condition(spec.model, eval_set, CONFIG, (method.with_coefficient(c),), spec) for c in COEFFICIENTS]
        return answers_of(prepared, conditions, directions)

    def theirs(coefficients: Iterable[float], batch: int = 64, by_length: bool = True, part: Iterable[int] = range(n)) -> list[list[str]]:
        chosen = [prompts[number] for number in part]
        return [naive.answers(chosen, 5, vector, c, CONFIG.max_new_tokens, batch, by_length) for c in coefficients]

    found = ours()  # the unsteered answers are decoded once, here
    times = Times()
    for _ in range(REPEATS):  # side by side: what else runs on the machine disturbs all alike
        times.add("ours", 1, ours)
        times.add("sorted", 4, lambda: theirs((-0.5, 5.0)))
        times.add("unsorted", 4, lambda: theirs((-0.5, 5.0), by_length=False))
        times.add("alone", 8 * n / len(few), lambda: theirs((-0.5,), batch=1, part=few))
        times.add("kv", 1, lambda: ours(KV(AB, 1.0, (2,))))
        times.add("z", 1, lambda: ours(Hidden(AB, 1.0, (2,))))
    expected, alone = theirs(COEFFICIENTS), theirs((-0.5,), batch=1, part=few)[0]
    same = sum(a == b for run, other in zip(found, expected, strict=True) for a, b in zip(run, other, strict=True))
    same_alone = sum(found[COEFFICIENTS.index(-0.5)][number] == answer for number, answer in zip(few, alone, strict=True))
    unsteered = answers_of(prepared, [Condition(spec.model, eval_set, CONFIG)], directions)[0]
    five = answers_of(prepared, [Condition(spec.model, eval_set, replace(CONFIG, passes=5))], directions)[0]
    changed = np.mean([a != b for run in found for a, b in zip(run, five, strict=True)])
    fed = [np.mean([tokens_of(engine, answer) + 1 for run in found for answer in run]) + more for more in (fixed(prompts, 5), 0)]
    return [
        Row("naive, batch 1 (the public scripts' way)", times.show("alone")),
        Row("naive, batch 64", times.show("unsorted")),
        Row("naive, batch 64, sorted by length", times.show("sorted")),
        Row("ours, eight conditions side by side", times.show("ours")),
        times.ratio("× naive, batch 1", "alone", 100),
        times.ratio("× naive, batch 64", "unsorted", 30),
        times.ratio("× naive, batch 64, sorted by length", "sorted", 30),
        Row("tokens that have to be fed for an answer: naive, ours", f"{fed[0]:.1f}, {fed[1]:.1f} ({fed[0] / fed[1]:.1f} ×)"),
        Row("preparation, once a model and eval set", f"{preparing * 1000:,.0f} ms"),
        Row("answers equal to naive, batch 64", f"{same:,} of {8 * n:,}", "all", same == 8 * n),
        Row("answers equal to naive, batch 1", f"{same_alone:,} of {len(few):,}", "all", same_alone == len(few)),
        Row("answers the eight conditions change", f"{changed:.0%}"),
        Row("right without steering, after 6 and after 5 passes", f"{right(questions, unsteered):.0%}, {right(questions, five):.0%}"),
        Row("ours, KV at slot 2, then all passes", times.show("kv")),
        Row("ours, z at index 2, then all passes", times.show("z")),
    ]


def fixed(prompts: Sequence[Sequence[int]], passes: int) -> float:
    """Tokens before eot that the naive way feeds for every answer."""
    return float(np.mean([len(prompt) for prompt in prompts])) + passes


def tokens_of(engine: Engine, answer: str) -> int:
    return len(engine.model.tokenizer.encode(answer, add_special_tokens=False))


class Times:
    """Repeated measurements of several ways to do the same; on a cpu processor time, which other work on the machine disturbs less."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = {}

    def add(self, name: str, times: float, work: Callable[[], object]) -> None:
        """``work`` is one ``times``-th of the eight conditions."""
        self._seconds.setdefault(name, []).append(timed(work, CLOCK) * times)

    def show(self, name: str) -> str:
        return f"{median(self._seconds[name]) / len(COEFFICIENTS) * 1000:,.1f} ms a condition"

    def ratio(self, what: str, name: str, target: float) -> Row:
        ratio = median(a / b for a, b in zip(self._seconds[name], self._seconds["ours"], strict=True))
        return Row(what, f"{ratio:,.1f} ×", f"≥ {target:g} ×", ratio >= target)


def right(questions: Sequence[Question], answers: Sequence[str]) -> float:
    return float(np.mean([parse_number(answer) == question.gold for question, answer in zip(questions, answers, strict=True)]))


def answers_of(prepared: PreparedSet, conditions: list[Condition], directions: Directions) -> list[list[str]]:
    """Answers of every condition in the order of the eval set."""
    done: list[dict[int, str]] = [{} for _ in conditions]
    for group in prepared.groups(conditions):
        for number in range(len(prepared.batches)):
            runs = prepared.answers_of(number, [conditions[place] for place in group], directions)
            for place, run in zip(group, runs, strict=True):
                done[place].update(zip(run.numbers.tolist(), run.answers, strict=True))
    return [[answers[number] for number in range(len(prepared))] for answers in done]


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
    texts = [problem.question for problem in generate("test", 24, 7)]
    grid, both = (
        [inspect(bench, InspectRequest(settings.model, text, lenses=lenses), "bench").milliseconds for text in half][2:]
        for lenses, half in ((("logit",), texts[:12]), (("logit", "tuned:all"), texts[12:]))
    )
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
        Row("prompt → logit-lens and tuned-lens grids", f"{median(both):,.0f} ms", "≤ 50 ms", median(both) <= 50),
        Row("coefficient → baseline, steered and control answers with their grids", f"{median(steered):,.0f} ms"),
    ]


def watched(engine: Engine, settings: Settings) -> list[Row]:
    """The passes of 64 questions with nothing watching, with a watch that looks, with one that blocks nothing; and a page of Influence."""
    prompts = [engine.prompt(problem.question, CONFIG).ids for problem in generate("test", 64, 7)]
    with engine.exclusively():
        prefix = engine.prefill(prompts)

    def passes(watch: Watch | None) -> torch.Tensor:
        with engine.exclusively():
            cache = engine.open_cache(prefix)
            cache.watch = watch
            return engine.think(cache, CONFIG.passes).h

    nothing = torch.zeros(len(prompts), 1, 1, 1, 1, dtype=torch.bool, device=engine.model.device)
    ways = {"nothing watches": lambda: None, "attention recorded": lambda: Watch(record=True), "no key blocked": lambda: Watch(nothing)}
    same = all(torch.equal(passes(make()), passes(None)) for make in ways.values())
    times = {name: median(timed(lambda make=make: passes(make()), CLOCK) for _ in range(REPEATS)) for name, make in ways.items()}  # type: ignore[misc]
    bench = Workbench(settings)
    request = InfluenceRequest(settings.model, generate("test", 1, 9)[0].question)
    pages = [influence(bench, request, "bench").milliseconds for _ in range(3)][1:]
    bench.close()
    return [
        *(Row(f"six passes of 64 questions, {name}", f"{1000 * seconds:,.0f} ms") for name, seconds in times.items()),
        Row("hidden states of all three, bit for bit", "equal" if same else "not equal", "equal", same),
        Row("attention and graph of one prompt", f"{median(pages):,.0f} ms", "≤ 1,000 ms", median(pages) <= 1_000),
    ]


def detection(settings: Settings) -> list[Row]:
    """As the Detect page and ``detect`` do it: rollouts, read-outs of every depth and index, storage."""
    bench = Workbench(settings)
    rows = []
    for lens in ("logit", "tuned:all"):
        started = time.perf_counter()
        for _ in detect(bench, DetectRequest(settings.model, "bundled", 1_000, lens=lens), "bench"):
            pass
        seconds = time.perf_counter() - started
        rows.append(Row(f"{lens}, 1,000 prompts", f"{seconds:,.1f} s", "≤ 60 s", seconds <= 60))
    bench.close()
    return rows


def timed(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    started = clock()
    work()
    return clock() - started


def document(engine: Engine, tables: Sequence[tuple[str, list[Row]]]) -> str:
    model = engine.model
    load = os.getloadavg()[0]
    noise = f"; load average {load:.1f}: other work shares the cores, so times say little and ratios more" if load > 1.5 else ""
    lines = [
        "# Performance",
        "",
        "Written by `python -m benchmarks`; float32, medians, all rows of a table measured side by side in one run.",
        "",
        f"* model `{model.spec.name}` ({model.parameters_count / 1e6:.1f} M parameters), key `{model.spec.key}`; code `{code_version()}`",
        f"* {processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s), torch {torch.__version__} on {model.device}{noise}",
        "",
        "Naive: transformers' own model and cache; prompt and latents run again for every condition, as the public scripts do.",
        "Ours: prompts and latents kept; a condition copies the slots it edits, shares the others, and runs eot and the answer.",
        "Processor time where ways are compared, wall time elsewhere; statistics and storage are part of a slider move.",
    ]
    for title, rows in tables:
        lines += ["", f"## {title}", "", table(rows).rstrip()]
    return "\n".join(lines) + "\n"


def table(rows: Iterable[Row]) -> str:
    lines = [f"| {row.what} | {row.measured} | {row.target} | {'' if row.met is None else '✓' if row.met else '✗'} |" for row in rows]
    return "\n".join(["| | measured | target | |", "|---|---|---|---|", *lines]) + "\n"


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
