"""Rows of files that go together are counted so: group columns, equal texts, and our own template set read back from a file."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codi_core.errors import DataError, InterventionError
from codi_core.evaluation.stats import estimate, share
from codi_core.keys import canonical_json
from codi_core.problems.clusters import check_disjoint, clusters_of, first_half, grouping
from codi_core.problems.evalsets import load_eval_set
from codi_core.problems.reading import Reading, read_questions


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_the_template_set_from_a_file_has_the_intervals_of_the_named_set(tmp_path: Path) -> None:
    _, named = load_eval_set("templates", 300, 0)
    with (tmp_path / "mine.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer", "template", "triple"])
        writer.writerows([q.question, q.gold, q.template, " ".join(map(str, q.triple))] for q in named)
    read = read_questions(tmp_path / "mine.csv")
    rng = np.random.default_rng(0)
    stories = {label: rng.random() < 0.3 for label in sorted({q.template for q in named})}
    wrong = np.array([stories[q.template] and rng.random() < 0.4 for q in named])
    ours, theirs = share(~wrong, clusters_of(named)), share(~wrong, clusters_of(read))
    assert ours == theirs
    assert theirs.effective_n < 250  # stories fail together
    changes = np.where(wrong, -1.0, 0.0)
    assert np.array_equal(np.array(estimate(changes, clusters_of(named))), np.array(estimate(changes, clusters_of(read))))
    assert grouping(read) == grouping(named) == "by triple (50), by template (20)"


def test_three_questions_copied_ten_times_are_three(tmp_path: Path) -> None:
    rows = [{"question": f"What is {n} + 1?", "answer": n + 1} for _ in range(10) for n in range(3)]
    questions = read_questions(jsonl(tmp_path / "a.jsonl", rows))
    found = share(np.tile([True, False, True], 10), clusters_of(questions))
    assert found.n == 30 and found.effective_n <= 3
    assert grouping(questions) == "by equal text (3)"
    halves = first_half(questions)
    assert all(len({halves[row] for row in range(n, 30, 3)}) == 1 for n in range(3))


@pytest.mark.parametrize("column", ["template", "template_id", "template_idx", "original_id", "seed_question", "group", "Cluster"])
def test_group_columns_are_found(column: str, tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": n, column: n % 4} for n in range(12)]
    questions = read_questions(jsonl(tmp_path / "a.jsonl", rows))
    assert grouping(questions) == f"by {column.lower()} (4)"
    assert len(clusters_of(questions)) == 1


def test_the_posts_numbers_are_a_triple(tmp_path: Path) -> None:
    rows = [{"prompt": f"{n}?", "ground_truth": n, "X": n % 3, "Y": 1, "Z": 2, "template_idx": n % 2} for n in range(12)]
    assert grouping(read_questions(jsonl(tmp_path / "a.jsonl", rows))) == "by triple (3), by template_idx (2)"


def test_a_person_names_the_column(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": n, "story": n % 3, "template": n % 2} for n in range(12)]
    path = jsonl(tmp_path / "a.jsonl", rows)
    assert grouping(read_questions(path, Reading(("story",)))) == "by story (3)"
    assert grouping(load_eval_set(f"{path}?group=story&group=template", 0)[1]) == "by story (3), by template (2)"
    with pytest.raises(DataError, match="no column 'tale' to group by: it has question, answer, story, template"):
        read_questions(path, Reading(("tale",)))
    with pytest.raises(DataError, match="at once"):
        read_questions(path, Reading(("story", "template", "answer")))


def test_a_way_that_another_contains_adds_nothing(tmp_path: Path) -> None:
    rows = [{"question": f"{n // 2}?", "answer": n // 2, "template": f"t{n % 16 // 4}", "template_id": n % 16 // 4} for n in range(32)]
    questions = read_questions(jsonl(tmp_path / "a.jsonl", rows))
    assert grouping(questions) == "by template (4)"  # equal texts are within a template, and its id is the same again


def test_what_groups_nothing_is_left_out(tmp_path: Path) -> None:
    one = [{"question": f"{n}?", "answer": n, "group": "all", "original_id": n} for n in range(6)]
    assert grouping(read_questions(jsonl(tmp_path / "a.jsonl", one))) == "each question its own"
    some = [{"question": f"{n}?", "answer": n, "group": "x" if n < 3 else ""} for n in range(6)]
    assert grouping(read_questions(jsonl(tmp_path / "b.jsonl", some))) == "by group (4)"


def test_groups_are_part_of_what_a_set_is_and_equal_texts_follow_from_it(tmp_path: Path) -> None:
    plain = [{"question": f"{n}?", "answer": n} for n in range(6)]
    first, second = (
        load_eval_set(str(jsonl(tmp_path / "a.jsonl", rows)))[0]
        for rows in (plain, [{**row, "group": place % 2} for place, row in enumerate(plain)])
    )
    assert first.digest != second.digest
    copied = load_eval_set(str(jsonl(tmp_path / "b.jsonl", [*plain, {"id": "7", **plain[0]}])))[0]
    rows = [[str(number + 1), f"{number % 6}?", float(number % 6)] for number in range(7)]
    assert copied.digest == hashlib.sha256(canonical_json(rows).encode()).hexdigest()  # as before there were groups


def test_means_from_a_group_that_is_evaluated_are_refused(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": n, "seed_question": f"s{n % 3}"} for n in range(12)]
    questions = read_questions(jsonl(tmp_path / "a.jsonl", rows))
    with pytest.raises(InterventionError, match="share 3 groups"):
        check_disjoint(questions[:6], questions[6:])
