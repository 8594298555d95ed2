"""The command about the claims of the field: claims."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from codi_core.cli.flags import json_argument, model_arguments
from codi_core.cli.session import open_workbench, print_json

if TYPE_CHECKING:
    from codi_core.services.claims import FieldVerdict


def claims_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--measure",
        nargs="*",
        metavar="CLAIM",
        help="measure first what is missing: of these claims (C5 …), or of all; without it no model is opened",
    )
    model_arguments(parser)
    json_argument(parser)


def claims(args: argparse.Namespace) -> int:
    """Judge the claims of the field on a model, from what is stored; --measure computes what is missing"""
    from codi_core.services.claims import measure, verdicts

    refused = []
    with open_workbench(args) as bench:
        name = bench.settings.model
        if args.measure is not None:
            for step in measure(bench, name, args.measure):
                refused += [step] if step.refused else []
                print(f"{step.claim.key:4} {step.refused or 'measured'}", file=sys.stderr, flush=True)
        found = verdicts(bench.store, [name])[name]
    if args.json:
        print_json({"model": name, "claims": [_record(verdict) for verdict in found]})
    else:
        _print(name, found)
    return int(bool(refused))


def _print(name: str, found: list[FieldVerdict]) -> None:
    print(f"{name}: {len(found)} claims of the field; 95 % intervals, p adjusted over the claims of one source (Holm)")
    for source in dict.fromkeys(verdict.claim.source for verdict in found):
        print(f"\n{source}")
        for verdict in found:
            if verdict.claim.source == source:
                _print_one(verdict)


def _print_one(verdict: FieldVerdict) -> None:
    from codi_core.values.verdict import p_text

    print(f"  {verdict.claim.key:4} {verdict.ruling:15} {verdict.claim.sentence}")
    lines = [verdict.why, *(f"{part.words}{f'; needed: {part.rule}' if part.rule else ''}" for part in verdict.parts)]
    if verdict.over > 1:
        lines.append(f"adjusted p {p_text(verdict.adjusted)}, over {verdict.over} claims")
    lines += [text for text in (verdict.on and f"on {verdict.on}", verdict.needed) if text]
    for line in lines:
        print(f"{'':23}{line}")


def _record(verdict: FieldVerdict) -> dict[str, Any]:
    from dataclasses import asdict

    claim = verdict.claim
    parts = [{name: None if value != value else value for name, value in asdict(part).items()} for part in verdict.parts]
    adjusted = None if verdict.adjusted != verdict.adjusted else verdict.adjusted
    return {
        **{name: getattr(claim, name) for name in ("key", "sentence", "source", "statistic", "reproduced", "reversed")},
        **{name: getattr(verdict, name) for name in ("ruling", "why", "over", "on", "needed")},
        "adjusted": adjusted,
        "evidence": verdict.key,
        "parts": parts,
    }
