"""Commands that train: train, train-lens, train-jlens."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codi_core.cli.flags import json_argument, machine_arguments, model_arguments, passes_argument, positive
from codi_core.cli.session import open_workbench, print_json, progress, settings_of
from codi_core.errors import InputError
from codi_core.values.lens import LensCard

SETS = "default train+means; of models that did not learn our problems gsm8k-aug-500, as in the posts"


def train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="bundled", help="bundled, bundled-steps, or their pause twins (default bundled)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of training (default: the preset's)")
    parser.add_argument("--seed", type=int, metavar="S", help="default: the preset's")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the state and then the checkpoint go (default runs/PRESET)")
    machine_arguments(parser)
    json_argument(parser)


def train_lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--indices", default="all", help="all, odd, even, text, or numbers as in 3+5 (default all)")
    passes_argument(parser)
    parser.add_argument("--train-set", metavar="NAMES", help=f"eval sets or splits joined by + ({SETS})")
    parser.add_argument("--held-out-set", metavar="NAMES", help="for the card (default select, or gsm8k-aug)")
    parser.add_argument("--n", type=positive, metavar="N", help="training questions")
    parser.add_argument("--n-held-out", type=positive, metavar="N")
    parser.add_argument("--steps", type=positive, metavar="N")
    parser.add_argument("--batch", type=positive, metavar="B")
    parser.add_argument("--lr", type=float, metavar="X")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the cache, where lens and the Inspect page find it")
    model_arguments(parser)
    json_argument(parser)


def train_jlens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--variant",
        action="append",
        metavar="NAME",
        help="local, next, answer or text; next and answer also by path, as in next-z and answer-kv; pooled over indices as in local-all, "
        "-odd, -even; may be repeated (default local, next, answer and text)",
    )
    parser.add_argument("--train-set", metavar="NAMES", help=f"eval sets or splits joined by + ({SETS})")
    parser.add_argument("--held-out-set", metavar="NAMES", help="for the card (default select, or gsm8k-aug)")
    passes_argument(parser)
    parser.add_argument("--n", type=positive, metavar="N", help="questions to differentiate (default 200)")
    parser.add_argument("--n-held-out", type=positive, metavar="N")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument("--part", type=_part, default=(1, 1), metavar="K/N", help="only the K-th of N shares of the questions")
    parser.add_argument(
        "--merge", type=Path, nargs="+", default=[], metavar="FILE", help="what parts left, all or some; the other options as there"
    )
    parser.add_argument("--rows", type=positive, metavar="R", help="gradients at once (default 256; fewer when memory runs out)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the cache, where lens and the Inspect page find it")
    model_arguments(parser)
    json_argument(parser)


def _part(text: str) -> tuple[int, int]:
    number, slash, count = text.partition("/")
    if not slash:
        raise argparse.ArgumentTypeError(f"'{text}' is no part: use 1/4 for the first of four")
    return positive(number), positive(count)


def train(args: argparse.Namespace) -> None:
    """Train a bundled model from scratch; run the same command again to resume"""
    from codi_core.device import choose_device, set_threads
    from codi_core.training.run import TRAIN_PRESETS
    from codi_core.training.run import train as run

    if args.preset not in TRAIN_PRESETS:
        raise InputError(f"Unknown preset '{args.preset}': use {', '.join(TRAIN_PRESETS)}.")
    settings = settings_of(args)
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
    from codi_core.services.lenses import lens_spec
    from codi_core.services.lenses import train_lens as run

    given = _given(args, "indices", "passes", "train_set", "held_out_set", "n", "n_held_out", "steps", "batch", "lr", "seed")
    with open_workbench(args) as bench:
        spec = lens_spec(bench, bench.settings.model, given)
        trained = run(bench, bench.settings.model, spec, "train-lens", _stages(args), args.out)
    made = _made(trained.folder, trained.card, "tuned")
    if args.json:
        print_json(made)
        return
    kl = made["held_out_kl"]
    print(f"{trained.card.name} in {trained.folder}: held-out KL to the output {kl['tuned']:.3f} nats, logit lens {kl['plain']:.3f}")


def train_jlens(args: argparse.Namespace) -> None:
    """Fit Jacobian lenses of a model; run the same command again to resume"""
    from codi_core.lenses.jacobian import parse_variant
    from codi_core.services.lenses import JacobianFit, jacobian_spec
    from codi_core.services.lenses import train_jlens as run

    given = _given(args, "train_set", "held_out_set", "n", "n_held_out", "passes", "seed")
    variants = tuple(dict.fromkeys(map(parse_variant, args.variant or ("local", "next", "answer", "text"))))
    with open_workbench(args) as bench:
        spec = jacobian_spec(bench, bench.settings.model, given)
        asked = JacobianFit(spec, variants, args.part, tuple(args.merge), **_given(args, "rows"))
        made = run(bench, bench.settings.model, asked, "train-jlens", _stages(args), args.out)
    if isinstance(made, Path):
        if args.json:
            print_json({"part": args.part, "sums": str(made)})
        else:
            print(f"Part {args.part[0]} of {args.part[1]} in {made}: give them all to --merge, with the same options.")
        return
    if args.json:
        print_json({"lenses": [_made(trained.folder, trained.card, "jlens") for trained in made]})
        return
    for trained in made:
        kl = _made(trained.folder, trained.card, "jlens")["held_out_kl"]
        print(f"{trained.card.name} in {trained.folder}: held-out KL to the output {kl['jlens']:.3f} nats, logit lens {kl['plain']:.3f}")
        print(f"  {trained.card.recipe}")


def _made(folder: Path, card: LensCard, kind: str) -> dict[str, Any]:
    """KL: mean over depths below the last, which is the output itself."""
    kl = {kind: float(card.kl[:, :-1].mean()), "plain": float(card.kl_plain[:, :-1].mean())}
    return {"folder": str(folder), "name": card.name, "key": card.key, "held_out_kl": kl}


def _given(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Options that were given, by the names of a spec's fields."""
    fields = {"n": "n_questions"}
    return {fields.get(name, name): value for name in names if (value := getattr(args, name)) is not None}


def _stages(args: argparse.Namespace) -> Callable[[str, int, int], None]:
    """Shows progress stage by stage."""
    shows: dict[str, Callable[[int, int], None] | None] = {}

    def show(what: str, done: int, total: int) -> None:
        if stage := shows.setdefault(what, progress(args, what)):
            stage(done, total)

    return show
