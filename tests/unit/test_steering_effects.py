"""From two runs to a verdict, and what it says when nothing is there."""

from __future__ import annotations

import numpy as np
import pytest

from codi_core.evaluation.effects import effect_of
from codi_core.evaluation.stats import compare
from codi_core.values.evals import ScoredRun
from codi_core.values.questions import Question
from codi_core.values.verdict import ALPHA

N = 120
QUESTIONS = tuple(Question(f"q{n}", f"{n}?", 1.0, f"group/t{n % 10}", (n // 10,), (1.0,)) for n in range(N))


def run(right: np.ndarray, margin: np.ndarray | float = 0.0, numbers: np.ndarray | None = None) -> ScoredRun:
    where = np.arange(N) if numbers is None else numbers
    return ScoredRun(
        numbers=where,
        answers=tuple("1" if hit else "2" for hit in right),
        parsed=np.where(right, 1.0, 2.0),
        outcomes=np.where(right, "correct", "wrong"),
        p_gold=np.where(right, 0.9, 0.1).astype(np.float32),
        margin=(np.where(right, 1.0, -1.0) + margin).astype(np.float32),
    )


def half() -> np.ndarray:
    return np.random.default_rng(0).random(N) < 0.5


def test_fixed_and_broken_are_counted_and_named() -> None:
    before, after = half(), half()
    after[[3, 5, 7]] = True
    before[[3, 5, 7]] = False
    before[11], after[11] = True, False
    effect = effect_of((run(before), run(after)), QUESTIONS, ("c", "b"))
    assert effect.fixed == (3, 5, 7) and effect.broken == (11,)
    assert (effect.paired.fixed, effect.paired.broken, effect.changed) == (3, 1, 4)
    assert effect.paired.delta == pytest.approx(2 / N)
    assert sum(effect.transitions.values()) == N and effect.transitions["wrong", "correct"] == 3
    assert (effect.done, effect.total, effect.key, effect.baseline_key) == (N, N, "c", "b")
    assert effect.margin.low <= effect.margin.value <= effect.margin.high


def test_partial_runs_use_their_own_questions() -> None:
    numbers = np.array([50, 7, 90, 33, 2, 64])
    effect = effect_of((run(half()[numbers], 0.0, numbers), run(np.ones(6, bool), 0.0, numbers)), QUESTIONS, ("c", "b"))
    assert effect.done == 6 and effect.total == N and set(effect.fixed) <= set(numbers.tolist())


def test_one_bit_of_one_score_is_not_identical() -> None:
    same = run(half())
    assert effect_of((same, run(half())), QUESTIONS, ("c", "b")).identical
    moved = run(half(), np.where(np.arange(N) == 4, 1e-6, 0.0))
    assert not effect_of((same, moved), QUESTIONS, ("c", "b")).identical


def test_the_margin_moves_before_answers_do() -> None:
    rng = np.random.default_rng(1)
    effect = effect_of((run(half()), run(half(), 0.2 + 0.1 * rng.standard_normal(N))), QUESTIONS, ("c", "b"))
    assert effect.paired.delta == 0 and effect.margin.low > 0
    assert "No effect on accuracy" in effect.verdict.sentence() and "gold margin moves" in effect.verdict.sentence()


def test_a_live_verdict_and_its_interval_never_contradict_each_other() -> None:
    rng, seen = np.random.default_rng(4), set()
    for strength in np.linspace(0, 0.12, 60):
        before = half()
        after = before ^ (rng.random(N) < np.where(before, strength, 0.03))
        verdict = effect_of((run(before), run(after)), QUESTIONS, ("c", "b")).verdict
        seen.add(verdict.direction)
        assert (verdict.low > 0 or verdict.high < 0) == (verdict.p < ALPHA) == (verdict.direction in ("rises", "falls"))
    assert {"none seen", "falls"} <= seen


def controls(pushes: np.ndarray) -> list[tuple[ScoredRun, ScoredRun]]:
    rng = np.random.default_rng(2)
    pairs = []
    for push in pushes:
        after = half() ^ (rng.random(N) < abs(push)) if push else half()
        pairs.append((run(half()), run(after, push)))
    return pairs


def test_verdicts_name_the_band() -> None:
    before = half()
    after = before & (np.random.default_rng(3).random(N) < 0.5)
    pair = run(before), run(after, -1.0)
    alone = effect_of(pair, QUESTIONS, ("c", "b"))
    assert "Accuracy falls" in alone.verdict.sentence() and "not tried" in alone.verdict.sentence() and alone.controls is None
    few = effect_of(pair, QUESTIONS, ("c", "b"), controls(np.zeros(5)))
    assert few.controls is not None and few.controls.percentile is None is few.controls.margin_percentile
    assert "too few" in few.verdict.sentence() and "percentile" not in few.verdict.sentence()
    quiet = effect_of(pair, QUESTIONS, ("c", "b"), controls(np.zeros(24)))
    assert (
        quiet.controls is not None
        and quiet.controls.percentile == 0
        and "none of 24 random directions falls as far" in quiet.verdict.sentence()
    )
    same = effect_of(pair, QUESTIONS, ("c", "b"), [(run(before), run(after))] * 24)
    assert (
        same.controls is not None and same.controls.percentile == 50 and "24 of 24 random directions fall as far" in same.verdict.sentence()
    )
    assert same.controls.margin_percentile == 0


@pytest.mark.parametrize("shared", [0.3, 0.6, 0.9])
def test_a_null_with_shared_flips_rarely_passes_for_an_effect(shared: float) -> None:
    """20 % of the answers flip for no reason; wordings of a triple share ``shared`` of the flips, as near-duplicate templates do.

    The test that counts questions as independent fires far too often; ours at most in 7 % of the simulations.
    """
    rng, triples, wordings, runs = np.random.default_rng(7), 50, 10, 150
    clusters = np.repeat(np.arange(triples), wordings), np.tile(np.arange(wordings), triples)
    fires = naive = 0
    for _ in range(runs):
        together = rng.random((triples, 1)) < shared
        flips = np.where(together, rng.random((triples, 1)) < 0.2, rng.random((triples, wordings)) < 0.2).ravel()
        better = np.where(together, rng.random((triples, 1)) < 0.5, rng.random((triples, wordings)) < 0.5).ravel()
        found = compare(flips & ~better, flips & better, clusters)
        fires += found.p_clustered < 0.05
        naive += found.p_mcnemar < 0.05
    assert fires / runs <= 0.07
    assert naive / runs > 0.07 + 0.2 * (shared > 0.5)
