"""The command line: every page's work without a browser. One function a command; what they do is in `services`.

Exit codes: 0 done, 1 a check failed, 2 something was wrong with the request (the message says what), 130 stopped by Ctrl+C.
Heavy imports are inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from codi_core.errors import CodiError, InputError, SweepError
from codi_core.models.presets import PRESETS
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.settings import Settings
from codi_core.types import Mode, PromptFormat, RopeRounding, Share, Space

if TYPE_CHECKING:
    from codi_core.services.effects import ConditionRequest
    from codi_core.services.evaluate import EvalReport
    from codi_core.services.inspect import Inspection
    from codi_core.services.steer import MeansRequest
    from codi_core.services.sweeps import SweepRequest
    from codi_core.services.workbench import Workbench
    from codi_core.sweeps.local import SweepProgress
    from codi_core.types import AblationMap, CellMeans, DetectionMap, PassCurve, PromptImportance, SteeringEffect, SweepTable

CONDITION_HELP = "'kv source=difference a=2 b=4 coefficient=0.5 indices=5 then=stop'; several are joined by ' + '"
PROGRESS_SECONDS = 10.0
"""How often a line of progress appears where it cannot be overwritten."""


def main(argv: Sequence[str] | None = None) -> int:
    args = make_parser().parse_args(argv)
    try:
        return int(args.command(args) or 0)
    except CodiError as error:
        print(f"codi_core {args.name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        resumes = args.name.startswith("train") or args.name in ("sweep", "confirm")
        again = " Run the same command again to go on from the last saved step." if resumes else ""
        print(f"\nStopped.{again}", file=sys.stderr)
        return 130


# Arguments


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("codi_core", description="See and steer the latent thoughts of CODI models.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, add_arguments in (
        ("info", info, _info_arguments),
        ("selfcheck", selfcheck, _selfcheck_arguments),
        ("rollout", rollout, _rollout_arguments),
        ("lens", lens, _lens_arguments),
        ("eval", evaluate, _eval_arguments),
        ("compare", compare, _compare_arguments),
        ("steer", steer, _steer_arguments),
        ("vector", vector, _vector_arguments),
        ("detect", detect, _detect_arguments),
        ("sweep", sweep, _sweep_arguments),
        ("confirm", confirm, _confirm_arguments),
        ("bundle", bundle, _bundle_arguments),
        ("ablate", ablate, _ablate_arguments),
        ("geometry", geometry, _geometry_arguments),
        ("train", train, _train_arguments),
        ("train-lens", train_lens, _train_lens_arguments),
    ):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__, allow_abbrev=False)
        add_arguments(sub)
        sub.set_defaults(command=command, name=name)
    return parser


def _model_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model", "what is not given comes from CODI_* variables, the preset, or the checkpoint's files")
    group.add_argument("--model", metavar="NAME", help=f"a preset ({', '.join(PRESETS)}), a hub id, or a folder")
    group.add_argument("--base", metavar="DIR", help="a known base's name, or a folder with config.json (and a tokenizer)")
    group.add_argument("--lora-alpha", type=float, metavar="A", help="scale of the LoRA product; no file states it (default 32)")
    group.add_argument("--prompt-format", choices=get_args(PromptFormat))
    group.add_argument("--rope-rounding", choices=get_args(RopeRounding))
    group.add_argument("--dtype", help="auto, float32, bfloat16 or float16")
    _machine_arguments(parser)


def _machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=_whole, metavar="N", help="CPU threads; 0 lets torch choose")
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="where results are kept")


def _info_arguments(parser: argparse.ArgumentParser) -> None:
    _model_arguments(parser)
    _json_argument(parser)


def _selfcheck_arguments(parser: argparse.ArgumentParser) -> None:
    _model_arguments(parser)
    _json_argument(parser)


def _rollout_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompts", type=Path, required=True, metavar="FILE.json", help='a JSON list of prompts: ["…", "…"]')
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where answers.json and latents.npz go")
    _passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=_positive, default=32, metavar="N", help="longest answer (default 32)")
    parser.add_argument("--batch-size", type=_positive, metavar="B", help="prompts a batch (default: as many as fit)")
    _model_arguments(parser)
    _json_argument(parser)


def _lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--lens", action="append", metavar="NAME", help="logit (default), or a tuned lens; may be repeated")
    parser.add_argument("--track", action="append", default=[], metavar="TEXT", help="a token to follow; may be repeated")
    _passes_argument(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _eval_arguments(parser: argparse.ArgumentParser) -> None:
    _eval_set_arguments(parser)
    _passes_argument(parser)
    parser.add_argument("--mode", choices=get_args(Mode), default="latent", help="cot: write the chain of thought out, no passes")
    parser.add_argument("--swap-donor", action="store_true", help="also answer with the latents of another question")
    parser.add_argument(
        "--max-new-tokens",
        type=_positive,
        metavar="N",
        help="longest answer (default 32; 128 with --mode cot; with --condition 4 more than gold)",
    )
    parser.add_argument("--fresh", action="store_true", help="compute again even if the result is stored")
    group = parser.add_argument_group("steering", "measure an intervention against the unsteered model")
    group.add_argument("--condition", metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    group.add_argument("--against", choices=("same", "all"), default="same", help="baseline with as many passes (default), or all")
    group.add_argument("--controls", type=_whole, default=0, metavar="N", help="random directions to try too; 20 and more: a percentile")
    _means_arguments(group)
    _model_arguments(parser)
    _json_argument(parser)


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--a", default="", metavar="TEXT", help=f"{CONDITION_HELP}; empty: unsteered (default)")
    parser.add_argument("--b", required=True, metavar="TEXT", help="as --a")
    _eval_set_arguments(parser)
    _passes_argument(parser)
    parser.add_argument(
        "--max-new-tokens", type=_positive, metavar="N", help="longest answer (default: the longest gold answer and 4 more)"
    )
    _means_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _steer_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--condition", required=True, metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    parser.add_argument("--control-seed", type=_whole, default=0, metavar="S", help="which random direction stands beside it (default 0)")
    parser.add_argument("--lens", action="append", metavar="NAME", help="logit (default), or a tuned lens; may be repeated")
    _passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=_positive, default=32, metavar="N", help="longest answer (default 32)")
    _means_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _vector_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, metavar="TEXT", help="difference a=2 b=4, component rank=1, content index=3 value=24, …")
    parser.add_argument("--space", choices=get_args(Space), default="z")
    parser.add_argument("--layer", type=_whole, metavar="D", help="depth of space resid")
    parser.add_argument("--raw", action="store_true", help="keys as they lie in the cache, rotated")
    _passes_argument(parser)
    _means_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _means_arguments(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--means", default="means", metavar="NAME", help="eval set that directions are made from (default means)")
    parser.add_argument("--means-n", type=_whole, default=500, metavar="N", help="its questions (default 500; 0 = all)")
    parser.add_argument("--means-seed", type=int, default=0, metavar="S")
    parser.add_argument("--means-only", choices=("all", "addition"), default="all", help="addition: addition-first stories only")
    parser.add_argument("--overlap", action="store_true", help="as in the posts: means may come from evaluated questions")


def _detect_arguments(parser: argparse.ArgumentParser) -> None:
    _eval_set_arguments(parser)
    parser.add_argument("--lens", default="logit", metavar="NAME", help="logit (default), or a tuned lens")
    parser.add_argument("--depth", type=_whole, metavar="D", help="depth of the tables (default: the output)")
    parser.add_argument("--top-k", type=_positive, default=5, metavar="K", choices=range(1, 11), help="1 to 10 (default 5)")
    _passes_argument(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, metavar="NAME", help="post-hidden, post-kv, corrected-hidden, corrected-kv, layers, …")
    _eval_set_arguments(parser, "templates")
    _passes_argument(parser)
    parser.add_argument("--randoms", type=_whole, default=20, metavar="N", help="random directions a site and coefficient (default 20)")
    parser.add_argument("--shuffled", type=_whole, default=4, metavar="N", help="differences of shuffled steps, likewise (default 4)")
    parser.add_argument("--means-n", type=_whole, metavar="N", help="questions behind the means (default: the preset's; 0 = all)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CELL", help="VARIANT:A:B:INDEX:COEFFICIENT instead of the grid; may be repeated"
    )
    _executor_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _confirm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", metavar="KEY", help="a stored sweep (default: the newest of this model on select)")
    _eval_set_arguments(parser, "confirm")
    parser.add_argument("--randoms", type=_whole, default=20, metavar="N", help="random directions a site and coefficient (default 20)")
    parser.add_argument("--shuffled", type=_whole, default=4, metavar="N", help="differences of shuffled steps, likewise (default 4)")
    _executor_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _bundle_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--condition", metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    what.add_argument("--sweep", metavar="KEY", help="a stored sweep; needs no model")
    parser.add_argument("--out", type=Path, metavar="PATH", help="a .zip file, or a folder (default: here, named by its key)")
    _eval_set_arguments(parser)
    _passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=_positive, metavar="N", help="longest answer (default: 4 more than gold)")
    parser.add_argument("--against", choices=("same", "all"), default="same", help="baseline with as many passes (default), or all")
    parser.add_argument("--controls", type=_whole, default=0, metavar="N", help="random directions to try too; 20 and more: a percentile")
    _means_arguments(parser)
    _model_arguments(parser)


def _executor_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it runs")
    group.add_argument("--executor", dest="backend", choices=("local", "ray"), help="this machine (default), or a Ray cluster")
    group.add_argument("--address", dest="ray_address", metavar="A", help="of a running Ray cluster; auto: the one of this machine")
    group.add_argument("--workers", type=_positive, metavar="N", help="processes or actors (default: one a GPU, or one on CPU)")
    group.add_argument("--resume", action="store_true", help="go on with what is missing; that is what happens anyway")


def _ablate_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--early-stop", action="store_true", help="accuracy after 0, 1, … passes")
    what.add_argument("--prompt", metavar="TEXT", help="how much the answer to one prompt hangs on each latent")
    kinds = "zero, mean, gaussian, resample, shuffled or donor"
    parser.add_argument("--by", action="append", metavar="KIND", help=f"{kinds}; may be repeated (default mean; resample with --prompt)")
    parser.add_argument("--space", action="append", choices=("z", "h", "kv"), help="may be repeated (default all)")
    parser.add_argument("--draws", type=_positive, default=32, metavar="N", help="with --prompt: latents put in each place (default 32)")
    parser.add_argument("--draw-seed", type=_whole, default=0, metavar="S", help="of what is drawn at random (default 0)")
    _eval_set_arguments(parser)
    _passes_argument(parser)
    _means_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _geometry_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--space", choices=("z", "h", "k", "v", "resid"), default="z")
    parser.add_argument("--layer", type=_whole, metavar="D", help="depth of resid; layer of k or v (default: all of them together)")
    parser.add_argument("--centre", choices=("all", "index"), default="all", help="index: take the mean of every index away first")
    _passes_argument(parser)
    _means_arguments(parser)
    _model_arguments(parser)
    _json_argument(parser)


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="bundled", help="bundled or bundled-steps (default bundled)")
    parser.add_argument("--steps", type=_positive, metavar="N", help="steps of training (default: the preset's)")
    parser.add_argument("--seed", type=int, metavar="S", help="default: the preset's")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the state and then the checkpoint go (default runs/PRESET)")
    _machine_arguments(parser)
    _json_argument(parser)


def _train_lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--indices", default="all", help="all, odd, even, text, or numbers as in 3+5 (default all)")
    parser.add_argument("--train-set", metavar="NAMES", help="eval sets or splits joined by + (default train+means)")
    parser.add_argument("--held-out-set", metavar="NAMES", help="for the card (default select)")
    parser.add_argument("--n", type=_positive, metavar="N", help="training questions")
    parser.add_argument("--n-held-out", type=_positive, metavar="N")
    parser.add_argument("--steps", type=_positive, metavar="N")
    parser.add_argument("--batch", type=_positive, metavar="B")
    parser.add_argument("--lr", type=float, metavar="X")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the cache, where lens and the Inspect page find it")
    _model_arguments(parser)
    _json_argument(parser)


def _eval_set_arguments(parser: argparse.ArgumentParser, default: str = "bundled") -> None:
    sets = "; ".join(f"{name}: {eval_set.description}" for name, eval_set in EVAL_SETS.items())
    parser.add_argument(
        "--eval-set", default=default, metavar="NAME", help=f"{sets}; or a .jsonl, .json, .csv or .parquet file (default {default})"
    )
    parser.add_argument("--n", type=_whole, default=0, metavar="N", help="questions (default: all, or 1,000 of a generated set)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which questions (default 0)")


def _passes_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--passes", type=_whole, default=6, metavar="P", help="latent passes (default 6)")


def _json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output only")


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0")
    return int(text)


def _positive(text: str) -> int:
    if not _whole(text):
        raise argparse.ArgumentTypeError("0 is too small: from 1")
    return int(text)


# Commands


def info(args: argparse.Namespace) -> None:
    """What is here: the model, its files and its device, what it was evaluated on"""
    from codi_core.services.cards import model_card
    from codi_core.services.evaluate import stored_evals
    from codi_core.store import code_version

    with _workbench(args) as bench:
        card = model_card(bench, bench.settings.model, "info")
        reports = stored_evals(bench, card.spec)
    if args.json:
        _print_json({"code": code_version(), "card": dataclasses.asdict(card), "evals": [report.as_json() for report in reports]})
        return
    heads = f"{card.n_heads} heads, {card.n_kv_heads} of keys and values"
    curve = card.training.get("curve")
    _print_table(
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
    with _workbench(args) as bench:
        results = run(bench, bench.settings.model)
    passed = all(result.passed for result in results)
    if args.json:
        _print_json({"passed": passed, "checks": [dataclasses.asdict(result) for result in results]})
    else:
        for result in results:
            print(
                f"{_verdict(result.passed)}  distance {result.distance:.1e}  {result.answer!r} = {result.expected!r}  {result.prompt:.60}…"
            )
        print(_verdict(passed))
    return 0 if passed else 1


def rollout(args: argparse.Namespace) -> None:
    """Roll prompts out and write answers.json and latents.npz"""
    from codi_core.services.rollouts import read_prompts, write_rollouts
    from codi_core.services.turns import Turns
    from codi_core.types import RolloutConfig

    prompts = read_prompts(args.prompts)
    with _workbench(args) as bench:
        turns = Turns(bench, "rollout", _progress(args, "rollout"))
        config = RolloutConfig(args.passes, args.max_new_tokens)
        answers = write_rollouts(turns, bench.settings.model, prompts, config, args.batch_size, args.out)
    if args.json:
        _print_json(answers)
        return
    for row in answers["results"]:
        print(f"{row['answer']!r:24} {row['prompt']:.100}")
    print(f"{len(prompts):,} prompts → {args.out / 'answers.json'}, {args.out / 'latents.npz'}")


def lens(args: argparse.Namespace) -> None:
    """Show what a lens reads at every index and depth of one prompt"""
    from codi_core.services.inspect import InspectRequest, inspect

    with _workbench(args) as bench:
        request = InspectRequest(bench.settings.model, args.prompt, args.passes, tuple(args.track), tuple(args.lens or ["logit"]))
        inspection = inspect(bench, request, "lens")
    if args.json:
        _print_json(_inspection_json(inspection))
        return
    _print_inspection(inspection)


def evaluate(args: argparse.Namespace) -> None:
    """Measure accuracy on an eval set, or with --condition what an intervention does to it; results are stored"""
    if args.condition is not None:
        _evaluate_condition(args)
        return
    from codi_core.services.evaluate import EvalRequest
    from codi_core.services.evaluate import evaluate as run

    with _workbench(args) as bench:
        request = EvalRequest(
            model=bench.settings.model,
            eval_set=args.eval_set,
            n=args.n,
            seed=args.seed,
            passes=args.passes,
            mode=args.mode,
            swap_donor=args.swap_donor,
            max_new_tokens=args.max_new_tokens,
        )
        report = run(bench, request, _progress(args, "eval"), fresh=args.fresh)
    if args.json:
        _print_json(report.as_json())
    else:
        _print_report(report)


def _evaluate_condition(args: argparse.Namespace) -> None:
    from codi_core.services.effects import evaluate_condition

    if args.mode != "latent" or args.swap_donor or args.fresh:
        raise InputError("--condition steers latents and its results are stored: leave --mode, --swap-donor and --fresh out.")
    show, effect = _progress(args, "eval"), None
    with _workbench(args) as bench:
        for effect in evaluate_condition(bench, _condition_request(args, bench, args.condition), "eval"):
            if show:
                show(effect.done, effect.total)
    assert effect is not None
    _print_effect(args, effect)


def compare(args: argparse.Namespace) -> None:
    """Compare two interventions, or one with the unsteered model, question by question"""
    from codi_core.services.effects import compare_conditions

    with _workbench(args) as bench:
        a, b = (_condition_request(args, bench, text) for text in (args.a, args.b))
        effect = compare_conditions(bench, a, b, "compare")
    _print_effect(args, effect)


def steer(args: argparse.Namespace) -> None:
    """Answer one prompt unsteered, steered, and pushed as hard in a random direction"""
    from codi_core.services.steer import SteerRequest
    from codi_core.services.steer import steer as run
    from codi_core.steering.methods import methods_of

    with _workbench(args) as bench:
        request = SteerRequest(
            model=bench.settings.model,
            prompt=args.prompt,
            interventions=methods_of(args.condition),
            means=_means_request(args),
            passes=args.passes,
            max_new_tokens=args.max_new_tokens,
            control_seed=args.control_seed,
            lenses=tuple(args.lens or ["logit"]),
        )
        found = run(bench, request, "steer")
    panes = {name: pane for name in ("baseline", "steered", "control") if (pane := getattr(found, name))}
    if args.json:
        shared = {"model": dataclasses.asdict(found.model), "passes": found.passes, "identical": found.identical, "command": found.command}
        _print_json({**shared, **{name: dataclasses.asdict(pane) for name, pane in panes.items()}})
        return
    gold = f"gold {found.problem.gold:g}, " if found.problem else ""
    reach = f"reaches pass {found.first_pass} on" if found.first_pass <= found.passes else "reaches the answer only"
    print(f"{found.model.name}: {gold}{found.passes} passes, the edit {reach}{'; identical bit for bit' * found.identical}")
    for name, pane in panes.items():
        scores = "" if pane.p_gold is None else f"  P(gold) {pane.p_gold:.3f}  margin {pane.margin:+.2f}"
        tops = ", ".join(f"{top.token!r} {top.prob:.2f}" for top in pane.top_answers[:4])
        print(f"{name:9} {pane.answer!r:12}{scores}  {pane.outcome or ''}  ({tops})")


def vector(args: argparse.Namespace) -> None:
    """Show how long and how stable a direction is, and which coefficients make sense"""
    from codi_core.services.steer import VectorRequest, vector_info
    from codi_core.steering.methods import source_of
    from codi_core.steering.vectors import Place

    with _workbench(args) as bench:
        place = Place(args.space, args.layer, args.raw)
        info = vector_info(
            bench, VectorRequest(bench.settings.model, source_of(args.source), place, _means_request(args), args.passes), "vector"
        )
    if args.json:
        _print_json(dataclasses.asdict(info))
        return
    parts = ("keys", "values") if args.space == "kv" else (args.space,)
    stable = "" if info.vector.split_half is None else f", cosine of its halves {info.vector.split_half:.3f}"
    print(f"{info.model.name}: {info.vector.label}, from {info.vector.n:,} questions of {info.means.eval_set.name}{stable}")
    _print_table([(f"length of {part}", f"{norm:.4g}") for part, norm in zip(parts, info.vector.norms, strict=True)])
    for index, (site, full) in enumerate(zip(info.site_norms, info.full_dose, strict=True)):
        print(f"at index {index}: length there {', '.join(f'{norm:.4g}' for norm in site)}; coefficient {full:.3g} pushes as far")


def _condition_request(args: argparse.Namespace, bench: Workbench, text: str) -> ConditionRequest:
    from codi_core.services.effects import ConditionRequest
    from codi_core.steering.methods import methods_of

    return ConditionRequest(
        model=bench.settings.model,
        interventions=methods_of(text),
        eval_set=args.eval_set,
        n=args.n,
        seed=args.seed,
        means=_means_request(args),
        passes=args.passes,
        max_new_tokens=args.max_new_tokens,
        overlap=args.overlap,
        against=getattr(args, "against", "same"),
        controls=getattr(args, "controls", 0),
    )


def _means_request(args: argparse.Namespace) -> MeansRequest:
    from codi_core.services.steer import MeansRequest

    return MeansRequest(args.means, args.means_n, args.means_seed, args.means_only)


def detect(args: argparse.Namespace) -> None:
    """Measure how often a lens reads the answer and the step values of a question, index by index, and how often by chance"""
    from codi_core.evaluation.detection import aligned_detection, detection_map
    from codi_core.services.detect import DetectRequest
    from codi_core.services.detect import detect as run

    show = _progress(args, "detect")
    with _workbench(args) as bench:
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
        _print_json({"key": readings.spec.key, "depth": depth, "maps": [dataclasses.asdict(each) for each in maps], "aligned": parts})
        return
    spec = readings.spec
    print(f"{spec.model.name}, {spec.lens} lens, depth {depth} of {depths - 1}, {spec.eval_set.name} (seed {spec.eval_set.seed})")
    _print_detection(maps, aligned, depth, args.top_k)
    print(f"key  {spec.key}")


def sweep(args: argparse.Namespace) -> int:
    """Run every condition of a grid on an eval set; run the same command again to resume"""
    from codi_core.services.sweeps import SweepRequest, chosen_of

    with _workbench(args) as bench:
        request = SweepRequest(
            model=bench.settings.model,
            preset=args.preset,
            eval_set=args.eval_set,
            n=args.n,
            seed=args.seed,
            passes=args.passes,
            randoms=args.randoms,
            shuffled=args.shuffled,
            means_n=args.means_n,
            only=tuple(map(chosen_of, args.only)),
        )
        return _sweep(args, bench, request, "")


def confirm(args: argparse.Namespace) -> int:
    """Test the winners of a stored sweep, chosen on one split, once on another; run the same command again to resume"""
    from codi_core.services.sweeps import confirm_request

    with _workbench(args) as bench:
        request, words = confirm_request(bench, args.sweep, args.eval_set, args.n, args.seed, args.randoms, args.shuffled)
        return _sweep(args, bench, request, words)


def _sweep(args: argparse.Namespace, bench: Workbench, request: SweepRequest, words: str) -> int:
    """``words`` on how its cells were chosen."""
    from codi_core.services.cluster_sweep import sweep_on_cluster
    from codi_core.services.sweeps import sweep as sweep_here

    run = sweep_on_cluster if bench.settings.backend == "ray" else sweep_here
    try:
        table = run(bench, request, _sweep_progress(args))
    except SweepError as error:
        print(f"codi_core {args.name}: {error}", file=sys.stderr)
        return 1
    if args.json:
        cells = table.cells.astype(object).where(table.cells.notna(), None)
        _print_json({"key": table.key, "chosen": words, "refused": table.refused, "cells": cells.to_dict("records")})
    else:
        _print_sweep(table, words)
    return 0


def bundle(args: argparse.Namespace) -> None:
    """Write a .zip of a condition or a stored sweep: spec, results, versions, hashes, command line and a notebook that repeats it"""
    from codi_core.services.bundle import bundle_condition, bundle_sweep, save_bundle

    if not args.sweep and args.condition is None:
        raise InputError("Nothing to bundle was named: give --condition TEXT, or --sweep KEY of a stored sweep.")
    with _workbench(args) as bench:
        made = (
            bundle_sweep(bench, args.sweep)
            if args.sweep
            else bundle_condition(bench, _condition_request(args, bench, args.condition), "bundle")
        )
    path = save_bundle(made, args.out)
    print(f"{path}: {path.stat().st_size:,} bytes")


def ablate(args: argparse.Namespace) -> None:
    """Replace every latent in turn and measure what that costs; or stop early, or take one prompt apart"""
    show, found = _progress(args, "ablate"), None
    with _workbench(args) as bench:
        for better, done, total in _ablations(args, bench):
            found = better
            if show:
                show(done, total)
    assert found is not None
    _print_ablation(args, found)


def _ablations(args: argparse.Namespace, bench: Workbench) -> Iterator[tuple[PassCurve | AblationMap | PromptImportance, int, int]]:
    """Better and better results, and how far they are."""
    from codi_core.services import ablate as services

    model, kinds, spaces = bench.settings.model, tuple(args.by or ()), tuple(args.space or services.SPACES)
    asked = (args.eval_set, args.n, args.seed)
    if args.early_stop:
        for curve in services.early_stop(bench, services.EarlyStopRequest(model, *asked, args.passes), "ablate"):
            yield curve, int(curve.done), args.passes + 1
    elif args.prompt is not None:
        if len(kinds) > 1:
            raise InputError("With --prompt one kind of replacement is drawn: give --by once.")
        by: Any = kinds[0] if kinds else "resample"
        request = services.ImportanceRequest(model, args.prompt, by, args.draws, args.draw_seed, spaces, _means_request(args), args.passes)
        for latents in services.importance(bench, request, "ablate"):
            yield latents, len(latents.latents), latents.total
    else:
        wanted = services.AblateRequest(
            model, kinds or ("mean",), spaces, *asked, _means_request(args), args.passes, args.draw_seed, args.overlap
        )
        for sites in services.ablate(bench, wanted, "ablate"):
            yield sites, int(sites.done), len(sites.sites)


def geometry(args: argparse.Namespace) -> None:
    """Show the principal components of latents, against a null, and how their means point"""
    from codi_core.figures.geometry import component_table, cosine_table
    from codi_core.services.geometry import GeometryRequest
    from codi_core.services.geometry import geometry as run

    if args.overlap:
        raise InputError("Nothing is evaluated here that means could overlap with: leave --overlap out.")
    with _workbench(args) as bench:
        request = GeometryRequest(bench.settings.model, args.space, args.layer, _means_request(args), args.passes, args.centre)
        found = run(bench, request, "geometry", progress=_progress(args, "latents"))
    if args.json:
        tables = {"components": component_table(found), "cosines": cosine_table(found)}
        facts = {"key": request.key, "means_key": found.means.key, "n": found.explained.n, "retained": found.retained}
        known = {name: table.astype(object).where(table.notna(), None) for name, table in tables.items()}
        _print_json({**facts, **{name: table.to_dict(orient="list") for name, table in known.items()}})
        return
    print(f"{found.space}: {found.dimensions} dimensions, n = {found.explained.n:,} questions of {found.means.eval_set.name}")
    print(component_table(found).drop(columns="n").to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(f"{found.retained} components from the first on explain more than the same one in any of {len(found.null)} shuffled copies")
    print(f"key  {request.key}")


def train(args: argparse.Namespace) -> None:
    """Train a bundled model from scratch; run the same command again to resume"""
    from codi_core.device import choose_device, set_threads
    from codi_core.training.run import TRAIN_PRESETS
    from codi_core.training.run import train as run

    if args.preset not in TRAIN_PRESETS:
        raise InputError(f"Unknown preset '{args.preset}': use {' or '.join(TRAIN_PRESETS)}.")
    settings = _settings(args)
    set_threads(settings.threads)
    changes = {name: value for name in ("steps", "seed") if (value := getattr(args, name)) is not None}
    spec = dataclasses.replace(TRAIN_PRESETS[args.preset], **changes)
    out, device = args.out or Path("runs") / args.preset, choose_device(settings.device)
    if not args.json:
        print(f"Training {spec.name} for {spec.steps:,} steps on {device.device} ({device.reason}) in {out}", file=sys.stderr)

    def report(row: dict[str, float]) -> None:
        rates = "  ".join(f"{name} {value:.3f}" for name, value in row.items() if name not in ("step", "seconds"))
        line = json.dumps(row) if args.json else f"step {row['step']:,.0f} / {spec.steps:,}  {row['seconds']:,.0f} s  {rates}"
        print(line, flush=True)

    try:
        folder = run(spec, out, str(device.device), report)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error}") from error
    if args.json:
        print(json.dumps({"checkpoint": str(folder)}))  # one object a line, like the rows
        return
    print(f"Checkpoint in {folder}. Try it: python -m codi_core eval --model {folder}")


def train_lens(args: argparse.Namespace) -> None:
    """Train a tuned lens of a model; run the same command again to resume"""
    from codi_core.lenses.training import LensTrainSpec
    from codi_core.services.lenses import train_lens as run

    names = {"n": "n_questions"}
    given = ("indices", "train_set", "held_out_set", "n", "n_held_out", "steps", "batch", "lr", "seed")
    spec = LensTrainSpec(**{names.get(name, name): value for name in given if (value := getattr(args, name)) is not None})
    shows: dict[str, Callable[[int, int], None] | None] = {}

    def progress(what: str, done: int, total: int) -> None:
        if show := shows.setdefault(what, _progress(args, what)):
            show(done, total)

    with _workbench(args) as bench:
        trained = run(bench, bench.settings.model, spec, "train-lens", progress, args.out)
    card = trained.card
    below = slice(0, -1)  # the last depth is the output itself
    kl = {"tuned": float(card.kl_tuned[:, below].mean()), "plain": float(card.kl_plain[:, below].mean())}
    if args.json:
        _print_json({"folder": str(trained.folder), "name": card.name, "key": card.key, "held_out_kl": kl})
        return
    print(f"{card.name} in {trained.folder}: held-out KL to the output {kl['tuned']:.3f} nats, logit lens {kl['plain']:.3f}")


# Set-up and output


def _settings(args: argparse.Namespace) -> Settings:
    flags = {name: getattr(args, name, None) for name in Settings.__dataclass_fields__}
    return dataclasses.replace(Settings.from_env(), **{name: value for name, value in flags.items() if value is not None})


@contextmanager
def _workbench(args: argparse.Namespace) -> Iterator[Workbench]:
    """Closed at the end, whatever happens: Ctrl+C then stops the model at its next step."""
    from codi_core.models.load import ModelRequest
    from codi_core.services.workbench import Workbench

    settings = _settings(args)
    request = ModelRequest(settings.model, args.base, args.lora_alpha, args.prompt_format, args.rope_rounding)
    bench = Workbench(settings, {settings.model: request})
    try:
        yield bench
    finally:
        bench.close()


def _progress(args: argparse.Namespace, what: str) -> Callable[[int, int], None] | None:
    """Shows (done, total) on stderr: one line that changes on a terminal, a line now and then elsewhere, nothing there with --json."""
    overwrite, started = sys.stderr.isatty(), time.monotonic()
    if args.json and not overwrite:
        return None
    shown = started

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if overwrite or done == total or now - shown >= PROGRESS_SECONDS:
            shown = now
            line = f"{what}: {done:,} of {total:,}, {now - started:.0f} s"
            print(f"\r{line}" if overwrite else line, end="" if overwrite and done < total else "\n", file=sys.stderr, flush=True)

    return show


def _sweep_progress(args: argparse.Namespace) -> Callable[[SweepProgress], None] | None:
    """As `_progress`, with rate and time left; a unit that fails is named at once."""
    overwrite = sys.stderr.isatty()
    if args.json and not overwrite:
        return None
    shown = float("-inf")
    named: set[int] = set()

    def show(progress: SweepProgress) -> None:
        nonlocal shown
        for number, reason in progress.failed:
            if number not in named:
                print("\n" * overwrite + f"unit {number} failed: {reason}", file=sys.stderr)
        named.update(number for number, _ in progress.failed)
        complete, now = progress.done == progress.total, time.monotonic()
        if overwrite or complete or now - shown >= PROGRESS_SECONDS:
            shown = now
            left = f", {progress.eta:,.0f} s left" if 0 < progress.eta < float("inf") else ""
            line = f"{progress.done:,} of {progress.total:,} units, {progress.rate:.2f} conditions/s{left}"
            print(f"\r{line}  " if overwrite else line, end="" if overwrite and not complete else "\n", file=sys.stderr, flush=True)

    return show


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False, default=_plain))


def _plain(array: Any) -> Any:
    """A numpy array or number as lists; NaN, a mean over nothing say, becomes null."""
    import numpy as np

    known: Any = np.where(np.isnan(array), None, array) if array.dtype.kind == "f" else array
    return known.tolist()


def _print_table(rows: Sequence[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        print(f"{name:{width}}  {text}")


def _verdict(passed: bool) -> str:
    return "PASS" if passed else "FAIL"


def _percent(share: Share) -> str:
    return f"{share.value:6.1%}  [{share.low:.1%}, {share.high:.1%}]  n {share.n:,}, effective {share.effective_n:,.0f}"


def _condition(report: EvalReport) -> str:
    spec = report.spec
    how = "explicit chain of thought" if spec.mode == "cot" else f"{spec.rollout.passes} passes"
    return f"{spec.eval_set.name} (seed {spec.eval_set.seed}), {how}"


def _report_line(report: EvalReport) -> str:
    return f"{_percent(report.accuracy)}  {_condition(report)}"


def _print_report(report: EvalReport) -> None:
    print(f"{report.spec.model.name} on {_condition(report)}")
    low, high = report.bootstrap
    rows = [
        ("accuracy", f"{_percent(report.accuracy)}  (95 %; cluster bootstrap [{low:.1%}, {high:.1%}])"),
        ("outcomes", ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())),
        *((f"  {name}", _percent(group)) for name, group in report.by_family.items()),
        *((f"  {steps} step{'s' * (steps > 1)}", _percent(group)) for steps, group in report.by_steps.items()),
    ]
    for swap in report.swaps:
        names = {"donor": "the donor's answer", "own": "its own answer", "neither": "neither"}
        rows.append((f"swap {swap.patch}", "latents of another question, and the answer is"))
        rows += [(f"  {text}", _percent(getattr(swap, name))) for name, text in names.items()]
    _print_table([*rows, *([("note", report.note)] if report.note else []), ("key", report.spec.key)])


def _print_effect(args: argparse.Namespace, effect: SteeringEffect) -> None:
    if args.json:
        transitions = {f"{before} → {after}": count for (before, after), count in effect.transitions.items()}
        _print_json({**dataclasses.asdict(dataclasses.replace(effect, transitions={})), "transitions": transitions})
        return
    paired, band = effect.paired, effect.controls
    print(effect.verdict)
    rows = [
        ("baseline", _percent(effect.baseline)),
        ("steered", _percent(effect.steered)),
        ("difference", f"{paired.delta:+.1%}  [{paired.low:+.1%}, {paired.high:+.1%}]  {paired.fixed} fixed, {paired.broken} broken"),
        ("p", f"{paired.p_clustered:.3g} clustered, {paired.p_mcnemar:.3g} exact McNemar (as if questions were independent)"),
        ("gold margin", f"{effect.margin.value:+.3f}  [{effect.margin.low:+.3f}, {effect.margin.high:+.3f}]"),
        ("P(gold)", f"{effect.p_gold.value:+.4f}  [{effect.p_gold.low:+.4f}, {effect.p_gold.high:+.4f}]"),
        ("answers", f"{effect.changed:,} of {effect.done:,} changed"),
    ]
    if band:
        rows.append(("controls", f"{len(band.accuracy)}: percentile {band.percentile:.0f}, of the margin {band.margin_percentile:.0f}"))
    _print_table([*rows, ("key", effect.key), ("baseline key", effect.baseline_key)])


def _print_sweep(table: SweepTable, words: str) -> None:
    eval_set, cells = table.eval_set, table.cells
    print(f"{table.model_name}, {table.title}, {eval_set.name} (n {eval_set.n:,}, seed {eval_set.seed}): {len(cells):,} conditions")
    for text in table.refused:
        print(f"left out: {text}")
    if words:
        print(f"chosen: {words}")
    for row in cells[cells["role"] == "baseline"].itertuples(index=False):
        print(f"unsteered, {row.passes} passes: {row.accuracy:6.1%}  [{row.low:.1%}, {row.high:.1%}]")
    for variant, own in cells[cells["role"] == "cell"].groupby("variant", sort=False):
        counts = ", ".join(f"{int((own[f'p_{name}'] < 0.05).sum()):,} by {name}" for name in ("holm", "bh", "max"))
        print(f"\n{variant}: {len(own):,} cells; different from the baseline with as many passes at 5 %: {counts}")
        best = own.sort_values("delta", kind="stable")
        for row in (best.head(3) if len(best) > 6 else best).itertuples(index=False):
            print(_cell_line(row))
        for row in best.tail(3).itertuples(index=False) if len(best) > 6 else ():
            print(_cell_line(row))
    print(f"\nkey  {table.key}")


def _cell_line(row: Any) -> str:
    effect = f"{row.delta:+7.1%} [{row.delta_low:+.1%}, {row.delta_high:+.1%}]"
    return (
        f"  A{row.a}-B{row.b} index {row.index} coefficient {row.coefficient:+g}  {effect}  {row.fixed} fixed, {row.broken} broken, "
        f"p_max {row.p_max:.3g}, percentile {row.percentile:.0f}"
    )


def _print_ablation(args: argparse.Namespace, found: PassCurve | AblationMap | PromptImportance) -> None:
    from codi_core.figures.ablate import ablation_table, importance_table, pass_table
    from codi_core.types import PassCurve, PromptImportance

    head: dict[str, Any] = {}
    if isinstance(found, PromptImportance):
        head, table = {"answer": found.answer, "prob": found.prob, "draws": found.draws, "key": found.key}, importance_table(found)
    else:
        table = pass_table(found) if isinstance(found, PassCurve) else ablation_table(found)
    if args.json:
        _print_json({**head, "rows": table.to_dict(orient="records")})
        return
    if head:
        print(f"answer {head['answer']!r}, P = {head['prob']:.3f}; {head['draws']} draws a latent, changes of log P in nats")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"))


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
