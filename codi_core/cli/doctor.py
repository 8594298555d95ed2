"""The command that looks at an installation: doctor."""

from __future__ import annotations

import argparse
import dataclasses

from codi_core.cli.flags import json_argument, machine_arguments
from codi_core.cli.session import print_json, settings_of


def doctor_arguments(parser: argparse.ArgumentParser) -> None:
    machine_arguments(parser)
    json_argument(parser)


def doctor(args: argparse.Namespace) -> int:
    """Look at Python, libraries, device, cache, disk, Chromium, hub and every stored file; each with its remedy"""
    from codi_core.services.doctor import examine

    findings = []
    for finding in examine(settings_of(args)):
        findings.append(finding)
        if not args.json:
            remedy = f"\n{'':19}→ {finding.remedy}" if finding.remedy else ""
            print(f"{finding.state:8} {finding.what:10} {finding.found}{remedy}", flush=True)
    failures = sum(finding.state == "failure" for finding in findings)
    if args.json:
        print_json({"failures": failures, "findings": [dataclasses.asdict(finding) for finding in findings]})
    return 1 if failures else 0
