"""``python -m benchmarks.startup [--against FOLDER]``: processor time of whole commands; writes its part of docs/performance.md.

Everything is divided by what ``import torch`` takes in the same run, before and after each command: a busy machine changes both alike.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.sections import rewrite
from codi_core.settings import ROOT
from codi_core.version import code_version

DOCUMENT = ROOT / "docs" / "performance.md"
HEADING = "## What a command costs before it computes"
PROMPT = "A team starts with 3 members. They recruit 5 new members. How many members are there now? Give the answer only and nothing else."
TORCH = ("-c", "import torch")
COMMANDS = {
    "--help": ("-m", "codi_core", "--help"),
    "eval --help": ("-m", "codi_core", "eval", "--help"),
    "info": ("-m", "codi_core", "info"),
    "lens --prompt …": ("-m", "codi_core", "lens", "--prompt", PROMPT),
}


def main() -> None:
    parser = argparse.ArgumentParser("benchmarks.startup", description=__doc__)
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="another version of the tree, measured in turn with this one")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    args = parser.parse_args()
    trees = {"this code": ROOT, **({"the other tree": args.against} if args.against else {})}
    unit = median(seconds(TORCH, ROOT) for _ in range(args.repeats))
    rows = [row(name, command, trees, args.repeats) for name, command in COMMANDS.items()]
    head = ["command", *(f"{tree}, × `import torch`" for tree in trees)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    about = (
        f"Written by `python -m benchmarks.startup`; processor time, medians of {args.repeats}; code `{code_version()}`. "
        f"One `import torch` took {unit:.2f} s."
    )
    text = "\n".join([HEADING, "", about, "", *lines, ""])
    print(text)
    if not args.dry:
        rewrite(DOCUMENT, text)


def row(name: str, command: tuple[str, ...], trees: dict[str, Path], repeats: int) -> list[str]:
    found: dict[str, list[float]] = {tree: [] for tree in trees}
    for _ in range(repeats):
        for tree, folder in trees.items():
            before, own, after = (seconds(arguments, folder) for arguments in (TORCH, command, TORCH))
            found[tree].append(2 * own / (before + after))
    return [f"`{name}`", *(f"{median(ratios):.2f} ×" for ratios in found.values())]


def seconds(arguments: tuple[str, ...], folder: Path) -> float:
    """User and system time of a Python process that runs in a tree."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1", "CODI_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], cwd=folder, env=env, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
