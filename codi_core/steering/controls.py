"""What an effect is measured against: the same push in directions that mean nothing."""

from __future__ import annotations

from dataclasses import replace

from codi_core.errors import InterventionError
from codi_core.steering.conditions import Condition
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.methods import Method
from codi_core.steering.replacement import Replacement
from codi_core.steering.vectors import Difference, Random, Shuffled, Source

CONTROLS = 24
"""Enough for a percentile: the band of an effect."""


def controls(condition: Condition, n: int = CONTROLS, seed: int = 0) -> tuple[Condition, ...]:
    """The condition with its directions replaced by random ones of the same length (every third one: by shuffled steps, for differences).

    A replacement is compared with draws from the Gaussian that has the latents' mean and covariance. Raises InterventionError when there
    are no mean latents to make them from.
    """
    if condition.means is None:
        raise InterventionError("Random controls are as long as a vector made from mean latents: name the split they are taken from.")
    return tuple(
        replace(condition, interventions=tuple(_control(method, number, seed) for method in condition.interventions)) for number in range(n)
    )


def _control(method: Method, number: int, seed: int) -> Method:
    own = 1_000 * seed + number
    if isinstance(method, Replacement):
        return replace(method, by="gaussian", seed=own)
    assert isinstance(method, Hidden | KV)
    return replace(method, source=_source(method.source, number, own))


def _source(source: Source, number: int, seed: int) -> Source:
    if isinstance(source, Difference) and number % 3 == 2:
        return Shuffled(source.a, source.b, seed)
    if isinstance(source, Random):
        return replace(source, seed=source.seed + seed + 1)  # never the vector itself
    if isinstance(source, Shuffled):
        return replace(source, seed=source.seed + seed + 1)
    return Random(source, seed)
