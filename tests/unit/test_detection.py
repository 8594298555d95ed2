"""What is asked of a lens' readings, on readings made by hand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from codi_core.evaluation.detection import (
    aligned_detection,
    aligned_hits,
    detection_contrast,
    detection_map,
    entropies_of,
    mean_entropy,
    mean_probability,
    probabilities_of,
    set_hits,
    token_set,
    value_hits,
)
from codi_core.figures.contrast import contrast_panel, contrast_sentence, contrast_table
from codi_core.values.lens import DetectionSpec, LensReadings
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question

SPEC = DetectionSpec(ModelSpec("m", "0", "float32", "paper", "none"), "logit", "", EvalSetSpec("s", 0, 0, ""), RolloutConfig(1))
N, INDICES, DEPTHS, K = 60, 2, 3, 4


@pytest.fixture
def readings() -> LensReadings:
    """Question q has step 1 = token q and answer = token 100 + q. Cell (1, 2) reads the answer second and step 1 fourth; others junk."""
    top = np.full((N, INDICES, DEPTHS, K), 999)
    top[:, 1, 2, 1], top[:, 1, 2, 3] = 100 + np.arange(N), np.arange(N)
    ids = np.full((N, 2, 2), -1)
    ids[:, 0, 1], ids[:, 1, 0] = 100 + np.arange(N), np.arange(N)  # the spelling's place does not matter
    prob = np.zeros((N, INDICES, DEPTHS, 2), np.float32)
    prob[:, 1, 2, 0] = np.where(np.arange(N) < 40, 0.5, 0.1)
    values = np.stack([100 + np.arange(N), np.arange(N)], 1).astype(np.float32)
    questions = tuple(Question(str(q), f"q{q}", 0, f"t/{q % 5}", (q % 20,), ()) for q in range(N))
    entropy = np.random.default_rng(0).random((N, INDICES, DEPTHS)).astype(np.float32)
    return LensReadings(SPEC, N, questions, ("answer", "step 1"), values, ids, top, entropy, prob, np.arange(N) < 40)


def test_a_value_is_found_from_its_rank_on_and_chance_is_not(readings: LensReadings) -> None:
    answer, step = detection_map(readings, "answer"), detection_map(readings, "step 1")
    assert answer.found.value[:, 1, 2].tolist() == [0, 1, 1, 1] and step.found.value[:, 1, 2].tolist() == [0, 0, 0, 1]
    assert answer.found.value[:, 0].max() == 0 and (answer.permuted.value == 0).all()
    assert (answer.found.n, answer.multi_token, answer.without) == (N, 0, 0)
    assert (answer.found.low <= answer.found.value).all() and (answer.found.high >= answer.found.value).all()


def test_missing_and_multi_token_values_are_counted_apart(readings: LensReadings) -> None:
    readings.values[:10, 1], readings.token_ids[:10, 1] = np.nan, -1
    readings.token_ids[10:13, 1] = -1
    found = detection_map(readings, "step 1")
    assert (found.found.n, found.without, found.multi_token) == (N - 13, 10, 3)
    assert found.found.value[3, 1, 2] == 1


def test_the_baseline_shows_a_lens_that_always_says_the_same(readings: LensReadings) -> None:
    readings.top_ids[:, 0, 0] = [7, 8, 9, 10]  # values of questions 7 to 10, read in every question
    found = detection_map(readings, "step 1")
    np.testing.assert_allclose(found.found.value[3, 0, 0], 4 / N)
    assert found.permuted.low[3, 0, 0] < 4 / N < found.permuted.high[3, 0, 0]
    assert found.permuted.value[3, 0, 0] > 0


def test_a_value_of_this_question_is_never_its_own_baseline(readings: LensReadings) -> None:
    readings.values[:, 1] = readings.token_ids[:, 1, 0] = np.arange(N) % 2
    readings.top_ids[:, 1, 2, 3] = np.arange(N) % 2
    found = detection_map(readings, "step 1")
    assert found.found.value[3, 1, 2] == 1 and found.permuted.value[3, 1, 2] == 0


def test_token_sets_and_their_permutation_of_nothing(readings: LensReadings) -> None:
    assert token_set(readings, [999]).value[0].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert token_set(readings, [3, 4, 5]).value[3, 1, 2] == pytest.approx(3 / N)
    assert token_set(readings, [12345]).value.max() == 0


def test_means_by_outcome(readings: LensReadings) -> None:
    by_subset = {subset: mean_probability(readings, "answer", subset) for subset in ("all", "correct", "wrong")}
    assert [by_subset[name].n for name in ("all", "correct", "wrong")] == [60, 40, 20]
    assert by_subset["correct"].value[1, 2] == pytest.approx(0.5) and by_subset["wrong"].value[1, 2] == pytest.approx(0.1)
    everything = mean_entropy(readings)
    np.testing.assert_allclose(everything.value, readings.entropy.mean(0), rtol=1e-5)
    assert (everything.low < everything.value).all() and (everything.high > everything.value).all()


def test_no_questions_give_no_numbers(readings: LensReadings) -> None:
    readings.correct[:] = True
    readings.token_ids[:, 1] = -1
    assert mean_entropy(readings, "wrong").n == 0 and np.isnan(mean_entropy(readings, "wrong").value).all()
    found = detection_map(readings, "step 1")
    assert (found.found.n, found.multi_token) == (0, N) and np.isnan(found.found.value).all()
    assert found.found.value.shape == found.permuted.value.shape == (K, INDICES, DEPTHS)


def test_aligned_steps_stand_one_index_later_and_the_last_one_is_the_answer(readings: LensReadings) -> None:
    """Questions of one step have their answer at index 2, of two steps their first value; three indices are needed."""
    steps = [(float(100 + q),) if q % 2 else (float(q), float(100 + q)) for q in range(N)]
    questions = tuple(replace(question, steps=own) for question, own in zip(readings.questions, steps, strict=True))
    top = np.full((N, 4, DEPTHS, K), 999)
    top[:, 2, -1, 0] = [own[0] for own in steps]
    top[:, 3, -1, 2] = [own[-1] for own in steps]
    shown = replace(readings, questions=questions, top_ids=top)
    first, chance = aligned_detection(shown, 1)
    assert first.value.tolist() == [1, 1, 1, 1] and chance.value.tolist() == [0, 0, 0, 0] and first.n == N
    second, _ = aligned_detection(shown, 2)
    assert second.value.tolist() == [0, 0, 1, 1] and second.n == N // 2
    assert aligned_detection(shown, 1, depth=0)[0].value.tolist() == [0, 0, 0, 0]
    assert aligned_detection(shown, 3)[0].n == 0  # nobody has three steps
    assert aligned_detection(replace(shown, top_ids=top[:, :2]), 1)[0].n == 0  # too few passes


def test_a_model_is_told_from_a_control_that_lacks_the_value_in_that_cell_alone(readings: LensReadings) -> None:
    blind = replace(readings, top_ids=np.where(np.arange(K) == 1, 999, readings.top_ids))
    found = detection_contrast(readings, blind, partial(value_hits, target="answer"), k=3)
    assert found.difference.value[1, 2] == 1 and found.difference.low[1, 2] > 0
    assert np.argwhere(found.stands_out).tolist() == [[1, 2]]
    sentence = contrast_sentence("answer in the top 3", found, share=True)
    assert "in 1 of 6 cells, less in 0" in sentence and "+100.0 points" in sentence and f"n = {N}" in sentence
    panel = contrast_panel("answer in the top 3", found, share=True)
    assert [cell.mark for row in panel.cells for cell in row].count("∗") == 1 and panel.cells[1][2].text == "+100"
    assert len(contrast_table(found)) == 6
    other = detection_contrast(blind, readings, partial(value_hits, target="answer"), k=3)
    np.testing.assert_array_equal(other.difference.value, -found.difference.value)
    np.testing.assert_array_equal(other.difference.low, -found.difference.high)


def test_a_model_is_not_told_from_itself_whatever_is_asked(readings: LensReadings) -> None:
    asked = [
        (partial(value_hits, target="step 1"), 2),
        (partial(set_hits, ids=[999]), 1),
        (entropies_of, None),
        (partial(probabilities_of, target="answer", subset="wrong"), None),
    ]
    for question, k in asked:
        found = detection_contrast(readings, readings, question, k)
        for part in (found.difference.value, found.difference.low, found.difference.high):
            np.testing.assert_array_equal(part, 0)
        assert (found.adjusted == 1).all()


def test_two_noises_are_rarely_told_apart(readings: LensReadings) -> None:
    """p is for the whole map: one map in twenty, at most, has any cell that stands out."""
    draw = np.random.default_rng(5)
    maps = [[replace(readings, entropy=draw.normal(size=readings.entropy.shape).astype(np.float32)) for _ in range(2)] for _ in range(30)]
    assert sum(detection_contrast(*both, entropies_of).stands_out.any() for both in maps) <= 4


def test_a_contrast_is_of_the_questions_both_have_read(readings: LensReadings) -> None:
    half = replace(
        readings,
        questions=readings.questions[:30],
        **{name: getattr(readings, name)[:30] for name in ("values", "token_ids", "top_ids", "entropy", "prob", "correct")},
    )
    assert detection_contrast(readings, half, entropies_of).difference.n == 30
    none = detection_contrast(readings, replace(half, token_ids=np.full_like(half.token_ids, -1)), partial(value_hits, target="answer"), 1)
    assert none.difference.n == 0 and np.isnan(none.adjusted).all() and "No question" in contrast_sentence("it", none, share=True)


def test_aligned_hits_are_those_of_the_aligned_detection(readings: LensReadings) -> None:
    questions = tuple(replace(question, steps=(1.0,)) for question in readings.questions)
    asked = replace(readings, questions=questions, top_ids=np.concatenate([readings.top_ids[:, :1], readings.top_ids], axis=1))
    rows, hits = aligned_hits(asked, 1)
    assert len(rows) == N
    np.testing.assert_allclose(hits.mean(0), aligned_detection(asked, 1)[0].value)
    assert hits.mean(0).tolist() == [0, 1, 1, 1]
