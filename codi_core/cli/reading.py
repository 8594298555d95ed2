"""Commands that look: info, selfcheck, rollout, lens, detect."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codi_core.cli.answering import condition
from codi_core.cli.flags import eval_set_arguments, json_argument, model_arguments, passes_argument, positive, whole
from codi_core.cli.session import open_workbench, passed_or_failed, percent, print_json, print_table, progress
from codi_core.errors import InputError
from codi_core.models.presets import PRESETS
from codi_core.problems.evalsets import EVAL_SETS

if TYPE_CHECKING:
    from codi_core.services.evaluate import EvalReport
    from codi_core.services.inspect import Inspection
    from codi_core.types import CellMeans, DetectionMap


def info_arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    json_argument(parser)


def selfcheck_arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser)
    json_argument(parser)


def rollout_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompts", type=Path, required=True, metavar="FILE.json", help='a JSON list of prompts: ["…", "…"]')
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where answers.json and latents.npz go")
    passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=32, metavar="N", help="longest answer (default 32)")
    parser.add_argument("--batch-size", type=positive, metavar="B", help="prompts a batch (default: as many as fit)")
    model_arguments(parser)
    json_argument(parser)


def lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--lens", action="append", metavar="NAME", help="logit (default), or a tuned lens; may be repeated")
    parser.add_argument("--track", action="append", default=[], metavar="TEXT", help="a token to follow; may be repeated")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def detect_arguments(parser: argparse.ArgumentParser) -> None:
    eval_set_arguments(parser)
    parser.add_argument("--lens", default="logit", metavar="NAME", help="logit (default), or a tuned lens")
    parser.add_argument("--depth", type=whole, metavar="D", help="depth of the tables (default: the output)")
    parser.add_argument("--top-k", type=positive, default=5, metavar="K", choices=range(1, 11), help="1 to 10 (default 5)")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def info(args: argparse.Namespace) -> None:
    """What is here: the model, its files and its device, what it was evaluated on"""
    from codi_core.services.cards import model_card
    from codi_core.services.evaluate import stored_evals
    from codi_core.store import code_version

    with open_workbench(args) as bench:
        card = model_card(bench, bench.settings.model, "info")
        reports = stored_evals(bench, card.spec)
    if args.json:
        print_json({"code": code_version(), "card": dataclasses.asdict(card), "evals": [report.as_json() for report in reports]})
        return
    heads = f"{card.n_heads} heads, {card.n_kv_heads} of keys and values"
    curve = card.training.get("curve")
    print_table(
        [
            ("code", code_version()),
            ("model", f"{card.spec.name} ({card.family}), key {card.key}"),
            ("files", card.source),
            ("sha-256", card.spec.checkpoint),
            ("size", f"{card.parameters:,} parameters, {card.n_layers} layers of {card.d_model}, {heads}, vocabulary {card.vocab_size:,}"),
            ("device", f"{card.device}, {card.spec.dtype}: {card.device_reason}"),
            ("prompt", f"{card.spec.prompt_format}; rope rounding {card.spec.rope_rounding}; LoRA alpha {card.spec.lora_alpha or '–'}"),
            ("training", f"{curve[-1]['step']:,.0f} steps, here" if curve else "not known"),
            *(("accuracy", _report_line(report)) for report in reports),
            ("presets", ", ".join(PRESETS)),
            ("eval sets", ", ".join(EVAL_SETS)),
        ]
    )


def selfcheck(args: argparse.Namespace) -> int:
    """Compare the engine with a naive, cache-free oracle on a few prompts (in float32 unless --dtype says otherwise)"""
    from codi_core.services.selfcheck import selfcheck as run

    args.dtype = args.dtype or "float32"
    with open_workbench(args) as bench:
        results = run(bench, bench.settings.model)
    passed = all(result.passed for result in results)
    if args.json:
        print_json({"passed": passed, "checks": [dataclasses.asdict(result) for result in results]})
    else:
        for result in results:
            print(
                f"{passed_or_failed(result.passed)}  distance {result.distance:.1e}  {result.answer!r} = {result.expected!r}  "
                f"{result.prompt:.60}…"
            )
        print(passed_or_failed(passed))
    return 0 if passed else 1


def rollout(args: argparse.Namespace) -> None:
    """Roll prompts out and write answers.json and latents.npz"""
    from codi_core.services.rollouts import read_prompts, write_rollouts
    from codi_core.services.turns import Turns
    from codi_core.types import RolloutConfig

    prompts = read_prompts(args.prompts)
    with open_workbench(args) as bench:
        turns = Turns(bench, "rollout", progress(args, "rollout"))
        config = RolloutConfig(args.passes, args.max_new_tokens)
        answers = write_rollouts(turns, bench.settings.model, prompts, config, args.batch_size, args.out)
    if args.json:
        print_json(answers)
        return
    for row in answers["results"]:
        print(f"{row['answer']!r:24} {row['prompt']:.100}")
    print(f"{len(prompts):,} prompts → {args.out / 'answers.json'}, {args.out / 'latents.npz'}")


def lens(args: argparse.Namespace) -> None:
    """Show what a lens reads at every index and depth of one prompt"""
    from codi_core.services.inspect import InspectRequest, inspect

    with open_workbench(args) as bench:
        request = InspectRequest(bench.settings.model, args.prompt, args.passes, tuple(args.track), tuple(args.lens or ["logit"]))
        inspection = inspect(bench, request, "lens")
    if args.json:
        print_json(_inspection_json(inspection))
        return
    _print_inspection(inspection)


def detect(args: argparse.Namespace) -> None:
    """Measure how often a lens reads the answer and the step values of a question, index by index, and how often by chance"""
    from codi_core.evaluation.detection import aligned_detection, detection_map
    from codi_core.services.detect import DetectRequest
    from codi_core.services.detect import detect as run

    show = progress(args, "detect")
    with open_workbench(args) as bench:
        request = DetectRequest(bench.settings.model, args.eval_set, args.n, args.seed, args.lens, args.passes)
        for readings in run(bench, request, "detect"):
            if show:
                show(len(readings.questions), readings.total)
    depths = readings.top_ids.shape[2]
    depth = depths - 1 if args.depth is None else args.depth
    if depth >= depths:
        raise InputError(f"Depth {depth} does not exist: this model has depths 0 to {depths - 1}.")
    maps = [detection_map(readings, target) for target in readings.targets]
    most = max((len(question.steps) for question in readings.questions), default=0)
    aligned = {step: aligned_detection(readings, step, depth) for step in range(1, most + 1)}
    if args.json:
        parts = [
            {"step": step, "index": step + 1, "found": dataclasses.asdict(found), "permuted": dataclasses.asdict(chance)}
            for step, (found, chance) in aligned.items()
        ]
        print_json({"key": readings.spec.key, "depth": depth, "maps": [dataclasses.asdict(each) for each in maps], "aligned": parts})
        return
    spec = readings.spec
    print(f"{spec.model.name}, {spec.lens} lens, depth {depth} of {depths - 1}, {spec.eval_set.name} (seed {spec.eval_set.seed})")
    _print_detection(maps, aligned, depth, args.top_k)
    print(f"key  {spec.key}")


def _report_line(report: EvalReport) -> str:
    return f"{percent(report.accuracy)}  {condition(report)}"


def _print_detection(maps: list[DetectionMap], aligned: dict[int, tuple[CellMeans, CellMeans]], depth: int, k: int) -> None:
    print(f"\nTop-{k}, and in brackets the value of another question: chance")
    print("".join([f"{'':10}", *(f"{'bot' if index == 0 else f'z{index}':>16}" for index in range(maps[0].found.value.shape[1]))]))
    for each in maps:
        pairs = zip(each.found.value[k - 1, :, depth], each.permuted.value[k - 1, :, depth], strict=True)
        print("".join([f"{each.target:10}", *(f"{found:8.1%} ({chance:5.1%})" for found, chance in pairs), f"   n {each.found.n:,}"]))
    print("\nStep values where step supervision puts them, index = step + 1 (the last step is the answer)")
    for step, (found, chance) in aligned.items():
        if found.n:
            ranks = "  ".join(f"top-{rank} {found.value[rank - 1]:6.1%}" for rank in (1, 5, 10) if rank <= len(found.value))
            interval = f"top-{k} [{found.low[k - 1]:.1%}, {found.high[k - 1]:.1%}], chance {chance.value[k - 1]:.1%}"
            print(f"step {step} at z{step + 1}  {ranks}   {interval}   n {found.n:,}")


def _inspection_json(inspection: Inspection) -> dict[str, Any]:
    run = inspection.rollout
    fields = ("question", "input_tokens", "answer", "number", "finished", "top_answers")
    return {
        "model": dataclasses.asdict(inspection.model),
        "rollout": {name: value for name, value in dataclasses.asdict(run).items() if name in fields},
        "gold": inspection.problem.gold if inspection.problem else None,
        "tracked": [dataclasses.asdict(token) for token in inspection.tracked],
        "grids": {name: dataclasses.asdict(grid) for name, grid in inspection.grids.items()},
    }


def _print_inspection(inspection: Inspection) -> None:
    run = inspection.rollout
    gold = f", gold {inspection.problem.gold:g}" if inspection.problem else ""
    print(f"{inspection.model.name}: {run.answer!r}{gold}; next most likely: {', '.join(repr(top.token) for top in run.top_answers[1:4])}")
    for name, grid in inspection.grids.items():
        indices, depths = grid.top_probs.shape[:2]
        print(f"\n{name} lens: top token and its probability; rows are depths (0 = embeddings, {depths - 1} = output)")
        print("depth  " + "".join(f"{'prompt (bot)' if index == 0 else f'z{index}':16}" for index in range(indices)))
        for depth in reversed(range(depths)):
            cells = [
                f"{grid.top_tokens[index, depth, 0].encode('unicode_escape').decode()[:9]:10}{grid.top_probs[index, depth, 0]:<6.2f}"
                for index in range(indices)
            ]
            print(f"{depth:5}  {''.join(cells)}".rstrip())
        for token in inspection.tracked:
            best = grid.rank_of(token)
            index, depth = divmod(int(best.argmin()), depths)
            print(f"{token.text!r}: best rank {best.min()}, at index {index}, depth {depth}. {token.note}".rstrip())
