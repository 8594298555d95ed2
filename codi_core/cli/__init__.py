"""The command line: every page's work without a browser. One function a command; what they do is in `services`.

Exit codes: 0 done, 1 a check failed, 2 something was wrong with the request (the message says what), 130 stopped by Ctrl+C.
Heavy imports are inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from codi_core.cli.answering import compare, compare_arguments, eval_arguments, evaluate, steer, steer_arguments, vector, vector_arguments
from codi_core.cli.latents import ablate, ablate_arguments, geometry, geometry_arguments
from codi_core.cli.reading import (
    detect,
    detect_arguments,
    info,
    info_arguments,
    lens,
    lens_arguments,
    rollout,
    rollout_arguments,
    selfcheck,
    selfcheck_arguments,
)
from codi_core.cli.sweeping import bundle, bundle_arguments, confirm, confirm_arguments, sweep, sweep_arguments
from codi_core.cli.training import train, train_arguments, train_lens, train_lens_arguments
from codi_core.errors import CodiError


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


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("codi_core", description="See and steer the latent thoughts of CODI models.", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command, add_arguments in (
        ("info", info, info_arguments),
        ("selfcheck", selfcheck, selfcheck_arguments),
        ("rollout", rollout, rollout_arguments),
        ("lens", lens, lens_arguments),
        ("eval", evaluate, eval_arguments),
        ("compare", compare, compare_arguments),
        ("steer", steer, steer_arguments),
        ("vector", vector, vector_arguments),
        ("detect", detect, detect_arguments),
        ("sweep", sweep, sweep_arguments),
        ("confirm", confirm, confirm_arguments),
        ("bundle", bundle, bundle_arguments),
        ("ablate", ablate, ablate_arguments),
        ("geometry", geometry, geometry_arguments),
        ("train", train, train_arguments),
        ("train-lens", train_lens, train_lens_arguments),
    ):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__, allow_abbrev=False)
        add_arguments(sub)
        sub.set_defaults(command=command, name=name)
    return parser
