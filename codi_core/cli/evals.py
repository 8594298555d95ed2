"""Commands that measure answers, unsteered and steered: eval, compare, steer, vector."""

from __future__ import annotations

import argparse
import dataclasses
from typing import TYPE_CHECKING, get_args

from codi_core.cli.flags import (
    CONDITION_HELP,
    CommandParser,
    eval_set_arguments,
    gold_arguments,
    json_argument,
    lens_argument,
    lenses_of,
    means_arguments,
    model_arguments,
    passes_argument,
    positive,
    whole,
)
from codi_core.cli.session import changed, open_workbench, padded, percent, print_json, print_table, progress
from codi_core.errors import InputError
from codi_core.figures.text import bracketed, number
from codi_core.problems.clusters import grouping
from codi_core.values.evals import Mode
from codi_core.values.model import RolloutConfig
from codi_core.values.signs import decimal
from codi_core.values.vectors import Space

if TYPE_CHECKING:
    from codi_core.services.evaluate import EvalReport
    from codi_core.services.shared.requests import ConditionRequest, MeansRequest
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.evals import Controls, SteeringEffect


def eval_arguments(parser: CommandParser) -> None:
    parser.takes_interventions = True
    eval_set_arguments(parser)
    passes_argument(parser)
    parser.add_argument("--mode", choices=get_args(Mode), default="latent", help="cot: write the chain of thought out, no passes")
    parser.add_argument("--swap-donor", action="store_true", help="also answer with the latents of another question")
    parser.add_argument(
        "--max-new-tokens",
        type=positive,
        metavar="N",
        help="longest answer (default 32; 128 with --mode cot)",
    )
    parser.add_argument("--fresh", action="store_true", help="compute again even if the result is stored")
    group = parser.add_argument_group("steering", "measure an intervention against the unsteered model")
    group.add_argument("--condition", metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    group.add_argument("--against", choices=("same", "all"), default="same", help="baseline with as many passes (default), or all")
    group.add_argument("--controls", type=whole, default=0, metavar="N", help="random directions to try too; 20 and more: a percentile")
    means_arguments(group)
    model_arguments(parser)
    json_argument(parser)


def compare_arguments(parser: CommandParser) -> None:
    parser.takes_interventions = True
    parser.add_argument("--a", default="", metavar="TEXT", help=f"{CONDITION_HELP}; empty: unsteered (default)")
    parser.add_argument("--b", required=True, metavar="TEXT", help="as --a")
    eval_set_arguments(parser)
    passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=32, metavar="N", help="longest answer (default 32)")
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def steer_arguments(parser: CommandParser) -> None:
    parser.takes_interventions = True
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--condition", required=True, metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    parser.add_argument("--control-seed", type=whole, default=0, metavar="S", help="which random direction stands beside it (default 0)")
    gold_arguments(parser)
    lens_argument(parser, several=True)
    passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=32, metavar="N", help="longest answer (default 32)")
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def vector_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", required=True, metavar="TEXT", help="difference a=2 b=4, component rank=1, content index=3 value=24, …")
    parser.add_argument("--space", choices=get_args(Space), default="z")
    parser.add_argument("--layer", type=whole, metavar="D", help="depth of space resid")
    parser.add_argument("--raw", action="store_true", help="keys as they lie in the cache, rotated")
    passes_argument(parser)
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def evaluate(args: argparse.Namespace) -> None:
    """Measure accuracy on an eval set, or with --condition what an intervention does to it; results are stored"""
    if args.condition is not None:
        _evaluate_condition(args)
        return
    from codi_core.services.evaluate import EvalRequest
    from codi_core.services.evaluate import evaluate as run

    with open_workbench(args) as bench:
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
        report = run(bench, request, progress(args, "eval"), fresh=args.fresh)
    if args.json:
        print_json(report.as_json())
    else:
        _print_report(report)


def _evaluate_condition(args: argparse.Namespace) -> None:
    from codi_core.services.effects import evaluate_condition

    if args.mode != "latent" or args.swap_donor or args.fresh:
        raise InputError("--condition steers latents and its results are stored: leave --mode, --swap-donor and --fresh out.")
    show, effect = progress(args, "eval"), None
    with open_workbench(args) as bench:
        for effect in evaluate_condition(bench, condition_request(args, bench, args.condition), "eval"):
            if show:
                show(effect.done, effect.total)
    assert effect is not None
    _print_effect(args, effect)


def compare(args: argparse.Namespace) -> None:
    """Compare two interventions, or one with the unsteered model, question by question"""
    from codi_core.services.effects import compare_conditions

    with open_workbench(args) as bench:
        a, b = (condition_request(args, bench, text) for text in (args.a, args.b))
        effect = compare_conditions(bench, a, b, "compare")
    _print_effect(args, effect)


def steer(args: argparse.Namespace) -> None:
    """Answer one prompt unsteered, steered, and pushed as hard in a random direction"""
    from codi_core.services.shared.interventions import methods_of
    from codi_core.services.shared.requests import SteerRequest
    from codi_core.services.steer import steer as run

    with open_workbench(args) as bench:
        request = SteerRequest(
            model=bench.settings.model,
            prompt=args.prompt,
            interventions=methods_of(args.condition),
            means=means_request(args),
            passes=args.passes,
            max_new_tokens=args.max_new_tokens,
            control_seed=args.control_seed,
            lenses=lenses_of(args),
            gold=args.gold,
            steps=args.steps,
        )
        found = run(bench, request, "steer")
    panes = {name: pane for name in ("baseline", "steered", "control") if (pane := getattr(found, name))}
    if args.json:
        shared = {"model": dataclasses.asdict(found.model), "passes": found.passes, "identical": found.identical, "command": found.command}
        print_json({**shared, **{name: dataclasses.asdict(pane) for name, pane in panes.items()}})
        return
    gold = f"gold {number(found.problem.gold)}, " if found.problem else ""
    reach = f"reaches pass {found.first_pass} on" if found.first_pass <= found.passes else "reaches the answer only"
    print(f"{found.model.name}: {gold}{found.passes} passes, the edit {reach}{'; identical bit for bit' * found.identical}")
    for name, pane in panes.items():
        scores = "" if pane.p_gold is None else f"  P(gold) {pane.p_gold:.3f}  margin {decimal(pane.margin, '+.2f')}"
        tops = ", ".join(f"{top.token!r} {top.prob:.2f}" for top in pane.top_answers[:4])
        print(f"{name:9} {padded(repr(pane.answer), 12)}{scores}  {pane.outcome or ''}  ({tops})")


def vector(args: argparse.Namespace) -> None:
    """Show how long and how stable a direction is, and which coefficients make sense"""
    from codi_core.services.shared.interventions import VectorSpace, source_of
    from codi_core.services.shared.requests import VectorRequest
    from codi_core.services.vectors import vector_info

    with open_workbench(args) as bench:
        place = VectorSpace(args.space, args.layer, args.raw)
        info = vector_info(
            bench, VectorRequest(bench.settings.model, source_of(args.source), place, means_request(args), args.passes), "vector"
        )
    if args.json:
        print_json(dataclasses.asdict(info))
        return
    parts = ("keys", "values") if args.space == "kv" else (args.space,)
    stable = "" if info.vector.split_half is None else f", cosine of its halves {info.vector.split_half:.3f}"
    print(f"{info.model.name}: {info.vector.label}, from {info.vector.n:,} questions of {info.means.eval_set.name}{stable}")
    print_table([(f"length of {part}", f"{norm:.4g}") for part, norm in zip(parts, info.vector.norms, strict=True)])
    for index, (site, full) in enumerate(zip(info.site_norms, info.full_dose, strict=True)):
        print(f"at index {index}: length there {', '.join(f'{norm:.4g}' for norm in site)}; coefficient {full:.3g} pushes as far")


def condition_request(args: argparse.Namespace, bench: Workbench, text: str) -> ConditionRequest:
    from codi_core.services.shared.interventions import methods_of
    from codi_core.services.shared.requests import ConditionRequest

    return ConditionRequest(
        model=bench.settings.model,
        interventions=methods_of(text),
        eval_set=args.eval_set,
        n=args.n,
        seed=args.seed,
        means=means_request(args),
        passes=args.passes,
        max_new_tokens=args.max_new_tokens or RolloutConfig.max_new_tokens,
        overlap=args.overlap,
        against=getattr(args, "against", "same"),
        controls=getattr(args, "controls", 0),
    )


def means_request(args: argparse.Namespace) -> MeansRequest:
    from codi_core.services.shared.requests import MeansRequest

    return MeansRequest(args.means, args.means_n, args.means_seed, args.means_only)


def condition(report: EvalReport) -> str:
    spec = report.spec
    how = "explicit chain of thought" if spec.mode == "cot" else f"{spec.rollout.passes} passes"
    return f"{spec.eval_set.name} (seed {spec.eval_set.seed}), {how}"


def _print_report(report: EvalReport) -> None:
    print(f"{report.spec.model.name} on {condition(report)}")
    rows = [
        ("accuracy", f"{percent(report.accuracy)}  (95 %)"),
        ("grouped", grouping(report.run.rows)),
        ("answers", report.outcomes.words()),
        ("spelled out", f"{percent(report.spelled_out)}  answers that write equations after the latents"),
        *((f"  {name}", percent(group)) for name, group in report.by_family.items()),
        *((f"  {steps} step{'s' * (steps > 1)}", percent(group)) for steps, group in report.by_steps.items()),
    ]
    for swap in report.swaps:
        names = {"donor": "the donor's answer", "own": "its own answer", "neither": "neither"}
        rows.append((f"swap {swap.patch}", "latents of another question, and the answer is"))
        rows += [(f"  {text}", percent(getattr(swap, name))) for name, text in names.items()]
    print_table([*rows, *([("note", report.note)] if report.note else []), ("key", report.spec.key)])


def _print_effect(args: argparse.Namespace, effect: SteeringEffect) -> None:
    if args.json:
        print_json(effect.as_json())
        return
    paired, band = effect.paired, effect.controls
    print(effect.verdict.sentence())
    rows = [
        ("baseline", percent(effect.baseline)),
        ("", effect.baseline_outcomes.words()),
        ("steered", percent(effect.steered)),
        ("", effect.steered_outcomes.words()),
        ("difference", changed(paired.delta, paired.low, paired.high)),
        ("", effect.only_form.words(paired.fixed, paired.broken)),
        ("grouped", effect.verdict.grouping),
        ("p", f"{paired.p_clustered:.3g} clustered, {paired.p_mcnemar:.3g} exact McNemar (as if questions were independent)"),
        ("gold margin", bracketed(effect.margin.value, effect.margin.low, effect.margin.high, "+.3f")),
        ("P(gold)", bracketed(effect.p_gold.value, effect.p_gold.low, effect.p_gold.high, "+.4f")),
        ("answers", f"{effect.changed:,} of {effect.done:,} changed"),
    ]
    if band:
        rows += [("controls", _band_words(band)), ("", band.outcomes.words())]
    print_table([*rows, ("key", effect.key), ("baseline key", effect.baseline_key)])


def _band_words(band: Controls) -> str:
    count = len(band.accuracy)
    if band.percentile is None or band.margin_percentile is None:
        return f"{count}: too few for a percentile"
    return f"{count}: percentile {band.percentile:.0f}, of the margin {band.margin_percentile:.0f}"
