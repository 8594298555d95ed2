"""`questions`: what a file holds, before anything is run on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codi_core import cli

ROWS = [
    {"id": "a", "question": "48 and half of it?", "answer": "<<48/2=24>>24, <<48+24=72>>72\n#### 72", "template_id": 1},
    {"id": "b", "question": "40 and half of it?", "answer": "#### 60", "template_id": 1},
    {"id": "c", "question": "5 and 2?", "answer": 7, "template_id": 2},
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    return tmp_path / "mine.jsonl"


def test_each_question_is_shown_as_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["questions", str(path)]) == 0
    out, err = capsys.readouterr()
    assert not err
    assert "mine.jsonl: 3 questions" in out and "grouped: by template_id (2)" in out
    assert "a  gold 72  steps 24 → 72  [template_id:1]\n    48 and half of it?" in out


def test_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["questions", str(path), "--n", "2", "--seed", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["eval_set"]["n"] == len(found["questions"]) == 2
    assert set(found["questions"][0]) == {"id", "question", "gold", "steps", "groups", "rule"}
    assert cli.main(["questions", "templates", "--n", "3", "--json"]) == 0
    ours = json.loads(capsys.readouterr().out)["questions"][0]
    assert ours["steps"][-1] == ours["gold"] and [label.partition(":")[0] for label in ours["groups"]] == ["triple", "template"]


def test_a_person_says_how_the_file_is_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text(path.read_text() + '\n{"question": "Which?", "answer": "none"}')
    assert cli.main(["questions", str(path)]) == 2
    assert "row 4: the answer 'none' is no number" in capsys.readouterr().err
    assert cli.main(["questions", str(path), "--skip-bad", "--group", "question", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert err.startswith("left out: row 4: the answer 'none'") and err.count("\n") == 1
    assert (len(found["questions"]), len(found["left_out"]), found["grouping"]) == (3, 1, "each question its own")
    assert cli.main(["questions", str(path), "--answer-rule", "text", "--json"]) == 0
    assert [row["gold"] for row in json.loads(capsys.readouterr().out)["questions"]] == ["72", "60", "7", "none"]


def test_options_of_files_are_refused_for_a_named_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["questions", "templates", "--skip-bad"]) == 2
    assert "are for files" in capsys.readouterr().err
