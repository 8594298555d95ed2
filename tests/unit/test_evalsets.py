"""Eval sets: the same name, n and seed are the same questions; files of every accepted shape; errors that name the row."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pandas as pd
import pytest

from codi_core.errors import DataError
from codi_core.problems.evalsets import DEFAULT_N, EVAL_SETS, MAX_GENERATED, load_eval_set, parse_gold, read_questions

OURS = [name for name, eval_set in EVAL_SETS.items() if eval_set.split]
THEIRS = [name for name, eval_set in EVAL_SETS.items() if not eval_set.split]
ROWS = [
    {"question": "What is 3 + 4?", "answer": "7"},
    {"question": "What, is 2 · 600?", "answer": "2 × 600 = <<2*600=1200>>1200\n#### 1,200"},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    if path.suffix == ".jsonl":
        path.write_text("\n\n".join(map(json.dumps, rows)))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".parquet":
        pd.DataFrame(rows).to_parquet(path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return path


@pytest.mark.parametrize("name", OURS)
def test_a_set_is_its_name_n_and_seed(name: str) -> None:
    spec, questions = load_eval_set(name, 30, 5)
    assert (spec, questions) == load_eval_set(name, 30, 5)
    assert load_eval_set(name, 30, 6)[0].key != spec.key
    assert spec.n == len(questions) == len({question.id for question in questions}) == 30
    assert all(question.gold == question.steps[-1] and question.template and question.triple for question in questions)


def test_templates_are_twenty_stories_and_fifty_triples() -> None:
    _, questions = load_eval_set("templates")
    assert len(questions) == 1_000
    assert len({question.template for question in questions}) == 20
    assert len({question.triple for question in questions}) == 50


def test_a_generated_set_has_a_default_size_and_a_limit() -> None:
    assert load_eval_set("bundled")[0].n == DEFAULT_N
    with pytest.raises(DataError, match="at most 5,000"):
        load_eval_set("means", MAX_GENERATED + 1)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv", ".parquet"])
def test_every_format_holds_the_same_questions(suffix: str, tmp_path: Path) -> None:
    questions = read_questions(write(tmp_path / f"mine{suffix}", ROWS))
    assert [(question.id, question.question, question.gold) for question in questions] == [
        ("1", "What is 3 + 4?", 7.0),
        ("2", "What, is 2 · 600?", 1200.0),
    ]
    assert all(not question.template and not question.triple and not question.steps for question in questions)


@pytest.mark.parametrize(
    ("row", "question", "gold"),
    [
        ({"question": "How many?", "answer": "16 - 7 = <<16-7=9>>9\n#### 18"}, "How many?", 18.0),  # GSM8K
        (
            {"ID": "chal-1", "Body": "A pack costs 76.", "Question": "How much?", "Answer": 51.0},
            "A pack costs 76. How much?",
            51.0,
        ),  # SVAMP
        ({"input": "How many?", "code": "def solution(): ...", "target": -9867630.0}, "How many?", -9867630.0),  # GSM-Hard
        ({"input": "How many?", "target": 39}, "How many?", 39.0),  # MultiArith of PAL
        ({"question": " How many? ", "final_ans": "10"}, "How many?", 10.0),  # MultiArith on the hub
    ],
)
def test_public_data_sets_are_read_as_they_are(row: dict[str, Any], question: str, gold: float, tmp_path: Path) -> None:
    found = read_questions(write(tmp_path / "theirs.jsonl", [row]))[0]
    assert (found.question, found.gold, found.id) == (question, gold, row.get("ID", "1"))


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (7, 7.0),
        ("-3.5", -3.5),
        ("1,234", 1234.0),
        ("#### $1,000", 1000.0),
        (0, 0.0),
        ("a #### b #### 5", 5.0),
        ("seven", None),
        ("", None),
        ("#### ", None),
        (True, None),
        ("the answer is 5", None),
        (float("nan"), None),
        ("inf", None),
        ("1e999", None),
    ],
)
def test_gold(answer: object, gold: float | None) -> None:
    assert parse_gold(answer) == gold


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": "?"}', "a.jsonl, row 2: has question, and needs question and answer"),
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": "?", "answer": "no idea"}', "row 2: the answer 'no idea' is no number"),
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": ', "row 2: not JSON"),
        ("a.jsonl", '{"question": "  ", "answer": 1}', "row 1: the question is empty"),
        ("a.jsonl", "[1]", "row 1: .* is no JSON object"),
        ("a.jsonl", "", "has no rows"),
        ("a.json", '{"question": "?", "answer": 1}', "holds a JSON dict"),
        ("a.json", '{"question": "?", "answer": 1}\n{}', "is not JSON"),
        ("a.csv", "text,label\nhello,5\n", "row 1: has text, label, and needs question and answer"),
        ("a.csv", "question,answer\nhello,5\nhello,\n", "row 2: the answer '' is no number"),
        ("a.parquet", "not a parquet file", "not a readable parquet file"),
        ("a.txt", "hello", "no file this reads"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(name: str, text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_eval_set(str(path))


def test_bytes_that_are_no_text_are_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"question,answer\n\xff\xfe,5\n")
    with pytest.raises(DataError, match="cannot be read"):
        load_eval_set(str(tmp_path / "a.csv"))
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        load_eval_set(str(tmp_path / "folder.json"))


def test_an_unknown_set_lists_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'gsm' is neither an eval set \(templates, .*gsm8k"):
        load_eval_set("gsm")


def test_a_file_is_sampled_in_order(tmp_path: Path) -> None:
    path = write(tmp_path / "many.jsonl", [{"question": f"What is {n} + 0?", "answer": n} for n in range(50)])
    spec, questions = load_eval_set(str(path), 20, 3)
    assert (spec, questions) == load_eval_set(str(path), 20, 3)
    golds = [question.gold for question in questions]
    assert golds == sorted(golds) and len(set(golds)) == 20 and spec.name == "many.jsonl"
    assert load_eval_set(str(path))[0].n == 50
    with pytest.raises(DataError, match="has 50 questions and 51 were asked for"):
        load_eval_set(str(path), 51)
    with pytest.raises(DataError, match="-1 questions"):
        load_eval_set(str(path), -1)


@pytest.mark.parametrize("name", THEIRS)
def test_without_a_network_the_message_names_a_way_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"could not be downloaded .* or name a local file"):
        load_eval_set(name)


def test_a_copy_in_the_hub_cache_needs_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository, revision = tmp_path / "datasets--ChilleD--MultiArith", "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    (repository / "snapshots" / revision).mkdir(parents=True)
    for part in ("train", "test"):
        write(repository / "snapshots" / revision / f"{part}.json", [{"question": f"{part}?", "final_ans": "4"}])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert [(question.id, question.gold) for question in load_eval_set("multiarith")[1]] == [("train/1", 4.0), ("test/1", 4.0)]
