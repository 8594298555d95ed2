"""From the answers under a baseline and under a condition to what the condition does, in numbers and in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from codi_core.evaluation.run import clusters_of
from codi_core.evaluation.stats import bootstrap_interval, compare, share
from codi_core.types import Controls, Estimate, Floats, Outcome, PairedComparison, Question, ScoredRun, SteeringEffect

Pair = tuple[ScoredRun, ScoredRun]
"""Baseline and steered, the same questions in the same order."""
ALPHA = 0.05
ENOUGH_CONTROLS = 20
"""Fewer give no percentile worth a word."""


def effect_of(pair: Pair, questions: Sequence[Question], keys: tuple[str, str], controls: Sequence[Pair] = ()) -> SteeringEffect:
    """``keys`` of condition and baseline; ``controls`` on the questions of ``pair``, each with its own baseline."""
    baseline, steered = pair = pair[0].sorted(), pair[1].sorted()
    assert np.array_equal(baseline.numbers, steered.numbers)
    clusters = clusters_of([questions[number] for number in baseline.numbers])
    paired = compare(baseline.correct, steered.correct, clusters)
    changes = np.stack([_difference(pair, "margin"), _difference(pair, "p_gold")], 1)
    low, high = bootstrap_interval(changes, clusters)
    margin, p_gold = (Estimate(float(changes[:, column].mean()), float(low[column]), float(high[column])) for column in (0, 1))
    band = _band(pair, controls) if controls else None
    identical = _identical(baseline, steered)
    return SteeringEffect(
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
        fixed=_places(pair, ~baseline.correct & steered.correct),
        broken=_places(pair, baseline.correct & ~steered.correct),
        identical=identical,
        controls=band,
        verdict=verdict(paired, margin, band, identical),
    )


def verdict(paired: PairedComparison, margin: Estimate, band: Controls | None, identical: bool) -> str:
    """What the numbers allow to say, and no more: ``paired`` by its clustered p, the band only when it is large enough."""
    if identical:
        return f"Identical to the baseline on all {paired.n} questions, bit for bit."
    size = f"{100 * paired.delta:+.1f} points (95 % interval {100 * paired.low:+.1f} to {100 * paired.high:+.1f}, n = {paired.n})"
    if paired.p_clustered > ALPHA:
        moved = "though the gold margin moves" if margin.low > 0 or margin.high < 0 else "and none on the gold margin"
        said = f"No effect on accuracy is seen, {size}, {moved}"
    else:
        said = f"Accuracy {'rises' if paired.delta > 0 else 'falls'}, {size}"
    if band is None or len(band.accuracy) < ENOUGH_CONTROLS:
        return f"{said}; random directions were not tried." if band is None else f"{said}; too few random directions to compare with."
    inside = 2.5 <= band.percentile <= 97.5
    n = len(band.accuracy)
    return f"{said}; {n} random directions {'do as much' if inside else 'do not do that'} (percentile {band.percentile:.0f})."


def _band(pair: Pair, controls: Sequence[Pair]) -> Controls:
    accuracy = tuple(_delta(control) for control in controls)
    margin = tuple(float(_difference(control, "margin").mean()) for control in controls)
    return Controls(accuracy, margin, _percentile(_delta(pair), accuracy), _percentile(float(_difference(pair, "margin").mean()), margin))


def _delta(pair: Pair) -> float:
    return float(pair[1].correct.mean() - pair[0].correct.mean())


def _percentile(effect: float, band: Sequence[float]) -> float:
    values = np.asarray(band)
    return float(100 * ((values < effect).mean() + 0.5 * (values == effect).mean()))


def _difference(pair: Pair, name: str) -> npt.NDArray[np.float64]:
    baseline, steered = (getattr(run, name).astype(np.float64) for run in pair)
    difference: npt.NDArray[np.float64] = steered - baseline
    return difference


def _transitions(pair: Pair) -> dict[tuple[Outcome, Outcome], int]:
    return dict(Counter(zip(*(run.outcomes.tolist() for run in pair), strict=True)))


def _places(pair: Pair, rows: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(sorted(pair[0].numbers[rows].tolist()))


def _identical(baseline: ScoredRun, steered: ScoredRun) -> bool:
    def same(name: str) -> bool:
        a: Floats = getattr(baseline, name)
        return np.array_equal(a, getattr(steered, name))

    return baseline.answers == steered.answers and same("outcomes") and same("p_gold") and same("margin")
