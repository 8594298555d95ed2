"""Stacked bars of outcomes, verdicts and tooltips: what is on screen is what the numbers say, and nothing typed is markup."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from codi_core.ui.widgets import verdict
from codi_core.ui.widgets.glossary import explained, glossary, marked
from codi_core.ui.widgets.outcome_bars import COLOURS, Bar, bars_html
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.stats import Share
from codi_core.values.verdict import Band, Correction, Verdict

OUTCOMES = Outcomes(correct=90, wrong=60, spelled_out=30, cut_off=16, no_number=4, correct_spelled_out=10)


def test_the_pieces_of_a_bar_are_all_answers_side_by_side() -> None:
    bar = bars_html([Bar("Steered", OUTCOMES)])
    pieces = re.findall(r'class="part [a-z -]+" style="left:([\d.]+)%;width:([\d.]+)%" title="([^"]+)"', bar)
    edges = [(float(left), float(left) + float(width)) for left, width, _ in pieces]
    assert edges[0][0] == 0 and edges[-1][1] == pytest.approx(100)
    assert all(one[1] == pytest.approx(other[0]) for one, other in pairwise(edges))
    assert [title for _, _, title in pieces][:3] == [
        "correct: 80 of 200 (40.0%)",
        "correct, spelled out: 10 of 200 (5.0%)",
        "spelled out: 30 of 200 (15.0%)",
    ]
    assert edges[1][1] == pytest.approx(45), "what is correct, however written, ends at the accuracy"
    assert f'aria-label="Steered: 45.0% right; {OUTCOMES.words()}"' in bar


def test_intervals_and_directions_are_where_they_belong() -> None:
    share = Share(0.45, 0.38, 0.52, 200, 150.0)
    bars = bars_html([Bar("Steered", OUTCOMES, share), Bar("3 random", OUTCOMES, dots=(0.3, 0.4, 0.5))])
    assert "Steered: 45.0% right, 95 % interval 38.0% to 52.0%" in bars
    assert '<i class="whisker" style="left:38.00%;width:14.00%"></i>' in bars
    assert re.findall(r'class="dot" style="left:([\d.]+)%"', bars) == ["30.00", "40.00", "50.00"]
    assert "30.0% – 50.0%" in bars


def test_names_are_text() -> None:
    assert "<b>a&lt;i&gt;</b>" in bars_html([Bar("a<i>", OUTCOMES)])
    assert bars_html([Bar("none", Outcomes())]).count("part") == 0


def test_outcomes_add_up() -> None:
    both = OUTCOMES + Outcomes(correct=1, correct_spelled_out=1)
    assert (OUTCOMES.n, both.n, both.correct, both.correct_spelled_out) == (200, 201, 91, 11)
    assert OUTCOMES.words() == "90 correct (10 as equations), 60 wrong, 30 spelled out, 16 cut off, 4 unread"
    assert sum(count for name, count in OUTCOMES.columns.items() if "," not in name) == 200
    assert set(OUTCOMES.parts) == set(COLOURS)
    assert OnlyForm(3, 0).words(14, 4) == "14 fixed (3 only in form), 4 broken (0 only in form)"


BAND, CORRECTION = Band.of(0.06, [0.0] * 24), Correction(0.32, 720)
SAID = Verdict("rises", 0.06, 0.019, 0.123, 300, 0.028, BAND, CORRECTION, effective_n=110, grouping="by x (3)")


def test_every_word_of_a_verdict_is_explained() -> None:
    facts = ["fixed", "broken", "gold margin", "dose", "P(gold)", "key", "McNemar's p", "percentile", "spelled out"]
    for word in (*SAID.sure(), *OUTCOMES.parts, *facts):
        assert "<abbr title=" in explained(word), word


def test_a_sentence_is_explained_word_by_word() -> None:
    said = verdict.sentence(SAID)
    assert re.sub(r"<[^>]*>", "", said) == SAID.sentence()
    for word in ("Accuracy", "points", "correction", "random directions"):
        assert re.search(rf'<abbr title="[^"]+">{word}</abbr>', said), word
    assert marked("points, points <b>").count("<abbr") == 1 and "&lt;b&gt;" in marked("points, points <b>")
    assert explained("a<b>") == "a&lt;b&gt;"


def test_the_fold_says_how_sure_in_the_words_of_the_glossary() -> None:
    sure = verdict.sure(SAID, {"dose": "<small>2</small>"})
    for part in ("+1.9 to +12.3 points", ".028", ".320 over 720 cells", "110 of 300", "by x (3)", "percentile 100 among 24", "<small>2"):
        assert part in sure, part


def test_the_glossary_is_the_document() -> None:
    words = glossary()
    assert words["bot"] == words["eot"] and words["bot"].startswith("The two tokens around the latents")
    assert "word" not in words and "---" not in words and words["resid"] == words["residual stream"]
