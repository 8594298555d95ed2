"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from codi_core.models.presets import PRESETS
from codi_core.problems.evalsets import EVAL_SETS
from codi_core.types import PromptFormat, RopeRounding

CONDITION_HELP = "'kv source=difference a=2 b=4 coefficient=0.5 indices=5 then=stop'; several are joined by ' + '"


def model_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model", "what is not given comes from CODI_* variables, the preset, or the checkpoint's files")
    group.add_argument("--model", metavar="NAME", help=f"a preset ({', '.join(PRESETS)}), a hub id, or a folder")
    group.add_argument("--base", metavar="DIR", help="a known base's name, or a folder with config.json (and a tokenizer)")
    group.add_argument("--lora-alpha", type=float, metavar="A", help="scale of the LoRA product; no file states it (default 32)")
    group.add_argument("--prompt-format", choices=get_args(PromptFormat))
    group.add_argument("--rope-rounding", choices=get_args(RopeRounding))
    group.add_argument("--dtype", help="auto, float32, bfloat16 or float16")
    machine_arguments(parser)


def machine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")
    parser.add_argument("--threads", type=whole, metavar="N", help="CPU threads; 0 lets torch choose")
    parser.add_argument("--cache-dir", type=Path, metavar="DIR", help="where results are kept")


def means_arguments(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--means", default="means", metavar="NAME", help="eval set that directions are made from (default means)")
    parser.add_argument("--means-n", type=whole, default=500, metavar="N", help="its questions (default 500; 0 = all)")
    parser.add_argument("--means-seed", type=int, default=0, metavar="S")
    parser.add_argument("--means-only", choices=("all", "addition"), default="all", help="addition: addition-first stories only")
    parser.add_argument("--overlap", action="store_true", help="as in the posts: means may come from evaluated questions")


def executor_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it runs")
    group.add_argument("--executor", dest="backend", choices=("local", "ray"), help="this machine (default), or a Ray cluster")
    group.add_argument("--address", dest="ray_address", metavar="A", help="of a running Ray cluster; auto: the one of this machine")
    group.add_argument("--workers", type=positive, metavar="N", help="processes or actors (default: one a GPU, or one on CPU)")
    group.add_argument("--resume", action="store_true", help="go on with what is missing; that is what happens anyway")


def eval_set_arguments(parser: argparse.ArgumentParser, default: str = "bundled") -> None:
    sets = "; ".join(f"{name}: {eval_set.description}" for name, eval_set in EVAL_SETS.items())
    parser.add_argument(
        "--eval-set", default=default, metavar="NAME", help=f"{sets}; or a .jsonl, .json, .csv or .parquet file (default {default})"
    )
    parser.add_argument("--n", type=whole, default=0, metavar="N", help="questions (default: all, or 1,000 of a generated set)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which questions (default 0)")


def passes_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--passes", type=whole, default=6, metavar="P", help="latent passes (default 6)")


def json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output only")


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0")
    return int(text)


def positive(text: str) -> int:
    if not whole(text):
        raise argparse.ArgumentTypeError("0 is too small: from 1")
    return int(text)
