"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path
from typing import get_args

from codi_core.errors import InputError
from codi_core.lenses.registry import DEFAULT_LENS, LENSES
from codi_core.models.families import FAMILIES
from codi_core.models.presets import PRESETS
from codi_core.problems.answers import ANSWER_RULES
from codi_core.problems.evalsets import EVAL_SETS, load_file
from codi_core.problems.formats import FILE_TYPES
from codi_core.problems.reading import AS_IT_IS, Reading
from codi_core.values.model import PromptFormat, RopeRounding

CONDITION_HELP = "'kv source=difference a=2 b=4 coefficient=0.5 indices=5 then=stop'; several are joined by ' + '; methods: see below"


class CommandParser(argparse.ArgumentParser):
    """A command; its help ends with the methods, which are imported only when help is asked for, when it takes interventions."""

    takes_interventions = False

    def format_help(self) -> str:
        return super().format_help() + (_methods_help() if self.takes_interventions else "")


def _methods_help() -> str:
    from codi_core.services.shared.interventions import METHODS, SOURCES

    methods = [_options_help(kind, method.label, method) for kind, method in METHODS.items()]
    sources = [_options_help(kind, source.label, source) for kind, source in SOURCES.items()]
    return "\n".join(["", "methods of an intervention:", *methods, "", "their sources:", *sources, ""])


def _options_help(kind: str, label: str, spec: type) -> str:
    from codi_core.services.shared.interventions import fields_of

    lines = [f"  {kind}: {label}"]
    for field in fields_of(spec):
        values = f" ({', '.join(field.choices)})" if field.choices else ""
        default = "" if field.default is None else f" Default: {field.default or 'none'}."
        text = f"{field.name}=  {field.option.label}{values}. {field.option.about}{default}"
        lines.append(textwrap.fill(text, 100, initial_indent=" " * 6, subsequent_indent=" " * 10))
    return "\n".join(lines)


def model_arguments(parser: argparse.ArgumentParser, positional: bool = False) -> None:
    """``positional``: the model stands without its flag."""
    group = parser.add_argument_group("model", "what is not given comes from CODI_* variables, the preset, or the checkpoint's files")
    about = f"a preset ({', '.join(PRESETS)}), a hub id, a folder, or a file of weights in one"
    if positional:
        group.add_argument("model", nargs="?", metavar="MODEL", help=about)
    else:
        group.add_argument("--model", metavar="NAME", help=about)
    group.add_argument("--base", metavar="DIR", help="a known base's name, or a folder with config.json (and a tokenizer)")
    group.add_argument("--family", choices=FAMILIES, help="of latent reasoning; found from the file's names and tokens unless given")
    group.add_argument("--lora-alpha", type=float, metavar="A", help="scale of the LoRA product; from adapter_config.json, else 32")
    group.add_argument("--prompt-format", choices=get_args(PromptFormat))
    group.add_argument("--suffix", metavar="TEXT", help="instruction put at the end of questions that have none")
    group.add_argument("--lead", metavar="TEXT", help="what its answers begin with, before the answer itself, as in 'The answer is: '")
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


def eval_set_arguments(parser: argparse.ArgumentParser, default: str = "bundled") -> None:
    sets = "; ".join(f"{name}: {eval_set.description}" for name, eval_set in EVAL_SETS.items())
    parser.add_argument("--eval-set", default=default, metavar="NAME", help=f"{sets}; or a {FILE_TYPES} file (default {default})")
    file_arguments(parser)
    parser.add_argument("--n", type=whole, default=0, metavar="N", help="questions (default: all, or 1,000 of a generated set)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which questions (default 0)")


def lens_argument(parser: argparse.ArgumentParser, several: bool = False) -> None:
    rows = (f"{kind}{':VARIANT' if row.variants else ''}: {row.about.rstrip('.')}" for kind, row in LENSES.items())
    kinds = "; ".join(rows).replace("%", "%%")
    if several:
        parser.add_argument("--lens", action="append", metavar="NAME", help=f"default {DEFAULT_LENS}; may be repeated. {kinds}")
    else:
        parser.add_argument("--lens", default=DEFAULT_LENS, metavar="NAME", help=f"default {DEFAULT_LENS}. {kinds}")


def gold_arguments(parser: argparse.ArgumentParser) -> None:
    """Of a prompt: the answer and step values it should have; ours are known without."""
    parser.add_argument("--gold", default="", metavar="ANSWER", help="the right answer, where the prompt is none of ours")
    parser.add_argument("--steps", type=_listed, default=(), metavar="8,16,24", help="values of its reasoning steps, with commas")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def lenses_of(args: argparse.Namespace) -> tuple[str, ...]:
    """Of a `lens_argument` that may be repeated."""
    return tuple(args.lens or (DEFAULT_LENS,))


def file_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--group", action="append", default=[], metavar="COLUMN", help="rows of the file with one value go together (≤ 2)")
    parser.add_argument("--answer-rule", choices=tuple(ANSWER_RULES), help="how answers to the file are read (default: by its answers)")
    parser.add_argument("--skip-bad", action="store_true", help="leave rows of the file out that cannot be used, and say which")


def name_file(args: argparse.Namespace) -> None:
    """What `file_arguments` say becomes part of the eval set's name. Raises InputError for a set that is not a file."""
    reading = Reading(tuple(args.group), args.answer_rule, args.skip_bad)
    if reading != AS_IT_IS and args.eval_set in EVAL_SETS:
        raise InputError(f"--group, --answer-rule and --skip-bad are for files; '{args.eval_set}' is read as its row of EVAL_SETS says.")
    args.eval_set = reading.named(args.eval_set)
    if reading.skip_bad:
        for reason in load_file(args.eval_set)[1].left_out:
            print(f"left out: {reason}", file=sys.stderr)


def passes_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--passes", type=whole, metavar="P", help="latent passes (default: what the model's family uses, 6 for CODI)")


def json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="machine-readable output only")


def whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number from 0")
    return int(text)


def positive(text: str) -> int:
    if not whole(text):
        raise argparse.ArgumentTypeError("0 is too small: from 1")
    return int(text)
