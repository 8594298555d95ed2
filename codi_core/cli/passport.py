"""The command that makes a model's passport: verify."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from codi_core.cli.flags import file_arguments, json_argument, model_arguments, passes_argument, whole
from codi_core.cli.session import open_workbench, passed_or_failed, print_json, print_table, progress

if TYPE_CHECKING:
    from codi_core.values.passport import Passport


def verify_arguments(parser: argparse.ArgumentParser) -> None:
    model_arguments(parser, positional=True)
    parser.add_argument("--eval-set", default="", metavar="NAME", help="default: the one that something was published on")
    file_arguments(parser)
    parser.add_argument("--n", type=whole, default=0, metavar="N", help="questions (default: all, or 1,000 of a generated set)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which questions (default 0)")
    passes_argument(parser)
    parser.add_argument("--fresh", action="store_true", help="make it anew even if there is one")
    json_argument(parser)


def verify(args: argparse.Namespace) -> int:
    """Make a model's passport: its tensors, the engine against the oracle, accuracy against what was published (in float32)"""
    from codi_core.services.passport import VerifyRequest
    from codi_core.services.passport import verify as run

    args.dtype = args.dtype or "float32"
    with open_workbench(args) as bench:
        request = VerifyRequest(bench.settings.model, args.eval_set, args.n, args.seed, args.passes)
        passport = run(bench, request, progress(args, "verify"), fresh=args.fresh)
    if args.json:
        print_json(passport.as_json())
    else:
        _print(passport)
    return 0 if passport.sound and passport.standing != "not reproduced" else 1


def _print(passport: Passport) -> None:
    spec = passport.spec.model
    fates = Counter(entry.fate for entry in passport.ledger)
    passed = sum(check.passed for check in passport.checks)
    worst = max(check.distance for check in passport.checks)
    print_table(
        [
            ("model", f"{spec.name}, {spec.dtype}, {passport.spec.passes} passes, {spec.prompt_format} prompt"),
            *([("from", f"huggingface.co/{passport.hub_id}")] if passport.hub_id else []),
            ("sha-256", spec.checkpoint),
            ("tensors", "; ".join(f"{count} {fate}" for fate, count in fates.items())),
            ("assumed", "; ".join(passport.assumed) or "nothing: files and flags say everything"),
            *(("inferred", note) for note in passport.notes),
            (
                "engine",
                f"{passed_or_failed(passport.sound)}  {passed} of {len(passport.checks)} prompts as the oracle, distance ≤ {worst:.1e}",
            ),
            ("accuracy", passport.verdict),
            *([("published", f"on '{passport.published.eval_set}', {passport.published.source}")] if passport.published else []),
            ("machine", passport.machine),
            ("versions", ", ".join(f"{name} {version}" for name, version in passport.versions.items())),
            ("made", passport.made),
            ("key", passport.spec.key),
        ]
    )
