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
from codi_core.problems.answers import compared, read_answer
from codi_core.problems.evalsets import COCONUT, DEFAULT_N, EVAL_SETS, MAX_GENERATED, MULTIMODE, load_eval_set, set_of
from codi_core.problems.hub import PARQUET, PublicFiles
from codi_core.problems.reading import parse_gold, read_questions
from codi_core.values.questions import AnswerRule

OURS = [name for name, eval_set in EVAL_SETS.items() if eval_set.split]
THEIRS = [name for name, eval_set in EVAL_SETS.items() if isinstance(getattr(eval_set.source, "__self__", None), PublicFiles)]
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
    assert all(not question.template and not question.triple and not question.groups for question in questions)
    assert [question.steps for question in questions] == [(), (1200.0,)]


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
        ("the answer is 5", 5.0),
        ("so \\boxed{\\frac{3}{4}}.", 0.75),
        ([18], 18.0),
        (["18", "18"], 18.0),
    ],
)
def test_gold(answer: object, gold: float) -> None:
    assert parse_gold(answer) == gold


@pytest.mark.parametrize("answer", ["seven", "", "#### ", True, float("nan"), "inf", "1e999", "1_000", [1, 2], [], "3 of 4"])
def test_what_is_no_number_is_refused(answer: object) -> None:
    with pytest.raises(DataError):
        parse_gold(answer)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": "?"}', "a.jsonl, row 2: has question, and needs question and answer"),
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": "?", "answer": "no idea"}', "row 2: the answer 'no idea' is no number"),
        ("a.jsonl", '{"question": "?", "answer": 1}\n{"question": ', "row 2: not JSON"),
        ("a.jsonl", '{"question": "  ", "answer": 1}', "row 1: the question is empty"),
        ("a.jsonl", "[1]", "row 1: .* is not a JSON object"),
        ("a.jsonl", "", "has no rows"),
        ("a.json", '{"question": "?", "answer": 1}', "holds a JSON dict"),
        ("a.json", '[{"question": "?", "answer": 1}', "is not JSON"),
        ("a.csv", "text,label\nhello,5\n", "row 1: has text, label, and needs question and answer"),
        ("a.csv", "question,answer\nhello,5\nhello,\n", "row 2: the answer '' is no number"),
        ("a.parquet", "not a parquet file", "not a readable parquet file"),
        ("a.txt", "hello", "not a file type that can be read"),
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
    monkeypatch.setattr(huggingface_hub.constants, "HF_ASSETS_CACHE", str(tmp_path))
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


def test_rows_of_the_hub_are_read_as_their_row_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copies in the shapes the hub has them: equations for steps, the first 500 rows, rows without a number, letters."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    rows = [{"question": f"{n} and {n}?", "cot": f"<<{n}+{n}={2 * n}>>", "answer": str(2 * n)} for n in range(501)]
    in_hub_cache(tmp_path, "zen-E/GSM8k-Aug", PARQUET, "default/train/0000.parquet", [*rows, {"question": "x?", "cot": "", "answer": "x"}])
    first = load_eval_set("gsm8k-aug-500")[1]
    assert (len(first), first[7].id, first[7].gold, first[7].steps) == (500, "0000/8", 14.0, (14.0,))
    assert load_eval_set("gsm8k-aug-train")[0].n == 501
    choices = {"label": ["A", "B"], "text": ["sea", "bank"]}
    file = "data/validation-00000-of-00001.parquet"
    in_hub_cache(tmp_path, "tau/commonsense_qa", "main", file, [{"id": "q", "question": "Where?", "choices": choices, "answerKey": "B"}])
    found = load_eval_set("commonsense-qa")[1][0]
    assert (found.question, found.gold, found.rule) == ("Where?\nA. sea\nB. bank", "B", "letter")


PROSQA = {
    "question": "Every gorpus is a sterpus. Tom is a gorpus. Sam is a yumpus. Every yumpus is a impus. Is Tom a impus or sterpus?",
    "answer": "Tom is a sterpus.",
    "steps": ["Tom is a gorpus.", "Every gorpus is a sterpus."],
    "idx_to_symbol": ["Sam", "Tom", "gorpus", "sterpus", "yumpus", "impus"],
    "edges": [[1, 2], [2, 3], [0, 4], [4, 5]],
    "root": 1,
    "target": 3,
    "neg_target": 5,
}
PRONTOQA = {
    "question": "Each gorpus is cold. Tumpuses are gorpuses. Sam is a tumpus. Sam is a lempus. True or false: Sam is not cold.",
    "steps": ["Sam is a tumpus. Tumpuses are gorpuses.", "Sam is a gorpus. Each gorpus is cold.", "Sam is cold."],
    "answer": "False",
    "idx_to_symbol": ["Sam", "tumpus", "gorpus", "lempus"],
    "edges": [[1, 2]],
    "root": 0,
    "target": 2,
    "neg_target": 3,
    "chain_concepts": ["tumpus", "gorpus"],
}


@pytest.mark.parametrize(
    ("name", "repository", "commit", "row", "rule", "right", "wrong"),
    [
        (
            *("prosqa", "facebookresearch--coconut", COCONUT, PROSQA, "is-a"),
            (
                "### Tom is a sterpus.",
                "The answer is: Tom is a sterpus",
                "Tom is a gorpus.\nEvery gorpus is a sterpus.\n### Tom is a sterpus.",
            ),
            ("### Tom is a impus.", "### Sam is a sterpus.", "sterpus"),
        ),
        (
            *("prontoqa", "connordilgren--are-lrms-easily-interpretable", MULTIMODE, PRONTOQA, "true-false"),
            ("### False", "The answer is: False", "Sam is cold.\n### False"),
            ("### True", "The answer is: True", "Sam is cold."),
        ),
    ],
)
def test_files_of_github_are_read_as_their_authors_publish_them(
    name: str,
    repository: str,
    commit: str,
    row: dict[str, Any],
    rule: AnswerRule,
    right: tuple[str, ...],
    wrong: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows with the columns of these files (questions of our own), where a download puts them."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_ASSETS_CACHE", str(tmp_path))
    folder = tmp_path / "codi-explorer" / repository / commit
    folder.mkdir(parents=True)
    (folder / f"data--{name}_test.json").write_text(json.dumps([row, {**row, "question": "Another?"}], indent=4))
    spec, found = load_eval_set(name)
    assert (spec.name, found[0].id, found[0].question, found[0].gold, found[0].rule) == (
        *(name, f"{name}_test/1", row["question"], row["answer"], rule),
    )
    gold = compared(rule, found[0].gold)
    assert all(read_answer(rule, text) == gold for text in right)
    assert all(read_answer(rule, text) != gold for text in wrong)
    mine = tmp_path / f"{name}_test.json"
    mine.write_text(json.dumps([row]))
    assert load_eval_set(str(mine))[1][0].rule == rule, "a copy brings its rule as well"
    assert set_of(mine.name) == name and set_of("other.json") == "other.json"


def test_commonsense_as_the_public_code_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    row = {"question": "Where?\nChoices:\nA: sea\nB: bank", "cot": "Banks are places. So", "answer": "B"}
    in_hub_cache(tmp_path, "zen-E/CommonsenseQA-GPT4omini", PARQUET, "default/validation/0000.parquet", [row])
    found = load_eval_set("commonsense-qa-codi")[1][0]
    assert (found.question, found.gold, found.rule) == (row["question"], "B", "letter")


def in_hub_cache(cache: Path, repository: str, ref: str, file: str, rows: list[dict[str, Any]]) -> None:
    folder, commit = cache / f"datasets--{repository.replace('/', '--')}", "0" * 40
    (folder / "refs" / ref).parent.mkdir(parents=True, exist_ok=True)
    (folder / "refs" / ref).write_text(commit)
    path = folder / "snapshots" / commit / file
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, rows)
