"""What an effect is measured against: the same push in directions that mean nothing."""

from __future__ import annotations

from dataclasses import replace

from codi_core.errors import InterventionError
from codi_core.steering.conditions import Condition
from codi_core.steering.vectors import Control

CONTROLS = 24
"""Enough for a percentile: the band of an effect."""


def controls(condition: Condition, n: int = CONTROLS, seed: int = 0) -> tuple[Condition, ...]:
    """The condition with the control of each of its methods: every third one of shuffled steps, the others random.

    Raises InterventionError when there are no mean latents to make them from.
    """
    if condition.means is None:
        raise InterventionError("Random controls are as long as a vector made from mean latents: name the split they are taken from.")
    return tuple(_control(condition, number, 1_000 * seed + number) for number in range(n))


def _control(condition: Condition, number: int, seed: int) -> Condition:
    how: Control = "shuffled" if number % 3 == 2 else "random"
    return replace(condition, interventions=tuple(method.control(seed, how) for method in condition.interventions))
