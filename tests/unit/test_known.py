"""What is known about one prompt: ours, ours under another ending, and what a person gives, which comes first."""

from __future__ import annotations

import pytest

from codi_core.errors import InputError
from codi_core.problems.generate import seed_prompt, team_prompt
from codi_core.problems.stories import SUFFIXES
from codi_core.services.known import known, known_problems

SEED = seed_prompt().question
BARE = SEED.removesuffix(SUFFIXES[1])


def test_the_prompts_of_the_posts_are_known() -> None:
    problems = known_problems()
    assert problems[team_prompt().question].gold == 24 and problems[SEED].gold == 360
    assert len(problems) > 1000 and all(problem.steps[-1:] in ((), (problem.gold,)) for problem in problems.values())


@pytest.mark.parametrize("ending", SUFFIXES)
def test_a_prompt_of_ours_is_known_whatever_it_asks_for_at_its_end(ending: str) -> None:
    assert BARE.endswith("?")
    found = known(BARE + ending)
    assert found is not None
    assert (found.question.gold, found.question.steps[-1], found.question.question) == (360, 360, BARE + ending)
    assert found.source == ("ours" if BARE + ending == SEED else "another ending")


def test_other_words_are_not_known() -> None:
    assert known(BARE.replace("600", "601")) is None
    assert known(BARE + " Think step by step.") is None


def test_what_a_person_gives_comes_first() -> None:
    found = known(SEED, "1,350", ["720"])
    assert found is not None and found.source == "given"
    assert (found.question.gold, found.question.steps) == (1350, (720, 1350))
    found = known("How many?", "", ["8", "24"])
    assert found is not None and (found.question.gold, found.question.steps) == (24, (8, 24))
    found = known("How many?", "24", ["8", "24"])
    assert found is not None and found.question.steps == (8, 24)


def test_an_answer_in_words_is_compared_as_words() -> None:
    found = known("Who?", "Paris")
    assert found is not None and (found.question.gold, found.question.rule, found.question.steps) == ("Paris", "text", ())


@pytest.mark.parametrize(("steps", "says"), [(["eight"], "not a number"), (["1"] * 13, "at most 12")])
def test_values_that_cannot_be_are_refused_in_words(steps: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        known("How many?", "24", steps)
