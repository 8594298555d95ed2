"""What counts as right, wrong, unparsed and truncated; which questions belong together."""

from __future__ import annotations

import pytest

from codi_core.evaluation.outcomes import counted, only_form, outcome_of, spells_out
from codi_core.problems.answers import ANSWER_RULES, mentions, rule_of
from codi_core.problems.clusters import clusters_of
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.questions import Answer, AnswerRule, Question


def question(gold: Answer, rule: AnswerRule = "number") -> Question:
    return Question("1", "?", gold, "", (), (), rule)


@pytest.mark.parametrize(
    ("answer", "finished", "outcome"),
    [("18", True, "correct"), ("18.5", True, "wrong"), ("-18", True, "wrong"), ("eighteen", True, "unparsed"), ("18", False, "truncated")],
)
def test_outcomes(answer: str, finished: bool, outcome: str) -> None:
    assert outcome_of(answer, finished, question(18)) == outcome


@pytest.mark.parametrize(
    ("rule", "gold", "right", "wrong", "unparsed"),
    [
        ("number", 1200.0, ["The answer is: 1,200", "1200.0", "so 7 or 1200."], ["120", "1200 of 3"], ["no idea", ""]),
        ("hash", "18", ["a # 3 ### 18", "### 1,8"], ["### 18.0", "### 18 eggs"], ["18", "### "]),
        (
            "text",
            "revolving door",
            ["The answer is: revolving door.", " revolving  door"],
            ["door", "Revolving door"],
            ["", "The answer is: "],
        ),
        ("letter", "B", ["B", "b", "(B)", "The answer is: B.", "I think B"], ["A", "B or C", "Bank C"], ["neither", "", "Because"]),
        ("true-false", "True", ["true", "The answer is: True", "yes", "Not false but true."], ["False", "no"], ["maybe", "untrue", ""]),
        (
            "is-a",
            "Tom is a lempus.",
            ["### Tom is a lempus.", "The answer is: Tom is a lempus", "tom is a  lempus"],
            ["Tom is a yumpus.", "Sam is a lempus.", "### Tom is a lempus and a yumpus."],
            ["lempus", "### ", "Tom is kind"],
        ),
    ],
)
def test_a_rule_tells_right_from_wrong_and_from_no_answer(
    rule: AnswerRule, gold: Answer, right: list[str], wrong: list[str], unparsed: list[str]
) -> None:
    asked = question(gold, rule)
    found = {answer: outcome_of(answer, True, asked) for answer in [*right, *wrong, *unparsed]}
    assert found == dict.fromkeys(right, "correct") | dict.fromkeys(wrong, "wrong") | dict.fromkeys(unparsed, "unparsed")


@pytest.mark.parametrize("rule", ANSWER_RULES)
def test_every_rule_reads_its_own_gold_answers_as_right(rule: AnswerRule) -> None:
    golds: dict[AnswerRule, list[Answer]] = {
        "number": [7.0, -2.5],
        "letter": ["C"],
        "true-false": ["False", "yes"],
        "is-a": ["Max is an apple."],
    }
    for gold in golds.get(rule, ["a b c", "42"]):
        text = f"{ANSWER_RULES[rule].lead or ''}{gold}"
        assert outcome_of(text, True, question(gold, rule)) == "correct"
        assert outcome_of(f"{text} and", False, question(gold, rule)) == "truncated"


@pytest.mark.parametrize(
    ("golds", "rule"),
    [
        (["True", "False"], "true-false"),
        (["yes", "no"], "true-false"),
        (["A", "e"], "letter"),
        (["Tom is a lempus.", "Sally is an orange."], "is-a"),
        (["revolving door", "A"], "text"),
        (["word " * 30], None),
    ],
)
def test_the_rule_of_words_is_found_in_them(golds: list[str], rule: AnswerRule | None) -> None:
    assert rule_of(golds) == rule


@pytest.mark.parametrize(("answer", "spelled"), [("24", False), (" The answer is 24.", False), ("8-7=1>><<1*8=8>>9", True), ("", False)])
def test_an_answer_with_equations_is_told_from_a_number(answer: str, spelled: bool) -> None:
    assert spells_out(answer) == spelled


def test_every_answer_is_counted_once() -> None:
    answers = {"18": True, "9+9=18": True, "17": True, "9+8=17": True, "9+9=": False, "eighteen": True, "x=": True}
    outcomes = [outcome_of(answer, finished, question(18)) for answer, finished in answers.items()]
    found = counted(outcomes, answers)
    assert found == Outcomes(correct=2, wrong=1, spelled_out=1, cut_off=1, no_number=2, correct_spelled_out=1)
    assert found.n == len(answers) and found.correct == outcomes.count("correct")


@pytest.mark.parametrize(
    ("rule", "gold", "text", "there"),
    [
        ("number", 18.0, "18-1=17>>17", True),
        ("number", 1200.0, "1,200 + 3 = 1203", True),
        ("number", 18.0, "180 and 118", False),
        ("number", 18.0, "", False),
        ("letter", "B", "B or C", True),
        ("letter", "B", "Bank", False),
        ("text", "revolving door", "a Revolving door, or a window", True),
        ("is-a", "Tom is a lempus.", "Tom is a lempus and a yumpus", True),
    ],
)
def test_a_text_holds_the_gold_answer_whatever_else_it_says(rule: AnswerRule, gold: Answer, text: str, there: bool) -> None:
    assert mentions(rule, gold, text) == there


def test_only_the_form_changed_where_the_gold_answer_stands_in_the_answer_that_does_not_count() -> None:
    fixed = [(question(96), "96+5=101>>101"), (question(96), "95"), (question(12), "12*2")]
    broken = [(question(4), "4+4+4+4+4+"), (question(4), "5")]
    assert only_form(fixed, broken) == OnlyForm(2, 1)


def test_a_triple_means_the_same_within_a_family_only() -> None:
    asked = [
        Question("1", "?", 1, "group/team/add/0", (3, 5, 2), ()),
        Question("2", "?", 1, "group/band/add/0", (3, 5, 2), ()),
        Question("3", "?", 1, "rate/pump/0", (3, 5, 2), ()),
        Question("4", "?", 1, "", (), ()),
        Question("5", "?", 1, "", (), ()),
    ]
    triples, templates = clusters_of(asked)
    assert triples[0] == triples[1] and len(set(triples)) == 4
    assert len(set(templates)) == 5
