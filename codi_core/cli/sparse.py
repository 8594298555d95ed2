"""The command about one cell as a sum of token directions: sparse."""

from __future__ import annotations

import argparse
import dataclasses
import re

from codi_core.cli.flags import json_argument, lens_argument, model_arguments, passes_argument, positive
from codi_core.cli.session import fitted, open_workbench, print_json
from codi_core.errors import InputError


def sparse_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompt", required=True, metavar="TEXT")
    parser.add_argument("--cell", required=True, metavar="INDEX.DEPTH", help="which residual, 3.4 say")
    lens_argument(parser)
    parser.add_argument("--k", type=positive, default=8, metavar="K", help="token directions at most, 1 to 25 (default 8)")
    passes_argument(parser)
    model_arguments(parser)
    json_argument(parser)


def sparse(args: argparse.Namespace) -> None:
    """Write one cell as a sum of few token directions, and say how much of it they explain, beside random vectors"""
    from codi_core.figures.sparse import sparse_words
    from codi_core.services.sparse import SparseRequest
    from codi_core.services.sparse import sparse as run

    cell = re.fullmatch(r"([0-9]{1,3})\.([0-9]{1,3})", args.cell)
    if not cell:
        raise InputError(f"--cell is '{args.cell:.40}': write index.depth, 3.4 say.")
    with open_workbench(args) as bench:
        request = SparseRequest(bench.settings.model, args.prompt, int(cell[1]), int(cell[2]), args.lens, args.k, args.passes)
        found = run(bench, request, "sparse")
    if args.json:
        print_json(dataclasses.asdict(found))
        return
    for top in found.tokens:
        print(f"{fitted(top.token, 16)} {top.weight:.3f}")
    print(sparse_words(found))
    print(f"key  {found.key}")
