"""From the answers under a baseline and under a condition to what the condition does, in numbers and as a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.outcomes import counted, only_form
from codi_core.evaluation.stats import compare, estimate, share
from codi_core.problems.clusters import clusters_of, grouping
from codi_core.values.arrays import Floats
from codi_core.values.evals import Controls, Outcome, ScoredRun, SteeringEffect
from codi_core.values.outcomes import OnlyForm, Outcomes
from codi_core.values.questions import Question
from codi_core.values.stats import Estimate, PairedComparison
from codi_core.values.verdict import Band, Verdict, direction_of, percentiles

Pair = tuple[ScoredRun, ScoredRun]
"""Baseline and steered, the same questions in the same order."""


def effect_of(pair: Pair, questions: Sequence[Question], keys: tuple[str, str], controls: Sequence[Pair] = ()) -> SteeringEffect:
    """``keys`` of condition and baseline; ``controls`` as in `beside`."""
    baseline, steered = pair = pair[0].sorted(), pair[1].sorted()
    assert np.array_equal(baseline.numbers, steered.numbers)
    asked = [questions[number] for number in baseline.numbers]
    clusters = clusters_of(asked)
    paired = compare(baseline.correct, steered.correct, clusters)
    changes = np.stack([_difference(pair, "margin"), _difference(pair, "p_gold")], 1)
    mean, low, high, _ = estimate(changes, clusters)
    margin, p_gold = (Estimate(float(mean[column]), float(low[column]), float(high[column])) for column in (0, 1))
    identical = _identical(baseline, steered)
    effect = SteeringEffect(
        key=keys[0],
        baseline_key=keys[1],
        done=len(baseline.numbers),
        total=len(questions),
        baseline=share(baseline.correct, clusters),
        steered=share(steered.correct, clusters),
        paired=paired,
        margin=margin,
        p_gold=p_gold,
        changed=sum(a != b for a, b in zip(baseline.answers, steered.answers, strict=True)),
        transitions=_transitions(pair),
        baseline_outcomes=outcomes_of(baseline),
        steered_outcomes=outcomes_of(steered),
        only_form=_only_form(pair, asked),
        fixed=_places(pair, ~baseline.correct & steered.correct),
        broken=_places(pair, baseline.correct & ~steered.correct),
        identical=identical,
        controls=None,
        verdict=verdict_of(paired, margin, identical, grouping(asked)),
    )
    return beside(effect, pair, controls) if controls else effect


def beside(effect: SteeringEffect, pair: Pair, controls: Sequence[Pair]) -> SteeringEffect:
    """The effect of ``pair`` with ``controls`` on the same questions, each with its own baseline: nothing else of it changes."""
    band = _band((pair[0].sorted(), pair[1].sorted()), controls)
    return replace(effect, controls=band, verdict=replace(effect.verdict, band=Band.of(effect.paired.delta, band.accuracy)))


def outcomes_of(run: ScoredRun) -> Outcomes:
    return counted(run.outcomes.tolist(), run.answers)


def verdict_of(paired: PairedComparison, margin: Estimate, identical: bool, grouped: str) -> Verdict:
    """``paired`` by its clustered p, before any random direction was tried."""
    return Verdict(
        direction="identical" if identical else direction_of(paired.delta, paired.p_clustered),
        delta=paired.delta,
        low=paired.low,
        high=paired.high,
        n=paired.n,
        p=paired.p_clustered,
        band=Band(),
        margin_moved=margin.low > 0 or margin.high < 0,
        effective_n=paired.effective_n,
        grouping=grouped,
    )


def _band(pair: Pair, controls: Sequence[Pair]) -> Controls:
    accuracy = tuple(_delta(control) for control in controls)
    margin = tuple(float(_difference(control, "margin").mean()) for control in controls)
    return Controls(
        accuracy=accuracy,
        margin=margin,
        percentile=_percentile(_delta(pair), accuracy),
        margin_percentile=_percentile(float(_difference(pair, "margin").mean()), margin),
        outcomes=sum((outcomes_of(steered) for _, steered in controls), Outcomes()),
    )


def _delta(pair: Pair) -> float:
    return float(pair[1].correct.mean() - pair[0].correct.mean())


def _percentile(effect: float, band: Sequence[float]) -> float | None:
    found = float(percentiles(effect, band))
    return None if np.isnan(found) else found


def _difference(pair: Pair, name: str) -> npt.NDArray[np.float64]:
    baseline, steered = (getattr(run, name).astype(np.float64) for run in pair)
    difference: npt.NDArray[np.float64] = steered - baseline
    return difference


def _transitions(pair: Pair) -> dict[tuple[Outcome, Outcome], int]:
    return dict(Counter(zip(*(run.outcomes.tolist() for run in pair), strict=True)))


def _only_form(pair: Pair, asked: Sequence[Question]) -> OnlyForm:
    baseline, steered = pair
    ways = ((steered, baseline), (baseline, steered))
    fixed, broken = (np.flatnonzero(better.correct & ~worse.correct).tolist() for better, worse in ways)
    return only_form([(asked[n], baseline.answers[n]) for n in fixed], [(asked[n], steered.answers[n]) for n in broken])


def _places(pair: Pair, rows: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(sorted(pair[0].numbers[rows].tolist()))


def _identical(baseline: ScoredRun, steered: ScoredRun) -> bool:
    def same(name: str) -> bool:
        a: Floats = getattr(baseline, name)
        return np.array_equal(a, getattr(steered, name))

    return baseline.answers == steered.answers and same("outcomes") and same("p_gold") and same("margin")
