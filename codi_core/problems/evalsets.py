"""Eval sets by name: our own problems, public data sets through the hub, or any file a person names.

The same name, n and seed always mean the same questions; `EvalSetSpec.digest` proves it.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codi_core.errors import DataError
from codi_core.keys import canonical_json
from codi_core.problems.generate import Problem, Split, generate, templates
from codi_core.types import EvalSetSpec, Question

DEFAULT_N = 1_000
"""Questions of a generated set when ``n`` is 0."""
MAX_GENERATED = 5_000
"""The small splits have a few thousand different problems; drawing for more would never end."""


@dataclass(frozen=True)
class EvalSet:
    description: str
    questions: Callable[[int, int], list[Question]]
    """n (0 = all, or DEFAULT_N of a generated set) and seed → questions."""
    split: Split | None = None
    """Split of our own problems; None for other people's data, which the bundled models never trained on."""


def load_eval_set(name: str, n: int = 0, seed: int = 0) -> tuple[EvalSetSpec, tuple[Question, ...]]:
    """Questions of a set in EVAL_SETS or of a .jsonl, .json, .csv or .parquet file. ``n`` 0 = all (DEFAULT_N of a generated set).

    Raises DataError when there is no such set or file, it cannot be fetched, a row has no question or no number for an answer, or it
    holds fewer than ``n`` questions.
    """
    if n < 0:
        raise DataError(f"{n} questions: give a positive number, or 0 for all.")
    if name in EVAL_SETS:
        questions = EVAL_SETS[name].questions(n, seed)
    else:
        path = Path(name).expanduser()
        if not path.exists():
            raise DataError(
                f"'{name}' is neither an eval set ({', '.join(EVAL_SETS)}) nor an existing file: "
                "name a .jsonl, .json, .csv or .parquet file with columns question and answer."
            )
        name, questions = path.name, _sample(read_questions(path), n, seed, path.name)
    digest = hashlib.sha256(canonical_json([[q.id, q.question, q.gold] for q in questions]).encode()).hexdigest()
    return EvalSetSpec(name, len(questions), seed, digest), tuple(questions)


def as_question(problem: Problem) -> Question:
    """One of our problems as a row of an eval set. The id holds a hash of the text: equal stories may end with different requests."""
    text = hashlib.sha256(problem.question.encode()).hexdigest()[:6]
    return Question(
        id=f"{problem.template}/{'-'.join(map(str, problem.triple))}/{text}",
        question=problem.question,
        gold=float(problem.answer),
        template=problem.template,
        triple=problem.triple,
        steps=tuple(float(step.value) for step in problem.steps),
    )


def _sample(questions: list[Question], n: int, seed: int, name: str) -> list[Question]:
    """``n`` of them at random, in their own order; all when ``n`` is 0."""
    if n > len(questions):
        raise DataError(f"{name} has {len(questions):,} questions and {n:,} were asked for: use a smaller n, or 0 for all.")
    chosen = random.Random(seed).sample(range(len(questions)), n) if n else range(len(questions))
    return [questions[place] for place in sorted(chosen)]


# Our own problems


def _templates(n: int, seed: int) -> list[Question]:
    return _sample([as_question(problem) for problem in templates()], n, seed, "templates")


def _generated(split: Split) -> Callable[[int, int], list[Question]]:
    def questions(n: int, seed: int) -> list[Question]:
        if n > MAX_GENERATED:
            raise DataError(f"{n:,} questions of the split '{split}' were asked for: at most {MAX_GENERATED:,} can be drawn.")
        return [as_question(problem) for problem in generate(split, n or DEFAULT_N, seed)]

    return questions


# Other people's data

QUESTION_COLUMNS = ("question", "input")
ANSWER_COLUMNS = ("answer", "target", "final_ans")


def read_questions(path: Path) -> list[Question]:
    """Every row of a file. Columns (in any case): question and answer, or input and target; SVAMP's Body goes before its Question.

    The answer is a number, or a text with the number after ``####``. Raises DataError naming the file and the row.
    """
    questions = [_question(record, f"{path}, row {row}", str(row)) for row, record in enumerate(_records(path), 1)]
    if not questions:
        raise DataError(f"{path} has no rows: give one question a row.")
    return questions


def _records(path: Path) -> Iterator[dict[str, Any]]:
    readers = {".jsonl": _jsonl, ".json": _json, ".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise DataError(f"{path} is no file this reads: name a {', '.join(readers)} file.")
    try:
        yield from readers[path.suffix.lower()](path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as file:
        for row, line in enumerate((line for line in file if line.strip()), 1):
            try:
                record = json.loads(line)
            except ValueError as error:
                raise DataError(f"{path}, row {row}: not JSON ({error}).") from error
            yield _object(record, path, row)


def _json(path: Path) -> Iterator[dict[str, Any]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise DataError(f"{path} is not JSON ({error}). One object a line is called .jsonl.") from error
    if not isinstance(records, list):
        raise DataError(f"{path} holds a JSON {type(records).__name__}: give a list of objects with question and answer.")
    return (_object(record, path, row) for row, record in enumerate(records, 1))


def _object(record: Any, path: Path, row: int) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise DataError(f"{path}, row {row}: {record!r:.80} is no JSON object with question and answer.")
    return record


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from ({str(name): value for name, value in record.items()} for record in csv.DictReader(file))


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import read_table

    try:
        yield from read_table(path).to_pylist()
    except ArrowInvalid as error:
        raise DataError(f"{path} is not a readable parquet file: {error}") from error


def _question(record: dict[str, Any], where: str, row: str) -> Question:
    fields = {name.lower(): value for name, value in record.items()}
    asked, answer = (
        next((fields[name] for name in names if fields.get(name) is not None), None) for names in (QUESTION_COLUMNS, ANSWER_COLUMNS)
    )
    if asked is None or answer is None:
        raise DataError(f"{where}: has {', '.join(record) or 'nothing'}, and needs question and answer (or input and target).")
    question = f"{fields.get('body') or ''} {asked}".strip()
    if not question:
        raise DataError(f"{where}: the question is empty.")
    gold = parse_gold(answer)
    if gold is None:
        raise DataError(f"{where}: the answer {answer!r:.80} is no number and has none after ####.")
    return Question(id=str(fields.get("id") or row), question=question, gold=gold, template="", triple=(), steps=())


def parse_gold(answer: Any) -> float | None:
    """The number an answer is: itself, or what follows the last ``####``; thousands commas and a leading $ are allowed."""
    text = str(answer).rsplit("####", 1)[-1].strip().removeprefix("$").replace(",", "")
    try:
        number = float(text)
    except ValueError:  # True, a sentence, ...
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class HubFiles:
    """Files of a data set on the Hugging Face hub, read one after the other."""

    repository: str
    files: tuple[str, ...]
    revision: str | None = None

    def questions(self, n: int, seed: int) -> list[Question]:
        rows = ((Path(file).stem, question) for file in self.files for question in read_questions(self.fetch(file)))
        return _sample([replace(question, id=f"{file}/{question.id}") for file, question in rows], n, seed, self.repository)

    def fetch(self, file: str) -> Path:
        """The local copy, downloaded once with a progress bar into huggingface_hub's cache (``HF_HOME``). Raises DataError offline."""
        import httpx
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import HfHubHTTPError

        cached = try_to_load_from_cache(self.repository, file, repo_type="dataset", revision=self.revision)
        if isinstance(cached, str):  # asking the hub first takes half a minute of retries when there is no network
            return Path(cached)
        try:
            return Path(hf_hub_download(self.repository, file, repo_type="dataset", revision=self.revision))
        except (HfHubHTTPError, httpx.HTTPError, OSError) as error:  # LocalEntryNotFoundError, no network and no copy, is an OSError
            raise DataError(
                f"{file} of the data set '{self.repository}' could not be downloaded ({type(error).__name__}: no network?) and no copy is "
                "cached. Go online once, or name a local file of the same questions instead: --eval-set FILE.jsonl."
            ) from error


EVAL_SETS: dict[str, EvalSet] = {
    "templates": EvalSet("The posts' template set: 10 stories × addition or subtraction first × 50 unseen triples", _templates, "test"),
    "bundled": EvalSet("Our problems of all kinds: wordings seen in training, triples never", _generated("test"), "test"),
    "wordings": EvalSet("Our problems with phrases and triples never seen in training", _generated("wordings"), "wordings"),
    "means": EvalSet("Our split for mean latents, disjoint from the others by triple and wording", _generated("means"), "means"),
    "select": EvalSet("Our split for choosing among interventions", _generated("select"), "select"),
    "confirm": EvalSet("Our split for confirming what was chosen", _generated("confirm"), "confirm"),
    "gsm8k": EvalSet("GSM8K, test", HubFiles("openai/gsm8k", ("main/test-00000-of-00001.parquet",)).questions),
    "gsm-hard": EvalSet("GSM-Hard: GSM8K with larger numbers", HubFiles("reasoning-machines/gsm-hard", ("gsmhardv2.jsonl",)).questions),
    "svamp": EvalSet(
        "SVAMP, all 1,000 questions",
        HubFiles("ChilleD/SVAMP", ("train.json", "test.json"), "5e0bf1e5e7c0e9c4bc39180d224f41f3f801b7ef").questions,
    ),
    "multiarith": EvalSet("MultiArith, all 600 questions", HubFiles("ChilleD/MultiArith", ("train.json", "test.json")).questions),
}
