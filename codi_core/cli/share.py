"""What leaves the house and what comes in: bundle, add, publish."""

from __future__ import annotations

import argparse
from pathlib import Path

from codi_core.cli.evals import condition_request
from codi_core.cli.flags import (
    CONDITION_HELP,
    CommandParser,
    eval_set_arguments,
    machine_arguments,
    means_arguments,
    model_arguments,
    passes_argument,
    positive,
    whole,
)
from codi_core.cli.session import open_workbench, settings_of
from codi_core.errors import InputError


def bundle_arguments(parser: CommandParser) -> None:
    parser.takes_interventions = True
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--condition", metavar="TEXT", help=f"the intervention: {CONDITION_HELP}")
    what.add_argument("--eval", action="store_true", help="the accuracy of the model itself")
    what.add_argument("--lens", metavar="NAME", help="a trained lens of the model, as in tuned:all")
    what.add_argument("--sweep", metavar="KEY", help="a stored sweep; needs no model")
    parser.add_argument("--out", type=Path, metavar="PATH", help="a .zip file, or a folder (default: here, named by its key)")
    eval_set_arguments(parser)
    passes_argument(parser)
    parser.add_argument("--max-new-tokens", type=positive, default=32, metavar="N", help="longest answer (default 32)")
    parser.add_argument("--against", choices=("same", "all"), default="same", help="baseline with as many passes (default), or all")
    parser.add_argument("--controls", type=whole, default=0, metavar="N", help="random directions to try too; 20 and more: a percentile")
    means_arguments(parser)
    model_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE.zip")
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="where results are kept")


def bundle(args: argparse.Namespace) -> None:
    """Write a .zip of a condition, an accuracy, a lens or a stored sweep: spec, results, hashes and a notebook that repeats it"""
    from codi_core.services.bundle import bundle_condition, bundle_eval, bundle_lens, bundle_sweep, save_bundle
    from codi_core.services.evaluate import EvalRequest

    if not (args.sweep or args.eval or args.lens) and args.condition is None:
        raise InputError("Nothing to bundle was named: give --condition TEXT, --eval, --lens NAME, or --sweep KEY of a stored sweep.")
    with open_workbench(args) as bench:
        model = bench.settings.model
        if args.sweep:
            made = bundle_sweep(bench, args.sweep)
        elif args.lens:
            made = bundle_lens(bench, model, args.lens, "bundle")
        elif args.eval:
            made = bundle_eval(bench, EvalRequest(model, args.eval_set, args.n, args.seed, args.passes), "bundle")
        else:
            made = bundle_condition(bench, condition_request(args, bench, args.condition), "bundle")
    path = save_bundle(made, args.out)
    print(f"{path}: {path.stat().st_size:,} bytes")


def add(args: argparse.Namespace) -> None:
    """Take in somebody's bundle, a sweep, an eval, a condition or a lens, after checking every hash and spec"""
    from codi_core.services.received import add_bundle

    for part in add_bundle(settings_of(args), args.bundle).parts:
        print(part.sentence)


def publish_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="new, empty, or published before")
    parser.add_argument("--model", action="append", metavar="NAME", dest="models", help="may be repeated (default: those that ship)")
    machine_arguments(parser)


def publish(args: argparse.Namespace) -> None:
    """Write static pages that open from disk and from any host: tour, claims, heatmaps and a dozen prompts with their lens grids"""
    from codi_core.publish.folder import USUAL, PublishRequest
    from codi_core.publish.folder import publish as write
    from codi_core.services.shared.workbench import Workbench

    bench = Workbench(settings_of(args))
    try:
        done = write(bench, args.folder, PublishRequest(tuple(args.models or USUAL)))
    finally:
        bench.close()
    for name in done.left_out:
        print(f"left out, as the folder would become too large: {name}")
    print(f"{done.folder}: {done.files} files, {done.size:,} bytes; open {done.folder / 'index.html'}")
