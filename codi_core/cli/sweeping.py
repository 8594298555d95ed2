"""Commands for grids of conditions and what leaves the house: sweep, confirm, bundle."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codi_core.cli.answering import condition_request
from codi_core.cli.flags import (
    CONDITION_HELP,
    eval_set_arguments,
    executor_arguments,
    json_argument,
    means_arguments,
    model_arguments,
    passes_argument,
    positive,
    whole,
)
from codi_core.cli.session import open_workbench, print_json, sweep_progress
from codi_core.errors import InputError, SweepError

if TYPE_CHECKING:
    from codi_core.services.sweeps import SweepRequest
    from codi_core.services.workbench import Workbench
    from codi_core.types import SweepTable


def sweep_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", required=True, metavar="NAME", help="post-hidden, post-kv, corrected-hidden, corrected-kv, layers, …")
    eval_set_arguments(parser, "templates")
    passes_argument(parser)
    parser.add_argument("--randoms", type=whole, default=20, metavar="N", help="random directions a site and coefficient (default 20)")
    parser.add_argument("--shuffled", type=whole, default=4, metavar="N", help="differences of shuffled steps, likewise (default 4)")
    parser.add_argument("--means-n", type=whole, metavar="N", help="questions behind the means (default: the preset's; 0 = all)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="CELL", help="VARIANT:A:B:INDEX:COEFFICIENT instead of the grid; may be repeated"
    )
    executor_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def confirm_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", metavar="KEY", help="a stored sweep (default: the newest of this model on select)")
    eval_set_arguments(parser, "confirm")
    parser.add_argument("--randoms", type=whole, default=20, metavar="N", help="random directions a site and coefficient (default 20)")
    parser.add_argument("--shuffled", type=whole, default=4, metavar="N", help="differences of shuffled steps, likewise (default 4)")
    executor_arguments(parser)
    model_arguments(parser)
    json_argument(parser)


def bundle_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--condition", metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    what.add_argument("--sweep", metavar="KEY", help="a stored sweep; needs no model")
    parser.add_argument("--out", type=Path, metavar="PATH", help="a .zip file, or a folder (default: here, named by its key)")
    eval_set_arguments(parser)
    passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive, metavar="N", help="longest answer (default: 4 more than gold)")
    parser.add_argument("--against", choices=("same", "all"), default="same", help="baseline with as many passes (default), or all")
    parser.add_argument("--controls", type=whole, default=0, metavar="N", help="random directions to try too; 20 and more: a percentile")
    means_arguments(parser)
    model_arguments(parser)


def sweep(args: argparse.Namespace) -> int:
    """Run every condition of a grid on an eval set; run the same command again to resume"""
    from codi_core.services.sweeps import SweepRequest, chosen_of

    with open_workbench(args) as bench:
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

    with open_workbench(args) as bench:
        request, words = confirm_request(bench, args.sweep, args.eval_set, args.n, args.seed, args.randoms, args.shuffled)
        return _sweep(args, bench, request, words)


def _sweep(args: argparse.Namespace, bench: Workbench, request: SweepRequest, words: str) -> int:
    """``words`` on how its cells were chosen."""
    from codi_core.services.cluster_sweep import sweep_on_cluster
    from codi_core.services.sweeps import sweep as sweep_here

    run = sweep_on_cluster if bench.settings.backend == "ray" else sweep_here
    try:
        table = run(bench, request, sweep_progress(args))
    except SweepError as error:
        print(f"codi_core {args.name}: {error}", file=sys.stderr)
        return 1
    if args.json:
        cells = table.cells.astype(object).where(table.cells.notna(), None)
        print_json({"key": table.key, "chosen": words, "refused": table.refused, "cells": cells.to_dict("records")})
    else:
        _print_sweep(table, words)
    return 0


def bundle(args: argparse.Namespace) -> None:
    """Write a .zip of a condition or a stored sweep: spec, results, versions, hashes, command line and a notebook that repeats it"""
    from codi_core.services.bundle import bundle_condition, bundle_sweep, save_bundle

    if not args.sweep and args.condition is None:
        raise InputError("Nothing to bundle was named: give --condition TEXT, or --sweep KEY of a stored sweep.")
    with open_workbench(args) as bench:
        made = (
            bundle_sweep(bench, args.sweep)
            if args.sweep
            else bundle_condition(bench, condition_request(args, bench, args.condition), "bundle")
        )
    path = save_bundle(made, args.out)
    print(f"{path}: {path.stat().st_size:,} bytes")


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
