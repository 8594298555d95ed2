"""The command about who reads whom: influence."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codi_core.cli.evals import means_request
from codi_core.cli.flags import eval_set_arguments, json_argument, means_arguments, model_arguments, passes_argument, whole
from codi_core.cli.session import open_workbench, print_json, progress
from codi_core.errors import InputError

if TYPE_CHECKING:
    from codi_core.services.influence_sets import InfluenceSetRequest
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.influence import InfluenceSet


def influence_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", metavar="TEXT", help="of one prompt; without it: over the eval set")
    keys = "hide this key from --query: tokens of the prompt from 0 on, then the slots of bot and the passes; may be repeated"
    parser.add_argument("--cut", action="append", type=whole, metavar="KEY", help=keys)
    parser.add_argument("--query", type=whole, metavar="I", help="index 0..n, or n + 1 for the answer (default: every later one)")
    parser.add_argument("--how", choices=("kv", "z", "both"), default="kv", help="kv: hide the key; z: replace z of the slot's index")
    parser.add_argument("--by", choices=("zero", "gaussian", "mean", "resample"), default="zero", help="what stands in a latent's place")
    parser.add_argument("--beside-control", action="store_true", help="of the eval set also in the model's pause twin: the differences")
    eval_set_arguments(parser, default="templates")
    passes_argument(parser)
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def influence(args: argparse.Namespace) -> None:
    """Show what passes and answer attend to, cut edges, and draw the graph of latents; of one prompt or over an eval set"""
    if args.prompt is not None and args.beside_control:
        raise InputError("--beside-control tells differences over an eval set: leave --prompt out.")
    if args.prompt is None:
        if args.cut:
            raise InputError("--cut cuts an edge of one prompt: give it with --prompt.")
        _over_a_set(args)
    elif args.cut:
        _cut(args)
    else:
        _one(args)


def _one(args: argparse.Namespace) -> None:
    from codi_core.figures.influence import attention_table, edges_table, numbers_table, summary_table
    from codi_core.services.influence import InfluenceRequest
    from codi_core.services.influence import influence as run

    with open_workbench(args) as bench:
        means = means_request(args)
        found = run(bench, InfluenceRequest(bench.settings.model, args.prompt, args.by, args.passes, means, args.seed), "influence")
    tables = {
        "attention": attention_table(found),
        "numbers": numbers_table(found),
        "edges": edges_table(found),
        "summaries": summary_table(found),
    }
    if args.json:
        print_json({"key": found.key, "answer": found.answer, **{name: _records(table) for name, table in tables.items()}})
        return
    top = tables["attention"].sort_values(["query", "attention"], ascending=[True, False]).groupby("query").head(5)
    print(f"answer {found.answer!r}; the five keys that each query attends to most (mean over layers and heads), and their shares by what")
    print(
        "is written of them and by attention rollout; none of the three is causal: --cut is. Then attention to numbers and its baselines."
    )
    print(top.to_string(index=False, float_format="{:.3f}".format))
    print(tables["numbers"].to_string(index=False, float_format="{:.3f}".format))
    print(tables["edges"].to_string(index=False, float_format="{:.3f}".format))
    print(tables["summaries"].to_string(index=False, float_format="{:.2f}".format))
    print(f"key  {found.key}")


def _cut(args: argparse.Namespace) -> None:
    from codi_core.figures.influence import cut_words, knock_out_table
    from codi_core.services.influence import KnockOutRequest, knock_out

    with open_workbench(args) as bench:
        keys, means = tuple(args.cut), means_request(args)
        request = KnockOutRequest(bench.settings.model, args.prompt, keys, args.query, args.how, args.by, args.passes, means, args.seed)
        found = knock_out(bench, request, "influence")
    if args.json:
        print_json({"key": found.key, "cuts": _records(knock_out_table(found))})
        return
    print(f"cut      {cut_words(found.cut)}")
    for control in found.controls:
        print(f"random   {cut_words(control)}")
    print(f"key  {found.key}")


def _over_a_set(args: argparse.Namespace) -> None:
    from codi_core.figures.influence import beside_table, cost_sentence, edges_table, mass_contrast, numbers_table, summary_table
    from codi_core.services.influence_sets import InfluenceSetRequest, influence_contrast
    from codi_core.services.twins import control_of

    beside: dict[str, Any] = {}
    with open_workbench(args) as bench:
        n, means = args.n or InfluenceSetRequest.n, means_request(args)
        request = InfluenceSetRequest(bench.settings.model, args.eval_set, n, args.seed, args.by, args.passes, means)
        twin = control_of(bench, request.model) if args.beside_control else None
        found = _seen(args, bench, request)
        if twin:
            control = _seen(args, bench, replace(request, model=twin))
            difference = influence_contrast(bench, request, found.spec, control.spec)
            sentences = [cost_sentence(found, control, difference), mass_contrast(difference)[1]]
            beside = {"key": control.spec.key, "sentences": sentences, "hidden": beside_table(found, control, difference)}
    tables = {"edges": edges_table(found), "summaries": summary_table(found), "numbers": numbers_table(found)}
    if args.json:
        shown = {"beside_control": {**beside, "hidden": _records(beside["hidden"])}} if beside else {}
        print_json({"key": found.spec.key, "n": len(found.ids), **{name: _records(table) for name, table in tables.items()}, **shown})
        return
    for table in tables.values():
        print(table.to_string(index=False, float_format="{:.3f}".format))
    print(f"n = {len(found.ids):,} questions; key  {found.spec.key}")
    if beside:
        print(f"\nBeside its control, {twin} (key {beside['key']}):", *beside["sentences"], sep="\n")
        print(beside["hidden"].to_string(index=False, float_format="{:.3f}".format))


def _seen(args: argparse.Namespace, bench: Workbench, request: InfluenceSetRequest) -> InfluenceSet:
    from codi_core.services.influence_sets import influence_set

    show, found = progress(args, f"questions of {request.model}"), None
    for found in influence_set(bench, request, "influence"):
        if show:
            show(len(found.ids), found.total)
    assert found is not None
    return found


def _records(table: Any) -> Any:
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")
