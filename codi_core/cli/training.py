"""Commands that train: train, train-lens."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path

from codi_core.cli.flags import json_argument, machine_arguments, model_arguments, positive
from codi_core.cli.session import open_workbench, print_json, progress, settings_of
from codi_core.errors import InputError


def train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", default="bundled", help="bundled or bundled-steps (default bundled)")
    parser.add_argument("--steps", type=positive, metavar="N", help="steps of training (default: the preset's)")
    parser.add_argument("--seed", type=int, metavar="S", help="default: the preset's")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the state and then the checkpoint go (default runs/PRESET)")
    machine_arguments(parser)
    json_argument(parser)


def train_lens_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--indices", default="all", help="all, odd, even, text, or numbers as in 3+5 (default all)")
    parser.add_argument("--train-set", metavar="NAMES", help="eval sets or splits joined by + (default train+means)")
    parser.add_argument("--held-out-set", metavar="NAMES", help="for the card (default select)")
    parser.add_argument("--n", type=positive, metavar="N", help="training questions")
    parser.add_argument("--n-held-out", type=positive, metavar="N")
    parser.add_argument("--steps", type=positive, metavar="N")
    parser.add_argument("--batch", type=positive, metavar="B")
    parser.add_argument("--lr", type=float, metavar="X")
    parser.add_argument("--seed", type=int, metavar="S")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the cache, where lens and the Inspect page find it")
    model_arguments(parser)
    json_argument(parser)


def train(args: argparse.Namespace) -> None:
    """Train a bundled model from scratch; run the same command again to resume"""
    from codi_core.device import choose_device, set_threads
    from codi_core.training.run import TRAIN_PRESETS
    from codi_core.training.run import train as run

    if args.preset not in TRAIN_PRESETS:
        raise InputError(f"Unknown preset '{args.preset}': use {' or '.join(TRAIN_PRESETS)}.")
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
    from codi_core.lenses.training import LensTrainSpec
    from codi_core.services.lenses import train_lens as run

    names = {"n": "n_questions"}
    given = ("indices", "train_set", "held_out_set", "n", "n_held_out", "steps", "batch", "lr", "seed")
    spec = LensTrainSpec(**{names.get(name, name): value for name in given if (value := getattr(args, name)) is not None})
    shows: dict[str, Callable[[int, int], None] | None] = {}

    def show_stage(what: str, done: int, total: int) -> None:
        if show := shows.setdefault(what, progress(args, what)):
            show(done, total)

    with open_workbench(args) as bench:
        trained = run(bench, bench.settings.model, spec, "train-lens", show_stage, args.out)
    card = trained.card
    below = slice(0, -1)  # the last depth is the output itself
    kl = {"tuned": float(card.kl_tuned[:, below].mean()), "plain": float(card.kl_plain[:, below].mean())}
    if args.json:
        print_json({"folder": str(trained.folder), "name": card.name, "key": card.key, "held_out_kl": kl})
        return
    print(f"{card.name} in {trained.folder}: held-out KL to the output {kl['tuned']:.3f} nats, logit lens {kl['plain']:.3f}")
