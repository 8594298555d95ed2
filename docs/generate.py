"""Pages of the site that are written elsewhere: README, CONTRIBUTING, CHANGELOG, SECURITY, and the help of the command line."""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path

import mkdocs_gen_files

from codi_core.cli import make_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md", "SECURITY.md": "security.md"}
os.environ["COLUMNS"] = "110"  # what argparse wraps its help at


def linked(text: str) -> str:
    """Links between files of the tree become links between pages of the site."""
    text = re.sub(r"\]\(docs/", "](", text)
    for source, page in PAGES.items():
        text = text.replace(f"]({source})", f"]({page})")
    return re.sub(r"\[([^\]]*)\]\(notebooks\)", r"\1", text)  # they are not pages of the site


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    (actions,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return dict(actions.choices)


for source, page in PAGES.items():
    with mkdocs_gen_files.open(page, "w") as file:
        file.write(linked((ROOT / source).read_text(encoding="utf-8")))

with mkdocs_gen_files.open("cli.md", "w") as file:
    file.write("# Command line\n\n`python -m codi_core COMMAND`, or `codi COMMAND` where the package is installed.\n")
    for name, command in commands(make_parser()).items():
        file.write(f"\n## {name}\n\n```text\n{command.format_help()}```\n")
