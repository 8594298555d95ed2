"""Which rows of a file go together: by its group columns, and rows that ask the same text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from codi_core.errors import DataError
from codi_core.problems.formats import Record
from codi_core.values.questions import question_digest

GROUP_COLUMNS = ("triple", "template", "template_id", "template_idx", "original_id", "seed_question", "group", "cluster")
TEXT = "text"
"""Name of the way of grouping by equal questions."""
MOST = 2
"""Ways at once that intervals can take into account."""
Labels = tuple[str, ...]


def groups_of(records: Sequence[Record], questions: Sequence[str], named: Sequence[str], where: str) -> list[Labels]:
    """``column:value`` of every row, in at most two ways; rows without a value have an empty text there, and stand for themselves.

    A way that another one contains is left out, as it adds nothing: a template's id beside its text, say, or equal questions of one
    group. Of more than two ways the two of the largest groups stay. Raises DataError for a column of ``named`` that is not there.
    """
    columns = [name.strip().lower() for name in named]
    for name in columns:
        if not any(name in record for record in records):
            raise DataError(f"{where} has no column '{name}' to group by: it has {', '.join(records[0])}.")
    if len(columns) > MOST:
        raise DataError(f"{len(columns)} columns to group by: intervals can take {MOST} into account at once.")
    ways = [_column(name, records) for name in columns or GROUP_COLUMNS]
    asked = Counter(questions)
    ways.append(tuple(f"{TEXT}:{question_digest(question)}" if asked[question] > 1 else "" for question in questions))
    kept = _widest([way for way in ways if _groups(way)])
    return list(zip(*kept, strict=True)) if kept else [()] * len(records)


def _column(name: str, records: Sequence[Record]) -> Labels:
    return tuple("" if (value := _value(name, record)) is None else f"{name}:{value}" for record in records)


def _value(name: str, record: Record) -> Any:
    """As a text that is the same however the file spells it. The numbers of a story mean the same problem only within a kind of story,
    which is the first part of a template with slashes; x, y and z beside each other are such numbers too.
    """
    value = record.get(name)
    if name != "triple":
        return None if value is None or not str(value).strip() else str(value).strip()
    if value is None and all(record.get(part) is not None for part in "xyz"):
        value = [record[part] for part in "xyz"]
    if value is None or not str(value).strip():
        return None
    numbers = tuple(map(int, re.findall(r"-?\d+", str(value))))
    family, slash, _ = str(record.get("template") or "").partition("/")
    return f"{family if slash else ''}:{numbers or str(value).strip()}"


def _groups(way: Labels) -> int:
    """How many groups there are; 0 when no two rows go together, or all do."""
    counts = Counter(filter(None, way))
    alone = way.count("")
    return len(counts) + alone if max(counts.values(), default=0) > 1 and len(counts) + alone > 1 else 0


def _widest(ways: Sequence[Labels]) -> list[Labels]:
    kept: list[Labels] = []
    for place, way in enumerate(ways):
        others = [other for number, other in enumerate(ways) if number != place]
        equal_before = any(_within(way, other) and _within(other, way) for other in ways[:place])
        if not equal_before and not any(_within(way, other) and not _within(other, way) for other in others):
            kept.append(way)
    largest = sorted(kept, key=_groups)[:MOST]
    return [way for way in kept if way in largest]


def _within(way: Labels, other: Labels) -> bool:
    """Whether rows together in the first are together in the second."""
    seen: dict[str, str | int] = {}
    pairs = enumerate(zip(way, other, strict=True))
    return all(seen.setdefault(label, theirs or row) == (theirs or row) for row, (label, theirs) in pairs if label)
