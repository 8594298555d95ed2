"""From the columns of a row to a question and its answer, by the names that public data sets and spreadsheets use, in any case."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from codi_core.problems.formats import BadRow, Record

QUESTION_COLUMNS = ("question", "problem", "instruction", "prompt", "input", "query", "squestion")
ANSWER_COLUMNS = (
    *("final_ans", "final_answer", "answer", "answerkey", "target", "ground_truth", "gold", "correct", "label", "answers", "lsolutions"),
    *("response", "output", "completion", "solution"),
)
"""The first that has a value; the last few hold whole solutions, whose number stands at their end."""
STEP_COLUMNS = ("steps", "cot", "equations", "rationale", "answer", "solution", "response", "output")
ID_COLUMNS = ("id", "idx", "iindex", "qid")
Wrong = Callable[[str], None]
"""Called with "row 3: why" for a row that cannot be used; raises unless rows may be left out."""


@dataclass(frozen=True)
class Row:
    """A question as a file has it."""

    place: str
    """``row 3``, counted from 1 without the header."""
    id: str
    question: str
    answer: Any
    steps: Any
    fields: Record
    """All columns, their names in small letters."""


def rows_of(records: Iterator[Record | BadRow], first: int | None, wrong: Wrong) -> Iterator[Row]:
    """The rows that have a question and an answer; a row of several variants of a question gives one each, in the group of that row."""
    for number, record in enumerate(records, 1):
        if first is not None and number > first:
            return
        place = f"row {number}"
        if isinstance(record, BadRow):
            wrong(f"{place}: {record.reason}.")
            continue
        fields = {str(name).strip().lower(): value for name, value in record.items()}
        if len(fields) < len(record):
            wrong(f"{place}: two columns differ only in capitals ({', '.join(map(str, record))}).")
            continue
        fields |= _chat(fields)
        variants = {} if _first(fields, QUESTION_COLUMNS) is not None else _variants(fields, str(number))
        for name, own in variants.items() or [("", fields)]:
            row = _row(own, place, str(number), wrong)
            if row is not None:
                yield Row(row.place, f"{row.id}/{name}" if name else row.id, row.question, row.answer, row.steps, row.fields)


def _row(fields: Record, place: str, number: str, wrong: Wrong) -> Row | None:
    asked, answer, choices = _first(fields, QUESTION_COLUMNS), _first(fields, ANSWER_COLUMNS), _choices(fields)
    if answer is None and asked is not None and (empty := [name for name in ANSWER_COLUMNS if name in fields]):
        wrong(f"{place}: the answer is empty ({empty[0]}).")
        return None
    if asked is None or answer is None:
        wrong(f"{place}: has {', '.join(fields) or 'nothing'}, and needs question and answer (or problem, instruction, input; target, …).")
        return None
    if isinstance(asked, list | dict) or not str(asked).strip():
        wrong(f"{place}: the question is {'empty' if not str(asked).strip() else f'no text: {asked!r:.80}'}.")
        return None
    if choices and isinstance(answer, int) and 0 <= answer < len(choices):  # MMLU counts its choices from 0
        answer = choices[answer][0]
    question = "\n".join([_question(fields, str(asked)), *(f"{label}. {choice}" for label, choice in choices)])
    name = _first(fields, ID_COLUMNS)
    return Row(place, number if name in (None, "") else str(name), question, answer, _first(fields, STEP_COLUMNS), fields)


def _question(fields: Record, asked: str) -> str:
    """SVAMP's Body goes before its Question, the input of an instruction and the query of a question after it."""
    before = fields.get("body") or ""
    after = next((fields[name] for name in ("input", "query") if fields.get(name) and str(fields[name]) != asked), "")
    return " ".join(str(part).strip() for part in (before, asked, after) if str(part).strip())


def _choices(fields: Record) -> list[tuple[str, str]]:
    """Label and text: of CommonsenseQA's choices, or of a plain list, whose labels may stand in its texts already."""
    choices = fields.get("choices") or fields.get("options")
    if isinstance(choices, dict) and isinstance(choices.get("text"), list):
        labels, texts = choices.get("label"), list(map(str, choices["text"]))
    elif isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
        labels, texts = None, [re.sub(r"^\(?[A-Z][).:]\s*", "", choice) for choice in choices]
    else:
        return []
    return list(zip(map(str, labels or string.ascii_uppercase), texts, strict=False))


def _chat(fields: Record) -> Record:
    """Question and answer of a conversation: what its user said last before the last answer."""
    turns: list[Any] = next((fields[name] for name in ("messages", "conversations", "prompt") if isinstance(fields.get(name), list)), [])
    said = [
        (str(turn.get("role") or turn.get("from")), turn.get("content") or turn.get("value")) for turn in turns if isinstance(turn, dict)
    ]
    asked = [text for role, text in said if role in ("user", "human") and isinstance(text, str)]
    answers = [text for role, text in said if role in ("assistant", "gpt", "model") and isinstance(text, str)]
    reward = fields.get("reward_model")
    answers += [reward["ground_truth"]] if isinstance(reward, dict) and reward.get("ground_truth") is not None else []
    return ({"question": asked[-1]} if asked else {}) | ({"answer": answers[-1]} if asked and answers else {})


def _variants(fields: Record, number: str) -> dict[str, Record]:
    """``{"addition": {"prompt": …}, "subtraction": {…}}``, or ``addition_prompt`` beside ``addition_answer``: variants by name."""
    shared = {name: value for name, value in fields.items() if not isinstance(value, dict)}
    shared.setdefault("group", _first(fields, ID_COLUMNS) or number)
    nested = {
        name: shared | {"variant": name} | {str(key).lower(): part for key, part in value.items()}
        for name, value in fields.items()
        if isinstance(value, dict)
    }
    nested = {name: own for name, own in nested.items() if _first(own, QUESTION_COLUMNS) is not None}
    if nested:
        return nested
    flat: dict[str, Record] = {}
    for name in fields:
        variant, _, column = name.rpartition("_")
        if variant and column in QUESTION_COLUMNS:
            own = {key.removeprefix(f"{variant}_"): value for key, value in fields.items() if key.startswith(f"{variant}_")}
            flat[variant] = shared | {"variant": variant} | own
    return flat


def _first(fields: Record, names: tuple[str, ...]) -> Any:
    """Of the columns that are there; one that says something goes before an empty one."""
    there = [fields[name] for name in names if fields.get(name) is not None]
    return next((value for value in there if str(value).strip()), there[0] if there else None)
