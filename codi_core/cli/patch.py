"""The command about two prompts: patch."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codi_core.cli.flags import eval_set_arguments, json_argument, model_arguments, passes_argument
from codi_core.cli.session import open_workbench, print_json, progress
from codi_core.errors import InputError

if TYPE_CHECKING:
    from codi_core.services.patch_maps import PatchMapRequest
    from codi_core.services.shared.workbench import Workbench
    from codi_core.values.patching import PatchedPair, PatchMap
    from codi_core.values.stats import Contrast


def patch_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", metavar="TEXT", help="the clean prompt, whose cells are taken; without it: pairs of the eval set")
    parser.add_argument("--into", metavar="TEXT", help="the corrupt prompt, in which they are put")
    places = "3.4 (index.depth), 3 or 0-3 (all depths), kv3 (a cache slot), z2"
    parser.add_argument("--from", dest="taken", metavar="PLACE", help=f"patch this one place: {places}; without it: the map of all cells")
    parser.add_argument("--to", dest="put", default="", metavar="PLACE", help="where it is put (default: the same place)")
    parser.add_argument("--noising", action="store_true", help="a map the other way: cells of the corrupt prompt in the clean one")
    kinds = "source, random (as long), other (question), mean (of its template), same (answer, other numbers)"
    parser.add_argument("--put", dest="donor", default="source", metavar="KIND", help=f"what a map puts in place: {kinds} (default source)")
    parser.add_argument("--beside-control", action="store_true", help="also map the model's pause twin on the same pairs: the differences")
    eval_set_arguments(parser, default="templates")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def patch(args: argparse.Namespace) -> None:
    """Put latents of one prompt into another and see how far the answer goes over; or map all cells, over many pairs"""
    with open_workbench(args) as bench:
        if args.taken is not None:
            _print_pair(args, _one(args, bench))
        else:
            _print_map(args, *_maps(args, bench))


def _one(args: argparse.Namespace, bench: Workbench) -> PatchedPair:
    from codi_core.services.patch import PatchRequest
    from codi_core.services.patch import patch as run

    if args.prompt is None or args.into is None:
        raise InputError("--from takes a place of --prompt and puts it in --into: give both.")
    if args.noising or args.donor != "source" or args.beside_control:
        raise InputError("--noising, --put and --beside-control are for maps: leave --from out, or swap --prompt and --into.")
    request = PatchRequest(bench.settings.model, args.prompt, args.into, args.taken, args.put, args.passes, seed=args.seed)
    return run(bench, request, "patch")


def _maps(args: argparse.Namespace, bench: Workbench) -> tuple[PatchMap, PatchMap | None, Contrast | None]:
    """Of the model; of its control and the difference, where that is wanted."""
    from codi_core.services.patch_maps import PatchMapRequest, patch_contrast
    from codi_core.services.twins import control_of

    way: Any = "noising" if args.noising else "denoising"
    request = PatchMapRequest(
        bench.settings.model,
        args.prompt or "",
        args.into or "",
        args.eval_set,
        args.n or PatchMapRequest.n,
        args.seed,
        way,
        args.donor,
        args.passes,
    )
    if not args.beside_control:
        return _map(args, bench, request), None, None
    twin = control_of(bench, request.model)
    own, control = (_map(args, bench, each) for each in (request, replace(request, model=twin, pairs_of=request.model)))
    return own, control, patch_contrast(bench, own.spec, control.spec)


def _map(args: argparse.Namespace, bench: Workbench, request: PatchMapRequest) -> PatchMap:
    from codi_core.services.patch_maps import patch_map

    show, found = progress(args, f"indices of {request.model}"), None
    for found in patch_map(bench, request, "patch"):
        if show:
            show(int(found.done), args.passes + 1)
    assert found is not None
    return found


def _print_pair(args: argparse.Namespace, found: PatchedPair) -> None:
    from codi_core.figures.patching import as_json, effect_words

    if args.json:
        print_json(as_json(found))
        return
    print(f"from  {found.source.answer!r} ({found.source.tokens} tokens), into {found.target.answer!r} ({found.target.tokens} tokens)")
    print(f"patched       {effect_words(found.effect)}")
    print(f"random vector {effect_words(found.random)}")
    print(f"key  {found.key}")


def _print_map(args: argparse.Namespace, found: PatchMap, control: PatchMap | None, difference: Contrast | None) -> None:
    from codi_core.figures.contrast import contrast_sentence, contrast_table

    sentence = contrast_sentence("recovery", difference, False, unit="in R") if difference else ""
    if args.json:
        beside = (
            {"sentence": sentence, **_facts(control), "difference": _records(contrast_table(difference))}
            if control and difference
            else None
        )
        print_json({**_facts(found), **({"beside_control": beside} if beside else {})})
        return
    _print_table(found)
    if control:
        print("\nBeside its control, on the same pairs:")
        _print_table(control)
        print(sentence)


def _facts(found: PatchMap) -> dict[str, Any]:
    from codi_core.figures.patching import map_table

    return {"key": found.spec.key, "pairs": len(found.pairs), "left_out": found.left_out, "rows": _records(map_table(found))}


def _records(table: Any) -> Any:
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")


def _print_table(found: PatchMap) -> None:
    from codi_core.figures.patching import map_table

    table = map_table(found)
    print(f"{found.spec.way}, {found.spec.donor} put in place: {len(found.pairs):,} pairs, {found.left_out:,} left out (below 1 nat)")
    print(
        table.pivot(index="depth", columns="index", values="recovery").sort_index(ascending=False).to_string(float_format="{:.2f}".format)
    )
    print(f"key  {found.spec.key}")
