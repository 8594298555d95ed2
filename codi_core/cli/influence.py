"""The command about who reads whom: influence."""

from __future__ import annotations

import argparse
from typing import Any

from codi_core.cli.evals import means_request
from codi_core.cli.flags import eval_set_arguments, json_argument, means_arguments, model_arguments, passes_argument, whole
from codi_core.cli.session import open_workbench, print_json, progress
from codi_core.errors import InputError


def influence_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", metavar="TEXT", help="of one prompt; without it: over the eval set")
    keys = "hide this key from --query: tokens of the prompt from 0 on, then the slots of bot and the passes; may be repeated"
    parser.add_argument("--cut", action="append", type=whole, metavar="KEY", help=keys)
    parser.add_argument("--query", type=whole, metavar="I", help="index 0..n, or n + 1 for the answer (default: every later one)")
    parser.add_argument("--how", choices=("kv", "z", "both"), default="kv", help="kv: hide the key; z: replace z of the slot's index")
    parser.add_argument("--by", choices=("zero", "gaussian", "mean", "resample"), default="zero", help="what stands in a latent's place")
    eval_set_arguments(parser, default="templates")
    passes_argument(parser)
    means_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def influence(args: argparse.Namespace) -> None:
    """Show what passes and answer attend to, cut edges, and draw the graph of latents; of one prompt or over an eval set"""
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
    from codi_core.figures.influence import edges_table, numbers_table, summary_table
    from codi_core.services.influence_sets import InfluenceSetRequest, influence_set

    show, found = progress(args, "questions"), None
    with open_workbench(args) as bench:
        n, means = args.n or InfluenceSetRequest.n, means_request(args)
        request = InfluenceSetRequest(bench.settings.model, args.eval_set, n, args.seed, args.by, args.passes, means)
        for found in influence_set(bench, request, "influence"):
            if show:
                show(len(found.ids), found.total)
    assert found is not None
    tables = {"edges": edges_table(found), "summaries": summary_table(found), "numbers": numbers_table(found)}
    if args.json:
        print_json({"key": found.spec.key, "n": len(found.ids), **{name: _records(table) for name, table in tables.items()}})
        return
    for table in tables.values():
        print(table.to_string(index=False, float_format="{:.3f}".format))
    print(f"n = {len(found.ids):,} questions; key  {found.spec.key}")


def _records(table: Any) -> Any:
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")
