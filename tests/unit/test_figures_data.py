"""Figures of eval sets and of detection: counts add up, intervals are drawn around their values, gaps stay gaps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codi_core.figures.data import answer_frequency, facts, lengths, question_table, step_counts
from codi_core.figures.detect import detection_panels, entropy_panel, means_table, over_indices, over_k, probability_panel, token_set_panel
from codi_core.values.lens import DetectionMap
from codi_core.values.questions import Question
from codi_core.values.stats import Estimates

INDICES, DEPTHS, K = 3, 4, 10


def question(n: int, known: bool = True) -> Question:
    steps = (float(n), float(n + 1)) if known else ()
    return Question(f"q{n}", "How many " + "lamps " * n, float(n % 50), f"t{n % 3}" if known else "", (n % 7,) if known else (), steps)


def means(*lead: int, seed: int = 0, n: int = 12) -> Estimates:
    value = np.random.default_rng(seed).random((*lead, INDICES, DEPTHS)).astype(np.float32)
    return Estimates(value, value * 0.9, value * 1.05, n)


def test_answers_are_counted_and_the_rest_is_named() -> None:
    figure = answer_frequency([question(n) for n in range(1, 121)])
    bars = figure.data[0]
    assert len(bars.x) == 40
    assert list(bars.y) == sorted(bars.y, reverse=True)
    assert "10 more" in figure.layout.xaxis.title.text


def test_steps_and_lengths_cover_every_question() -> None:
    questions = [question(n) for n in range(1, 9)] + [question(n, known=False) for n in range(9, 12)]
    assert sum(step_counts(questions).data[0].y) == 11
    assert len(lengths(questions).data[0].x) == 11
    assert list(step_counts(questions).data[0].x) == ["unknown", "2"]


def test_facts_say_what_is_unknown() -> None:
    assert facts([question(n) for n in range(1, 30)])["Groups"] == "by triple (21), by template (3)"
    assert facts([question(n, known=False) for n in range(1, 30)])["Groups"] == "each question its own"


def test_words_have_no_size() -> None:
    words = facts([replace(question(n), gold="yes" if n % 3 else "no") for n in range(1, 30)])
    assert words["Most frequent answer"].startswith("yes (69.0%")
    assert not any("999" in name for name in words)


def test_columns_without_anything_are_left_out() -> None:
    assert list(question_table([question(3, known=False)])) == ["question", "answer", "id"]
    assert list(question_table([question(3)])) == ["question", "answer", "steps", "wording", "numbers", "id"]


@pytest.mark.parametrize("k", [1, 10])
def test_found_and_chance_are_two_panels_that_tell_each_others_numbers(k: int) -> None:
    found = DetectionMap("step 1", means(K), means(K, seed=1), 0, 0)
    panels = detection_panels(found, k)
    assert [panel.name for panel in panels] == ["Found", "By chance"]
    assert np.array_equal(panels[0].painted.values, found.found.value[k - 1])
    cell = panels[0].cells[2][1]
    assert cell.text == f"{found.found.value[k - 1, 2, 1]:.0%}"
    assert f"{found.permuted.value[k - 1, 2, 1]:.0%}" in cell.facts[1]


def test_nothing_to_average_is_a_gap() -> None:
    nothing = np.full((K, INDICES, DEPTHS), np.nan, np.float32)
    empty = Estimates(nothing, nothing, nothing, 0)
    panel = token_set_panel(empty, 5)
    assert panel.cells[0][0].text == "–"
    assert panel.painted.fill[0][0] == "rgb(128,128,128)"
    assert len(over_indices({"none": Estimates(nothing[0], nothing[0], nothing[0], 0)}, 0, share=True).data) == 0


def test_curves_carry_their_intervals() -> None:
    found = DetectionMap("answer", means(K), means(K, seed=1), 0, 0)
    band, line = over_k(found, 1, 2).data[:2]
    assert np.allclose(line.y, found.found.value[:, 1, 2])
    assert np.allclose(band.y, [*found.found.high[:, 1, 2], *found.found.low[::-1, 1, 2]])
    assert np.allclose(line.customdata[:, 0], found.found.low[:, 1, 2])
    lines = [
        trace for trace in over_indices({"all": means(), "wrong": means(seed=2)}, 3, share=False).data if trace.mode == "lines+markers"
    ]
    assert len({line.line.dash for line in lines}) == 2, "colour is not the only difference"


def test_other_panels_use_their_own_units() -> None:
    assert entropy_panel(means()).painted.title == "Mean entropy (nats)"
    assert probability_panel("answer", means()).cells[0][0].text.endswith("%")


def test_the_table_names_every_axis() -> None:
    table = means_table({"found": means(K)})
    assert len(table) == K * INDICES * DEPTHS
    row = table[(table.k == 3) & (table["index"] == 1) & (table.depth == 2)].iloc[0]
    assert np.isclose(row.value, means(K).value[2, 1, 2])
    assert "k" not in means_table({"entropy": means()}).columns
