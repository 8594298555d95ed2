"""The command line: every page's work without a browser. One function a command; what they do is in `services`.

Exit codes: 0 done, 1 a check failed, 2 something was wrong with the request (the message says what), 130 stopped by Ctrl+C.
Heavy imports are inside the commands, so that ``--help`` is instant, but where it lists the methods of an intervention.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence

from codi_core.cli.ablate import ablate, ablate_arguments, geometry, geometry_arguments
from codi_core.cli.claims import claims, claims_arguments
from codi_core.cli.dashboard import dashboard, dashboard_arguments, demo
from codi_core.cli.doctor import doctor, doctor_arguments
from codi_core.cli.evals import compare, compare_arguments, eval_arguments, evaluate, steer, steer_arguments, vector, vector_arguments
from codi_core.cli.flags import CommandParser, name_file
from codi_core.cli.influence import influence, influence_arguments
from codi_core.cli.inspect import (
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
from codi_core.cli.passport import verify, verify_arguments
from codi_core.cli.patch import patch, patch_arguments
from codi_core.cli.questions import questions, questions_arguments
from codi_core.cli.share import add, add_arguments, bundle, bundle_arguments, publish, publish_arguments
from codi_core.cli.sparse import sparse, sparse_arguments
from codi_core.cli.sweeps import confirm, confirm_arguments, sweep, sweep_arguments
from codi_core.cli.train import train, train_arguments, train_jlens, train_jlens_arguments, train_lens, train_lens_arguments
from codi_core.cli.version import VersionAction
from codi_core.errors import CodiError


def main(argv: Sequence[str] | None = None) -> int:
    args = make_parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # where the terminal cannot show a script, nothing fails
    try:
        if hasattr(args, "skip_bad"):
            name_file(args)
        return int(args.command(args) or 0)
    except CodiError as error:
        return refused(args, str(error))
    except BrokenPipeError:  # the reader of our output, head say, has seen enough
        raise
    except (OSError, MemoryError, ImportError) as error:
        return refused(args, f"{limit_of(error)}.")
    except KeyboardInterrupt:
        resumes = args.name.startswith("train") or args.name in ("sweep", "confirm")
        again = " Run the same command again to go on from the last saved step." if resumes else ""
        print(f"\nStopped.{again}", file=sys.stderr)
        return 130


def limit_of(error: OSError | MemoryError | ImportError) -> str:
    """What the machine did not give, and what to do about it."""
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}. Free some space, or name another file or folder"
    if isinstance(error, MemoryError):
        return "there is not enough memory: take fewer questions or passes or a smaller model, or lift the limit (ulimit -v)"
    return f"a library cannot be loaded ({error}): lift the memory limit (ulimit -v), or install the requirements again"


def refused(args: argparse.Namespace, reason: str) -> int:
    print(f"codi_core {args.name}: {reason}", file=sys.stderr)
    return 2


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("codi_core", description="See and steer the latent thoughts of CODI models.", allow_abbrev=False)
    parser.add_argument("--version", action=VersionAction, nargs=0, help="of the code, the libraries and the models that ship")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=CommandParser)
    for name, command, arguments in (
        ("dashboard", dashboard, dashboard_arguments),
        ("demo", demo, dashboard_arguments),
        ("doctor", doctor, doctor_arguments),
        ("info", info, info_arguments),
        ("selfcheck", selfcheck, selfcheck_arguments),
        ("verify", verify, verify_arguments),
        ("questions", questions, questions_arguments),
        ("rollout", rollout, rollout_arguments),
        ("lens", lens, lens_arguments),
        ("sparse", sparse, sparse_arguments),
        ("eval", evaluate, eval_arguments),
        ("compare", compare, compare_arguments),
        ("steer", steer, steer_arguments),
        ("vector", vector, vector_arguments),
        ("detect", detect, detect_arguments),
        ("sweep", sweep, sweep_arguments),
        ("confirm", confirm, confirm_arguments),
        ("claims", claims, claims_arguments),
        ("bundle", bundle, bundle_arguments),
        ("add", add, add_arguments),
        ("publish", publish, publish_arguments),
        ("ablate", ablate, ablate_arguments),
        ("geometry", geometry, geometry_arguments),
        ("influence", influence, influence_arguments),
        ("patch", patch, patch_arguments),
        ("train", train, train_arguments),
        ("train-lens", train_lens, train_lens_arguments),
        ("train-jlens", train_jlens, train_jlens_arguments),
    ):
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__, allow_abbrev=False)
        arguments(sub)
        sub.set_defaults(command=command, name=name)
    return parser
