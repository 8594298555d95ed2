"""Problems are right, reproducible, and their splits share neither triples nor wordings."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import combinations, islice

import pytest

from codi_core.problems.generate import (
    FAMILIES,
    MAX_VALUE,
    Draws,
    Problem,
    Split,
    equations,
    generate,
    seed_prompt,
    stream,
    team_prompt,
    templates,
)
from codi_core.settings import ROOT

DISJOINT: tuple[Split, ...] = ("train", "means", "select", "confirm")


@pytest.fixture(scope="module")
def drawn() -> dict[Split, list[Problem]]:
    others = {split: list(islice(stream(split, seed=1), n)) for split, n in (("train", 3_000), ("test", 400), ("wordings", 400))}
    return {split: others.get(split) or generate(split, 1_000) for split in (*DISJOINT, *others)}


def evaluate(expression: str) -> Fraction:
    """Whole-number arithmetic, left to right, by an independent little reader."""
    for sign, operation in (("+", lambda a, b: a + b), ("-", lambda a, b: a - b), ("*", lambda a, b: a * b), ("/", lambda a, b: a / b)):
        if sign in expression:
            left, right = expression.rsplit(sign, 1) if sign in "-/" else expression.split(sign, 1)
            return operation(evaluate(left), evaluate(right))
    return Fraction(expression)


def test_every_step_is_true_and_within_one_token(drawn: dict[Split, list[Problem]]) -> None:
    for problem in (p for problems in drawn.values() for p in problems):
        assert 2 <= len(problem.steps) <= 3
        for step in problem.steps:
            assert evaluate(step.expression) == step.value
            assert 0 < step.value <= MAX_VALUE


def test_numbers_are_drawn_as_python_draws_them() -> None:
    """What ships was measured on questions that `random.Random` drew."""
    own, pythons = Draws("means:0"), random.Random("means:0")
    for most in (1, 2, 3, 8, 9, 100, 1_000):
        for _ in range(50):
            assert own.randint(1, most) == pythons.randint(1, most)
            assert own.choice(range(most)) == pythons.choice(range(most))
            assert own.below(most) == pythons.randrange(most)


def test_drilled_equations_are_true_and_the_same_for_a_seed() -> None:
    drawn = list(islice(equations(3), 500))
    assert all(evaluate(step.expression) == step.value and 0 < step.value <= MAX_VALUE for step in drawn)
    assert drawn == list(islice(equations(3), 500)) != list(islice(equations(4), 500))


@pytest.mark.parametrize(("one", "other"), list(combinations(DISJOINT, 2)))
def test_splits_share_no_triple_and_no_wording(drawn: dict[Split, list[Problem]], one: Split, other: Split) -> None:
    for attribute in ("template", "triple"):
        shared = {(p.family, getattr(p, attribute)) for p in drawn[one]} & {(p.family, getattr(p, attribute)) for p in drawn[other]}
        assert not shared


def test_docs_say_how_much_arithmetic_the_splits_share(drawn: dict[Split, list[Problem]]) -> None:
    said = " ".join((ROOT / "docs" / "sweeps.md").read_text(encoding="utf-8").split())
    sets = {name: drawn.get(name) or templates() for name in ("means", "templates", "select", "confirm")}  # type: ignore[call-overload]
    values = {name: [tuple(step.value for step in problem.steps) for problem in problems] for name, problems in sets.items()}
    known = {name: set(found) for name, found in values.items()}
    shared = {(one, other): sum(steps in known[one] for steps in values[other]) for one, other in combinations(sets, 2)}
    assert f"of 1,000 questions of `confirm`, {shared['select', 'confirm']} have the step values of one of 1,000 of `select`" in said
    of_means = ", ".join(f"{shared['means', name]} of `{name}`" for name in ("templates", "select", "confirm"))
    assert f"With 1,000 questions of `means`: {of_means}." in said


def test_the_test_split_has_unseen_triples_in_seen_wordings(drawn: dict[Split, list[Problem]]) -> None:
    assert not {(p.family, p.triple) for p in drawn["test"]} & {(p.family, p.triple) for p in drawn["train"]}
    others = {p.template for split in ("means", "select", "confirm", "wordings") for p in drawn[split]}  # type: ignore[index]
    assert not {p.template for p in drawn["test"]} & others


def test_nearly_every_sum_of_an_unseen_problem_is_practised_in_training(drawn: dict[Split, list[Problem]]) -> None:
    """Else a small network can only learn answers by heart; among far more training problems than these the share is higher still."""
    trained = {step.expression for problem in drawn["train"] for step in problem.steps}
    for family in FAMILIES:
        wanted = [step.expression in trained for problem in drawn["test"] if problem.family == family for step in problem.steps]
        assert sum(wanted) / len(wanted) > 0.9


def test_held_out_phrases_are_never_trained_on(drawn: dict[Split, list[Problem]]) -> None:
    trained = " ".join(p.question for p in drawn["train"])
    for phrase in ("Count all", "people to come along", "opens the year with", "times its size", "went without both"):
        assert phrase not in trained
        assert any(phrase in p.question for p in drawn["wordings"])


def test_all_families_appear_in_every_split(drawn: dict[Split, list[Problem]]) -> None:
    for problems in drawn.values():
        assert {p.family for p in problems} == set(FAMILIES)


def test_the_template_set_is_ten_stories_two_orders_fifty_triples() -> None:
    problems = templates()
    assert len({p.question for p in problems}) == len(problems) == 1_000
    assert len({p.template for p in problems}) == 20
    triples = {p.triple for p in problems}
    assert len(triples) == 50
    assert all(8 >= x > y >= 1 and 1 <= z <= 8 for x, y, z in triples)
    for p in problems:
        x, y, z = p.triple
        s = x - y if "/sub/" in p.template else x + y
        assert p.answer == s * z + s
        assert p.question.endswith("Give the answer only and nothing else.")


def test_the_posts_prompts() -> None:
    assert [s.value for s in team_prompt().steps] == [8, 16, 24]
    assert "3 members" in team_prompt().question
    assert seed_prompt().answer == 360
    assert "600 employees" in seed_prompt().question


def test_the_posts_prompts_are_not_trained_on(drawn: dict[Split, list[Problem]]) -> None:
    assert not {team_prompt().triple, seed_prompt().triple} & {p.triple for p in drawn["train"]}


def test_the_same_seed_gives_the_same_problems() -> None:
    assert generate("select", 50, seed=3) == generate("select", 50, seed=3)
    assert generate("select", 50, seed=3) != generate("select", 50, seed=4)
