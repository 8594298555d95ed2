"""Questions from files other people wrote, with the column names that public data sets use.

A file is named by its path, and what is to be known about it may follow as in a link: ``mine.csv?group=story&rule=letter&skip-bad=yes``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from codi_core.errors import DataError
from codi_core.problems.answers import ANSWER_RULES, compared, rule_of
from codi_core.problems.columns import Row, Wrong, rows_of
from codi_core.problems.formats import read_table
from codi_core.problems.grouping import groups_of
from codi_core.problems.numbers import bare_answer, has_decimal_comma, is_number, read_number
from codi_core.values.questions import Answer, AnswerRule, Question

_INNER = ("value", "text", "answer")
"""Where an answer that is an object keeps it."""
_NO_ANSWERS = ("n/a", "nan", "null", "#n/a", "#div/0!", "#ref!", "#value!", "#name?", "#num!", "#null!")
"""What tables write where there is nothing, or where a formula failed."""
_ANNOTATION = re.compile(r"<<(.*?)>>")


@dataclass(frozen=True)
class Reading:
    """What a person says about a file; the rest is found in it."""

    groups: tuple[str, ...] = ()
    """Columns whose rows go together; empty: those of the names in `grouping.GROUP_COLUMNS`."""
    rule: AnswerRule | None = None
    """None: numbers if there are any, else the rule that fits all answers."""
    skip_bad: bool = False
    """Leave rows out that cannot be used, instead of refusing the file."""

    def named(self, name: str) -> str:
        """A file's name with these options after it."""
        options = [("group", column) for column in self.groups] + ([("rule", self.rule)] if self.rule else [])
        options += [("skip-bad", "yes")] if self.skip_bad else []
        return f"{name}?{urlencode(options)}" if options else name


AS_IT_IS = Reading()


@dataclass(frozen=True)
class FileQuestions:
    questions: tuple[Question, ...]
    rule: AnswerRule
    left_out: tuple[str, ...] = ()
    """Why, a row each."""


def split_name(name: str) -> tuple[str, Reading]:
    """The file and its options. Raises DataError for an option there is not."""
    path, mark, query = name.rpartition("?")
    if not mark or Path(name).expanduser().exists():  # a question mark is a fair character of a file name
        return name, AS_IT_IS
    options = parse_qsl(query)
    values = dict(options)
    unknown = values.keys() - {"group", "rule", "skip-bad"}
    rule = values.get("rule")
    if unknown or "=" not in query:
        raise DataError(f"'{query}' after '{path}': the options of a file are group=COLUMN, rule=RULE and skip-bad=yes.")
    if rule is not None and rule not in ANSWER_RULES:
        raise DataError(f"'{rule}' is not an answer rule: use {', '.join(ANSWER_RULES)}.")
    groups = tuple(value for option, value in options if option == "group")
    return path, Reading(groups, rule, values.get("skip-bad") == "yes")


def read_questions(path: Path, reading: Reading = AS_IT_IS) -> list[Question]:
    """Every usable row of a file. Raises what `read_file` raises."""
    return list(read_file(path, reading).questions)


def read_file(path: Path, reading: Reading = AS_IT_IS, first: int | None = None) -> FileQuestions:
    """Every row of a file, or the ``first`` ones, in their order.

    Remembered while the file stays as it is: a large one takes a while, and one request reads its questions several times. Raises DataError
    naming the file and, unless rows may be left out, the first row that has no question or no answer of its rule.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    return _read_file(path, reading, first, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=4)
def _read_file(path: Path, reading: Reading, first: int | None, state: tuple[int, int]) -> FileQuestions:
    table = read_table(path)
    bad: list[str] = []

    def wrong(reason: str) -> None:
        if not reading.skip_bad:
            raise DataError(f"{path}, {reason}")
        bad.append(reason)

    rows = list(rows_of(table.records, first, wrong))
    rule, golds = _golds(rows, table.semicolons, reading.rule, wrong)
    kept = [(row, gold) for row, gold in zip(rows, golds, strict=True) if gold is not None]
    if not kept:
        why = f"has no row that can be used ({min(bad, key=_place)})" if bad else "has no rows: give one question a row"
        raise DataError(f"{path} {why}.")
    groups = groups_of([row.fields for row, _ in kept], [row.question for row, _ in kept], reading.groups, str(path))
    names = Counter(row.id for row, _ in kept)
    questions = [_question(row, gold, rule, own, names[row.id] == 1) for (row, gold), own in zip(kept, groups, strict=True)]
    return FileQuestions(tuple(questions), rule, tuple(sorted(bad, key=_place)))


def _question(row: Row, gold: Answer, rule: AnswerRule, groups: tuple[str, ...], alone: bool) -> Question:
    """``alone``: no other row has this id."""
    name = row.id if alone else f"{row.id}/{_place(row.place)}"
    return Question(name, row.question, gold, "", (), _steps(row, gold), rule, groups)


def _place(reason: str) -> int:
    return int(reason.partition(":")[0].removeprefix("row "))


def _golds(rows: Sequence[Row], semicolons: bool, rule: AnswerRule | None, wrong: Wrong) -> tuple[AnswerRule, list[Answer | None]]:
    """The rule, and an answer a row; None where there is none."""
    texts = [bare_answer(single) for row in rows if isinstance(single := _single(row.answer), str)]
    decimal_comma = semicolons or any(map(has_decimal_comma, texts))
    if rule is None:
        numbers = len(texts) < len(rows) or any(is_number(text) for text in texts)
        rule = "number" if numbers else rule_of(texts) or "number"
    golds: list[Answer | None] = []
    for row in rows:
        try:
            golds.append(parse_gold(row.answer, rule, decimal_comma))
        except DataError as error:
            golds.append(None)
            wrong(f"{row.place}: {error}")
    return rule, golds


def parse_gold(answer: Any, rule: AnswerRule = "number", decimal_comma: bool = False) -> Answer:
    """The answer a row gives: a number, words, a whole solution with the answer at its end, or a list of one of these.

    Raises DataError when it has none of this rule, several, or one that can be read in two ways (see `numbers`).
    """
    single = _single(answer)
    if single is None:
        several = isinstance(answer, list | tuple) and len(answer) != 1
        raise DataError(
            f"the answer{'s'[: 1 * several]} {answer!r:.80} {'are several: give one' if several else 'is no number and no text'}."
        )
    if rule == "number":
        number = single if isinstance(single, float) else read_number(bare_answer(single), decimal_comma)
        if number is None or not math.isfinite(number):
            raise DataError(f"the answer {answer!r:.80} is no number and has none after ####. For answers in words name a rule: rule=text.")
        return number
    words = str(int(single)) if isinstance(single, float) and single == int(single) else bare_answer(str(single))
    if words.lower() in _NO_ANSWERS:
        raise DataError(f"the answer {answer!r:.80} says that there is none.")
    read = compared(rule, words)
    if read is None:
        raise DataError(f"the answer {answer!r:.80} is not {ANSWER_RULES[rule].label}.")
    return read if rule == "letter" and len(words) > 1 else words


def _single(answer: Any) -> float | str | None:
    """A number or a text; None when there are several different ones, or something else."""
    if isinstance(answer, list | tuple):
        different = list(dict.fromkeys(map(str, answer)))
        return _single(answer[0]) if len(different) == 1 else None
    if isinstance(answer, dict):
        inner = [answer[name] for name in _INNER if answer.get(name) is not None]
        return _single(inner[0]) if len(inner) == 1 else None
    if isinstance(answer, int | float | Decimal) and not isinstance(answer, bool):
        return float(answer)
    return str(answer) if isinstance(answer, str | bool) else None


def _steps(row: Row, gold: Answer) -> tuple[float, ...]:
    """From GSM8K's ``<<48/2=24>>`` or a list of equations or values; the last is the answer."""
    if isinstance(gold, str):
        return ()
    listed = row.steps if isinstance(row.steps, list) else [row.steps]
    marked = _ANNOTATION.findall("".join(map(str, listed)))
    texts = marked or (list(map(str, listed)) if isinstance(row.steps, list) else [])
    values = [read_number(text.rpartition("=")[2]) for text in texts]
    steps = [] if None in values else [value for value in values if value is not None]
    if steps and steps[-1] != gold:
        steps.append(gold)
    return tuple(steps)
