"""What every row of EVAL_SETS keeps, whichever it is: a new one is tested by being there."""

from __future__ import annotations

import pytest

from codi_core.errors import DataError
from codi_core.problems.answers import compared
from codi_core.problems.evalsets import DEFAULT_MEANS, EVAL_SETS, asked_of, load_eval_set, means_sets
from codi_core.problems.hub import PublicFiles

ONLINE = {name for name, row in EVAL_SETS.items() if isinstance(getattr(row.source, "__self__", None), PublicFiles)}
OFFLINE = sorted(EVAL_SETS.keys() - ONLINE)


@pytest.mark.parametrize("name", EVAL_SETS)
def test_a_row_says_what_it_is(name: str) -> None:
    row = EVAL_SETS[name]
    assert name == name.lower() and "." not in name and " " not in name  # never mistaken for a file, and fit for a link
    assert row.description and "\n" not in row.description and "%" not in row.description  # argparse formats help with %
    assert row.groups
    assert row.suffix == "" or row.suffix.startswith((" ", "\n"))


@pytest.mark.parametrize("name", OFFLINE)
def test_a_row_drawn_here_gives_usable_questions_the_same_ones_every_time(name: str) -> None:
    spec, questions = load_eval_set(name, 12, 3)
    assert (spec.name, spec.n, spec.seed) == (name, 12, 3)
    assert load_eval_set(name, 12, 3)[0] == spec
    assert asked_of(name, 12) == 12
    assert load_eval_set(name, 12, 4)[0].digest != spec.digest
    assert len({question.id for question in questions}) == len(questions) == 12
    assert all(question.question.strip() and question.question.endswith(EVAL_SETS[name].suffix) for question in questions)
    assert all(question.known and compared(question.rule, question.gold) is not None for question in questions)
    with pytest.raises(DataError):
        load_eval_set(name, 10**6)


@pytest.mark.parametrize("name", ["templates", "bundled", "who-has-more"])  # the others take seconds to draw
def test_how_many_all_of_a_set_are_is_known_beforehand(name: str) -> None:
    assert asked_of(name, 0) == len(load_eval_set(name, 0)[1])


@pytest.mark.parametrize("name", sorted(ONLINE))
def test_a_row_of_the_hub_names_files_that_can_be_read(name: str) -> None:
    source = EVAL_SETS[name].source.__self__  # type: ignore[attr-defined]
    assert source.repository.count("/") == 1 and source.files
    assert len(set(source.files)) == len(source.files)
    assert all(file.endswith((".jsonl", ".json", ".csv", ".parquet")) for file in source.files)
    assert EVAL_SETS[name].split is None


def test_means_come_from_rows_that_say_so_the_default_first() -> None:
    assert means_sets()[0] == DEFAULT_MEANS
    assert sorted(means_sets()) == sorted(name for name, row in EVAL_SETS.items() if row.for_means)
