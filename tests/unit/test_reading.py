"""Data as people publish it: every shape gives the questions it means, what could mean two things is refused, and nothing is left out in
silence. All excerpts are written for the test, in the shapes of the data sets they name.
"""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from codi_core.errors import DataError
from codi_core.problems.evalsets import load_eval_set, load_file
from codi_core.problems.numbers import has_decimal_comma, read_number
from codi_core.problems.reading import AS_IT_IS, Reading, read_file, read_questions, split_name
from codi_core.values.questions import Question

LAMPS = "A shop sells 48 lamps in May and half as many in June. How many in all?"


def read(path: Path, content: str | bytes, reading: Reading = AS_IT_IS) -> tuple[Question, ...]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_file(path, reading).questions


def lines(*rows: dict[str, Any]) -> str:
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize(
    ("row", "question", "gold", "steps"),
    [
        ({"question": LAMPS, "answer": "June: 48/2=<<48/2=24>>24. All: <<48+24=72>>72\n#### 72"}, LAMPS, 72.0, (24.0, 72.0)),  # GSM8K
        ({"question": LAMPS, "cot": "<<48/2=24>> <<48+24=72>>", "answer": "72"}, LAMPS, 72.0, (24.0, 72.0)),  # GSM8k-Aug, zen-E
        ({"question": LAMPS, "steps": ["<<48/2=24>>", "<<48+24=72>>"], "answer": "72"}, LAMPS, 72.0, (24.0, 72.0)),  # whynlp, Coconut
        ({"question": LAMPS, "steps": ["48/2=24"], "answer": 72}, LAMPS, 72.0, (24.0, 72.0)),
        ({"instruction": LAMPS, "response": "He sells 24 more.\n#### 72"}, LAMPS, 72.0, ()),
        ({"instruction": "Answer.", "input": LAMPS, "output": "72"}, f"Answer. {LAMPS}", 72.0, ()),  # Alpaca
        ({"problem": LAMPS, "solution": "Thus \\boxed{72} lamps.", "level": "1"}, LAMPS, 72.0, ()),  # MATH
        ({"problem": LAMPS, "solution": "Long.", "answer": "\\frac{1}{2}"}, LAMPS, 0.5, ()),
        ({"query": LAMPS, "response": "48 + 24 = 72\nThe answer is: 72"}, LAMPS, 72.0, ()),  # MetaMath
        ({"iIndex": 3, "sQuestion": LAMPS, "lSolutions": [72.0]}, LAMPS, 72.0, ()),  # MAWPS
        ({"prompt": LAMPS, "ground_truth": 72}, LAMPS, 72.0, ()),
    ],
)
def test_published_shapes(row: dict[str, Any], question: str, gold: float, steps: tuple[float, ...], tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", lines(row))[0]
    assert (found.question, found.gold, found.steps, found.rule) == (question, gold, steps, "number")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", lines({"question": "A?", "answer": 7}, {"question": "B?", "answer": 8})),  # JSON lines under the name of JSON
        ("a.json", json.dumps({"question": ["A?", "B?"], "cot": ["", ""], "answer": [7, 8]})),  # columns
        ("a.json", json.dumps({"config": {"n": 2}, "prompts": [{"prompt": "A?", "answer": 7}, {"prompt": "B?", "answer": 8}]})),
        ("a.jsonl.gz", gzip.compress(lines({"question": "A?", "answer": 7}, {"question": "B?", "answer": 8}).encode(), mtime=0)),
        ("a.csv.gz", gzip.compress(b"question,answer\nA?,7\nB?,8\n", mtime=0)),
        ("a.tsv", "question\tanswer\nA?\t7\nB?\t8\n"),
        ("a.csv", "question;answer\r\nA?;7\r\nB?;8\r\n"),
        ("a.csv", "sep=;\r\nquestion;answer\r\nA?;7\r\nB?;8\r\n"),
        ("a.csv", "\ufeffquestion,answer\nA?,7\nB?,8\n"),
        ("a.csv", "question,answer\nA?,7\nB?,8\n".encode("utf-16")),
        ("a.csv", "question\tanswer\nA?\t7\nB?\t8\n".encode("utf-16-le")),  # "Unicode text" without its mark
        ("a.csv", " Question , ANSWER \nA?,7\n,\nB?,8\n"),
        ("a.csv", 'question,answer\n"A?",7\nB?,8\n'),
    ],
)
def test_files_as_programs_save_them(name: str, content: str | bytes, tmp_path: Path) -> None:
    assert [(question.question, question.gold) for question in read(tmp_path / name, content)] == [("A?", 7.0), ("B?", 8.0)]


@pytest.mark.parametrize("text", ["2,5", "0,125", "1.234,5", "€ 3,50", "1 234,5"])
def test_a_decimal_comma_is_no_thousand(text: str) -> None:
    assert has_decimal_comma(text)
    assert read_number(text) == {"2,5": 2.5, "0,125": 0.125, "1.234,5": 1234.5, "€ 3,50": 3.5, "1 234,5": 1234.5}[text]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("1,234", 1234.0), ("12,345,678.5", 12345678.5), ("12,34,567", 1234567.0), ("1 234", 1234.0), ("1'234", 1234.0)],
        *[("25%", 25.0), ("25 %", 25.0), ("\\$18", 18.0), ("-$5", -5.0), ("$-5", -5.0), ("18.", 18.0), ("−3", -3.0), ("1e3", 1000.0)],
        *[("3/4", 0.75), ("1 1/2", 1.5), ("-3/4", -0.75), ("\\dfrac{1}{2}", 0.5), ("1{,}234", 1234.0), ("1.234.567", 1234567.0)],
        *[("seven", None), ("2, 5", None), ("1,23,4", None), ("1/0", None), ("5 apples", None), ("1_000", None), ("nan", None)],
    ],
)
def test_numbers(text: str, number: float | None) -> None:
    assert read_number(text) == number
    assert has_decimal_comma(text) == (text == "1.234.567"), "points between thousands go with decimal commas"


@pytest.mark.parametrize(
    "content",
    [
        'question,answer\nA?,"2,5"\nB?,"1,234"\n',
        'question,answer\nB?,"2,5"\nA?,1.234\n',
        "question;answer\nA?;7\nB?;1,234\n",
        "question;answer\nA?;7\nB?;1.234\n",
    ],
)
def test_a_number_that_could_be_two_is_refused_by_its_row(content: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv, row 2: '1[,.]234' could be thousands or a decimal"):
        read(tmp_path / "a.csv", content)


def test_thousands_stay_thousands_where_nothing_says_otherwise(tmp_path: Path) -> None:
    assert [question.gold for question in read(tmp_path / "a.csv", 'question,answer\nA?,"1,234"\nB?,"1,000,000"\n')] == [1234.0, 1e6]
    assert [question.gold for question in read(tmp_path / "b.csv", "question;answer\nA?;2,5\nB?;1.234,75\n")] == [2.5, 1234.75]


def test_more_cells_than_columns_is_an_error_naming_the_row(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv, row 2: 3 cells under 2 columns \(question, answer\)"):
        read(tmp_path / "a.csv", "question,answer\nA?,7\nThere are 3, how many?,8\n")
    with pytest.raises(DataError, match="double quote"):
        read(tmp_path / "b.csv", 'question,answer\n"A?,7\nB?,8\n')


BAD = lines({"question": "A?", "answer": 7}, {"question": "B?"}, {"question": "C?", "answer": "many"}, {"question": "D?", "answer": [1, 2]})


def test_rows_that_cannot_be_used_are_left_out_only_on_request_and_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="row 2"):
        read(tmp_path / "a.jsonl", BAD)
    found = read_file(tmp_path / "a.jsonl", Reading(skip_bad=True))
    assert [(question.id, question.gold) for question in found.questions] == [("1", 7.0)]
    assert [reason.partition(":")[0] for reason in found.left_out] == ["row 2", "row 3", "row 4"]
    with pytest.raises(DataError, match="no row that can be used"):
        read(tmp_path / "b.jsonl", lines({"question": "A?"}), Reading(skip_bad=True))
    cells = read_file_of(tmp_path / "c.csv", "question,answer\nA?,7\nB, C?,8\nD?,9\n")
    assert [question.gold for question in cells.questions] == [7.0, 9.0] and "row 2: 3 cells" in cells.left_out[0]


def read_file_of(path: Path, content: str) -> Any:
    path.write_text(content)
    return read_file(path, Reading(skip_bad=True))


@pytest.mark.parametrize(
    "item",
    [
        {
            "id": 4,
            "addition": {"prompt": "3 plus 4?", "answer": 7},
            "subtraction": {"prompt": "4 minus 3?", "answer": 1},
        },
        {"id": 4, "addition_prompt": "3 plus 4?", "addition_answer": 7, "subtraction_prompt": "4 minus 3?", "subtraction_answer": 1},
    ],
)
def test_variants_of_a_prompt_are_rows_of_one_group(item: dict[str, Any], tmp_path: Path) -> None:
    other = {name: {"prompt": f"{name}?", "answer": 2} for name in ("addition", "subtraction")}
    found = read(tmp_path / "prompts.json", json.dumps({"config": {"model": "m"}, "prompts": [item, {"id": 5, **other}]}))
    assert [(question.id, question.question, question.gold) for question in found[:2]] == [
        ("4/addition", "3 plus 4?", 7.0),
        ("4/subtraction", "4 minus 3?", 1.0),
    ]
    assert [question.groups for question in found] == [("group:4",), ("group:4",), ("group:5",), ("group:5",)]


def test_lists_by_kind_are_one_list(tmp_path: Path) -> None:
    kinds = {"addition": [{"prompt": "3 plus 4?", "answer": 7}], "subtraction": [{"prompt": "4 minus 3?", "answer": 1}]}
    assert [question.gold for question in read(tmp_path / "prompts.json", json.dumps({"prompts": kinds}))] == [7.0, 1.0]


def test_options_follow_the_name_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine?.jsonl"
    path.write_text(lines({"question": "A?", "answer": 7}))
    assert split_name(str(path)) == (str(path), Reading())
    reading = Reading(("a b", "c"), "letter", True)
    assert split_name(reading.named("x.csv")) == ("x.csv", reading)
    for wrong in ("x.csv?rule=guess", "x.csv?what=1", "x.csv?"):
        with pytest.raises(DataError):
            split_name(wrong)
    bad = tmp_path / "bad.jsonl"
    bad.write_text(BAD)
    assert load_eval_set(f"{bad}?skip-bad=yes")[0].n == 1
    assert len(load_file(f"{bad}?skip-bad=yes")[1].left_out) == 3


@pytest.mark.parametrize(
    ("row", "gold", "rule", "asked"),
    [
        (  # ProsQA
            {"question": "Every a is a b. Is Tom an a or a c?", "steps": ["Tom is a b.", "Every b is an a."], "answer": "Tom is an a."},
            "Tom is an a.",
            "is-a",
            "Every a is a b. Is Tom an a or a c?",
        ),
        (  # PrOntoQA
            {
                "question": "Each cat is shy. Max is a cat.",
                "query": "True or false: Max is not shy.",
                "chain_of_thought": [],
                "answer": "False",
            },
            "False",
            "true-false",
            "Each cat is shy. Max is a cat. True or false: Max is not shy.",
        ),
        (  # CommonsenseQA
            {"question": "Where do two-way doors stand?", "choices": {"label": ["A", "B"], "text": ["bank", "sea"]}, "answerKey": "A"},
            "A",
            "letter",
            "Where do two-way doors stand?\nA. bank\nB. sea",
        ),
        ({"qid": "x", "question": "Do hens lay eggs?", "answer": True, "facts": ["Hens do."]}, "True", "true-false", "Do hens lay eggs?"),
        ({"question": "What is red?", "answer": "#### fire engine"}, "fire engine", "text", "What is red?"),
    ],
)
def test_answers_in_words_bring_their_rule(row: dict[str, Any], gold: str, rule: str, asked: str, tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", lines(row))[0]
    assert (found.gold, found.rule, found.question, found.steps) == (gold, rule, asked, ())


def test_numbers_and_words_in_one_file_are_refused_unless_a_rule_is_named(tmp_path: Path) -> None:
    rows = lines({"question": "A?", "answer": 7}, {"question": "B?", "answer": "seven"})
    with pytest.raises(DataError, match=r"row 2: the answer 'seven' is no number .*rule=text"):
        read(tmp_path / "a.jsonl", rows)
    assert [question.gold for question in read(tmp_path / "a.jsonl", rows, Reading(rule="text"))] == ["7", "seven"]
    with pytest.raises(DataError, match="row 2: the answer 'seven' is not one letter"):
        read(tmp_path / "b.jsonl", lines({"question": "A?", "answer": "B"}, {"question": "B?", "answer": "seven"}), Reading(rule="letter"))
    with pytest.raises(DataError, match="row 1"):
        read(tmp_path / "c.jsonl", lines({"question": "A?", "answer": "It is because of the " + "long " * 20 + "way."}))


def test_the_rule_is_part_of_what_a_set_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(lines({"question": "A?", "answer": "B"}))
    assert load_eval_set(str(path))[0].digest != load_eval_set(f"{path}?rule=text")[0].digest


@pytest.mark.parametrize(
    ("row", "question", "gold"),
    [
        ({"question": "Which?", "choices": ["sea", "bank"], "answer": 1}, "Which?\nA. sea\nB. bank", "B"),  # MMLU
        ({"question": "Which?", "options": ["A)sea", "B)bank"], "rationale": "…", "correct": "B"}, "Which?\nA. sea\nB. bank", "B"),  # AQuA
        (
            {"messages": [{"role": "system", "content": "Hi"}, {"role": "user", "content": "A?"}, {"role": "assistant", "content": "7"}]},
            "A?",
            7.0,
        ),
        ({"conversations": [{"from": "human", "value": "A?"}, {"from": "gpt", "value": "So\n#### 7"}]}, "A?", 7.0),
        ({"prompt": [{"role": "user", "content": "A?"}], "reward_model": {"ground_truth": "7", "style": "rule"}}, "A?", 7.0),
        ({"question": "A?", "answer": "", "response": "#### 7"}, "A?", 7.0),
    ],
)
def test_choices_and_conversations(row: dict[str, Any], question: str, gold: object, tmp_path: Path) -> None:
    found = read(tmp_path / "a.jsonl", lines(row))[0]
    assert (found.question, found.gold) == (question, gold)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "question,answer,answer\nA?,7,8\n", "two columns 'answer'"),
        ("a.csv", "question,Answer,answer\nA?,7,8\n", "row 1: two columns differ only in capitals"),
        ("a.jsonl", lines({"question": ["A?"], "answer": 7}), "row 1: the question is no text"),
        ("a.jsonl.gz", b"\x1f\x8bnot gzip", "cannot be read"),
        ("a.jsonl.gz", gzip.compress(b'{"question": "A?", "answer": 7}', mtime=0)[:-9], "cannot be read"),
        ("a.xlsx", b"PK", "not a file type that can be read: use .jsonl"),
    ],
)
def test_what_would_be_a_wrong_question_is_refused(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content)


@pytest.mark.parametrize(
    ("text", "gold"),
    [
        ('"sep=;"\nquestion;answer\nA?;2,5\n', 2.5),
        ("sep= ;\r\nquestion;answer\r\nA?;2,5\r\n", 2.5),
        ("question,answer\nA?,\u200b7\u00a0\n", 7.0),
        ("question,answer\nA?,(B)\nB?,C)\nC?,D.\n", "B"),
        ("question,answer\nA?,1.234.567\n", 1_234_567.0),
    ],
)
def test_what_spreadsheets_put_around_values(text: str, gold: object, tmp_path: Path) -> None:
    for number, encoding in enumerate(("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-be", "utf-16-le")):
        path = tmp_path / f"{number}.csv"
        path.write_bytes(text.encode(encoding))
        assert read_questions(path)[0].gold == gold, encoding


def test_a_line_break_in_a_cell_is_one_character_whatever_wrote_it(tmp_path: Path) -> None:
    for number, ending in enumerate(("\n", "\r\n", "\r")):
        assert read(tmp_path / f"{number}.csv", f'question,answer{ending}"A{ending}B?",7{ending}')[0].question == "A\nB?"


@pytest.mark.parametrize(
    ("row", "gold"),
    [
        ({"answer": {"value": "7", "unit": "km"}}, 7.0),
        ({"answers": [{"text": "7"}]}, 7.0),
        ({"answers": {"text": ["Paris"], "answer_start": [3]}}, "Paris"),
        ({"answer": Decimal("7.50")}, 7.5),
        ({"question": b"A?", "answer": b"7"}, 7.0),
    ],
)
def test_answers_inside_objects_and_of_other_types(row: dict[str, Any], gold: object, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame([{"question": "A?", **row}]).to_parquet(path)
    assert [(question.question, question.gold) for question in read_questions(path)] == [("A?", gold)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "question,answer\nA?,N/A\nB?,#DIV/0!\n", "row 1: the answer 'N/A' says that there is none"),
        ("a.csv", "question,answer\nA?,1.234.567\nB?,1.234\n", "row 2: '1.234' could be thousands or a decimal"),
        ("a.csv", "question,answer\nA?,7\x00\n", "NUL characters"),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git-lfs pointer"),
        ("a.jsonl", '{"question": "A?", "answer": 7, "answer": 8}', "row 1: not JSON .*'answer' twice"),
        (
            "a.json",
            '[{"question": "A?", "answer": {"low": 1, "high": 2}}]',
            "row 1: the answer {'low': 1, 'high': 2} is no number and no text",
        ),
        ("a.jsonl", lines({"question": "A?", "answer": None}), "row 1: the answer is empty"),
    ],
)
def test_what_would_be_a_wrong_answer_is_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, content)


def test_a_date_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"question": ["A?"], "answer": [pd.Timestamp("2024-01-02")]}).to_parquet(path)
    with pytest.raises(DataError, match="row 1: the answer datetime"):
        read_questions(path)


def test_lines_of_old_macs_padded_cells_and_equal_ids(tmp_path: Path) -> None:
    assert [question.gold for question in read(tmp_path / "a.csv", "question;answer\rA?;7\rB?;8\r")] == [7.0, 8.0]
    assert [question.gold for question in read(tmp_path / "b.csv", "\n\nquestion,answer\nA?,7,,\nB?,8\n")] == [7.0, 8.0]
    again = read(tmp_path / "c.csv", "id,question,answer\nx,A?,7\nx,B?,8\ny,C?,9\n")
    assert [question.id for question in again] == ["x/1", "x/2", "y"]
