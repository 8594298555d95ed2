"""The command that shows what a file or eval set holds, before anything is run on it: questions."""

from __future__ import annotations

import argparse

from codi_core.cli.flags import file_arguments, json_argument, whole
from codi_core.cli.session import print_json
from codi_core.figures.text import number


def questions_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("eval_set", metavar="FILE_OR_SET", help="a file, or the name of an eval set")
    file_arguments(parser)
    parser.add_argument("--n", type=whole, default=0, metavar="N", help="questions (default: all, or 1,000 of a generated set)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="which questions (default 0)")
    json_argument(parser)


def questions(args: argparse.Namespace) -> None:
    """Show each question of a file or eval set as it is read: id, text, gold answer, steps, groups"""
    from codi_core.services.questions import groups_of, read_set

    found = read_set(args.eval_set, args.n, args.seed)
    if args.json:
        print_json(found.as_json())
        return
    print(f"{found.spec.name}: {found.spec.n:,} questions, key {found.spec.key}")
    print(f"answers: {found.rule}; grouped: {found.grouping}")
    for question in found.questions:
        steps = f"  steps {' → '.join(map(number, question.steps))}" if question.steps else ""
        groups = f"  [{', '.join(own)}]" if (own := groups_of(question)) else ""
        print(f"{question.id}  gold {number(question.gold)}{steps}{groups}\n    {question.question}")
