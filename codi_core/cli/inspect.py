"""Commands that look: info, selfcheck, rollout, lens, detect."""

from __future__ import annotations

import argparse
import dataclasses
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from codi_core.cli.evals import condition
from codi_core.cli.flags import (
    eval_set_arguments,
    gold_arguments,
    json_argument,
    lens_argument,
    lenses_of,
    model_arguments,
    passes_argument,
    positive,
    whole,
)
from codi_core.cli.session import fitted, open_workbench, padded, passed_or_failed, percent, print_json, print_table, progress
from codi_core.errors import InputError
from codi_core.figures.text import number
from codi_core.models.presets import PRESETS
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.values.model import RunMode

if TYPE_CHECKING:
    from codi_core.services.evaluate import EvalReport
    from codi_core.services.inspect import Inspection
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.lens import DetectionMap, LensReadings
    from codi_core.values.stats import Estimates


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
    modes = "latent passes (default), a chain of thought in words, or the answer at once"
    parser.add_argument("--mode", choices=get_args(RunMode), default="latent", help=modes)
    model_arguments(parser)
    json_argument(parser)


def lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    lens_argument(parser, several=True)
    gold_arguments(parser)
    parser.add_argument("--track", action="append", default=[], metavar="TEXT", help="a token to follow; may be repeated")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def detect_arguments(parser: argparse.ArgumentParser) -> None:
    eval_set_arguments(parser)
    lens_argument(parser)
    parser.add_argument("--depth", type=whole, metavar="D", help="depth of the tables (default: the output)")
    parser.add_argument("--top-k", type=positive, default=5, metavar="K", choices=range(1, 11), help="1 to 10 (default 5)")
    parser.add_argument("--beside-control", action="store_true", help="also read the model's pause twin, and tell the paired differences")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def info(args: argparse.Namespace) -> None:
    """What is here: the model, its files and its device, what it was evaluated on"""
    from codi_core.services.cards import model_card
    from codi_core.services.evaluate import stored_evals
    from codi_core.services.passport import stored_passport
    from codi_core.version import code_version

    with open_workbench(args) as bench:
        card = model_card(bench, bench.settings.model, "info")
        reports, passport = stored_evals(bench, card.spec), stored_passport(bench.store, card.spec)
    if args.json:
        found = {"evals": [report.as_json() for report in reports], "passport": passport.as_json() if passport else None}
        print_json({"code": code_version(), "card": dataclasses.asdict(card), **found})
        return
    heads = f"{card.n_heads} heads, {card.n_kv_heads} of keys and values"
    curve = card.training.get("curve")
    print_table(
        [
            ("code", code_version()),
            ("model", f"{card.spec.name} ({card.family_label} on {card.architecture}), key {card.key}"),
            ("files", card.source),
            ("sha-256", card.spec.checkpoint),
            ("size", f"{card.parameters:,} parameters, {card.n_layers} layers of {card.d_model}, {heads}, vocabulary {card.vocab_size:,}"),
            ("device", f"{card.device}, {card.spec.dtype}: {card.device_reason}"),
            ("prompt", f"{card.spec.prompt_format}; rope rounding {card.spec.rope_rounding}; LoRA alpha {card.lora_alpha}"),
            ("question", f"ends with {card.spec.suffix!r} unless it has an instruction" if card.spec.suffix else "as typed"),
            ("answer", f"begins with {card.lead!r}" if card.lead else "begins with the answer itself"),
            ("passes", card.passes_said),
            ("assumed", "; ".join(card.assumed) or "nothing: files and flags say everything"),
            *(("inferred", note) for note in card.notes),
            ("tensors", "; ".join(f"{count} {fate}" for fate, count in card.tensors.items())),
            ("training", f"{curve[-1]['step']:,.0f} steps, here" if curve else "not known"),
            ("passport", passport.summary if passport else f"none: python -m codi_core verify {card.name} makes one"),
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
    from codi_core.services.shared.turns import Turns
    from codi_core.values.model import RolloutConfig

    prompts = read_prompts(args.prompts)
    with open_workbench(args) as bench:
        turns = Turns(bench, bench.settings.model, "rollout", progress(args, "rollout"))
        config = RolloutConfig(args.passes, args.max_new_tokens)
        answers = write_rollouts(turns, prompts, config, args.batch_size, args.out, args.mode)
    if args.json:
        print_json(answers)
        return
    for row in answers["results"]:
        print(f"{padded(repr(row['answer']), 24)} {row['prompt']:.100}")
    print(f"{len(prompts):,} prompts → {args.out / 'answers.json'}, {args.out / 'latents.npz'}")


def lens(args: argparse.Namespace) -> None:
    """Show what a lens reads at every index and depth of one prompt"""
    from codi_core.services.inspect import InspectRequest, inspect

    with open_workbench(args) as bench:
        request = InspectRequest(
            bench.settings.model, args.prompt, args.passes, tuple(args.track), lenses_of(args), gold=args.gold, steps=args.steps
        )
        inspection = inspect(bench, request, "lens")
    for reason in inspection.refused.values():
        raise InputError(reason)
    if args.json:
        print_json(_inspection_json(inspection))
        return
    _print_inspection(inspection)


def detect(args: argparse.Namespace) -> None:
    """Measure how often a lens reads the answer and the step values of a question, index by index, and how often by chance"""
    from codi_core.evaluation.detection import aligned_detection, detection_map
    from codi_core.services.twins import control_of

    with open_workbench(args) as bench:
        control = control_of(bench, bench.settings.model) if args.beside_control else None
        readings = _read(bench, args, bench.settings.model)
        beside = _read(bench, args, control) if control else None
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
        facts = {"key": readings.spec.key, "depth": depth, "maps": [dataclasses.asdict(each) for each in maps], "aligned": parts}
        print_json({**facts, **({"beside_control": _contrasts(readings, beside, args.top_k)} if beside else {})})
        return
    spec = readings.spec
    print(f"{spec.model.name}, {spec.lens} lens, depth {depth} of {depths - 1}, {spec.eval_set.name} (seed {spec.eval_set.seed})")
    _print_detection(maps, aligned, depth, args.top_k)
    if beside:
        print(f"\nBeside its control, {beside.spec.model.name} (key {beside.spec.key}):")
        for found in _contrasts(readings, beside, args.top_k)["maps"].values():
            print(found["sentence"])
    print(f"key  {spec.key}")


def _read(bench: Workbench, args: argparse.Namespace, model: str) -> LensReadings:
    from codi_core.services.detect import DetectRequest, detect

    show = progress(args, f"detect {model}")
    for readings in detect(bench, DetectRequest(model, args.eval_set, args.n, args.seed, args.lens, args.passes), "detect"):
        if show:
            show(len(readings.questions), readings.total)
    return readings


def _contrasts(own: LensReadings, control: LensReadings, k: int) -> dict[str, Any]:
    """Every target in the top k, model − control, at every index and depth."""
    from codi_core.evaluation.detection import detection_contrast, value_hits
    from codi_core.figures.contrast import contrast_sentence

    found = {target: detection_contrast(own, control, partial(value_hits, target=target), k) for target in own.targets}
    maps = {
        target: {"sentence": contrast_sentence(f"{target} in the top {k}", each, share=True), **dataclasses.asdict(each)}
        for target, each in found.items()
    }
    return {"model": control.spec.model.name, "key": control.spec.key, "maps": maps}


def _report_line(report: EvalReport) -> str:
    return f"{percent(report.accuracy)}  {condition(report)}"


def _print_detection(maps: list[DetectionMap], aligned: dict[int, tuple[Estimates, Estimates]], depth: int, k: int) -> None:
    print(f"\nTop-{k}, and in brackets the value of another question: chance")
    print("".join([f"{'':10}", *(f"{'bot' if index == 0 else f'z{index}':>16}" for index in range(maps[0].found.value.shape[1]))]))
    for each in maps:
        pairs = zip(each.found.value[k - 1, :, depth], each.permuted.value[k - 1, :, depth], strict=True)
        print("".join([f"{each.target:10}", *(f"{found:8.1%} ({chance:5.1%})" for found, chance in pairs), f"   n {each.found.n:,}"]))
    if any(found.n for found, _ in aligned.values()):
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
    gold = f", gold {number(inspection.problem.gold)}" if inspection.problem else ""
    print(f"{inspection.model.name}: {run.answer!r}{gold}; next most likely: {', '.join(repr(top.token) for top in run.top_answers[1:4])}")
    for name, grid in inspection.grids.items():
        indices, depths = grid.top_probs.shape[:2]
        print(f"\n{name} lens: top token and its probability; rows are depths (0 = embeddings, {depths - 1} = output)")
        print("depth  " + "".join(f"{'prompt (bot)' if index == 0 else f'z{index}':16}" for index in range(indices)))
        for depth in reversed(range(depths)):
            cells = [f"{fitted(grid.top_tokens[index, depth, 0], 9)} {grid.top_probs[index, depth, 0]:<6.2f}" for index in range(indices)]
            print(f"{depth:5}  {''.join(cells)}".rstrip())
        for token in inspection.tracked:
            best = grid.rank_of(token)
            index, depth = divmod(int(best.argmin()), depths)
            print(f"{token.text!r}: best rank {best.min()}, at index {index}, depth {depth}. {token.note}".rstrip())
