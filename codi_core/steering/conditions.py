"""A condition: which model answers which questions, steered how. Its key names every number that comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

from codi_core.errors import InterventionError
from codi_core.keys import ADDED_LATER, key_of
from codi_core.problems.clusters import check_disjoint
from codi_core.steering.methods import Method
from codi_core.values.model import RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.vectors import MeansSpec

if TYPE_CHECKING:
    from codi_core.models.model import CodiModel

NUMERICS = 1
"""Raised when the same condition would give other numbers."""


@dataclass(frozen=True)
class Condition:
    kind: ClassVar[str] = "condition"
    model: str
    """Key of the ModelSpec."""
    eval_set: EvalSetSpec
    rollout: RolloutConfig
    interventions: tuple[Method, ...] = ()
    means: MeansSpec | None = None
    """Where directions come from; None when none is needed."""
    overlap: bool = False
    """As in the posts: means and evaluation may share questions."""
    numerics: int = NUMERICS
    lenses: tuple[str, ...] = field(default=(), metadata=ADDED_LATER)
    """Keys of the J-lenses that token directions come from."""

    @property
    def key(self) -> str:
        return key_of(self)

    @property
    def passes(self) -> int:
        """Passes that are run: as many as the intervention that wants the most."""
        return max((method.passes(self.rollout.passes) for method in self.interventions), default=self.rollout.passes)

    @property
    def first_pass(self) -> int:
        """First pass that the edits reach; beyond ``passes``: only the answer is reached."""
        return min((method.first_pass for method in self.interventions), default=self.passes + 1)

    @property
    def first_slot(self) -> int:
        """First cache slot that is not as in the baseline; beyond ``passes``: none of the latents'."""
        return min((method.first_slot for method in self.interventions), default=self.passes + 1)

    @property
    def doses(self) -> str:
        """The coefficients, for messages."""
        return ", ".join(f"{name} {value:g}" for method in self.interventions for name, value in method.coefficients.items())

    @property
    def baseline(self) -> Condition:
        """The same questions unsteered, with as many passes (coefficient 0)."""
        return replace(self.standard, rollout=replace(self.rollout, passes=self.passes))

    @property
    def standard(self) -> Condition:
        """The same questions unsteered, with all passes."""
        return replace(self, interventions=(), means=None, overlap=False, lenses=())

    def with_coefficient(self, coefficient: float) -> Condition:
        return replace(self, interventions=tuple(method.with_coefficient(coefficient) for method in self.interventions))

    def check(self, model: CodiModel, means: Sequence[Question], evaluated: Sequence[Question]) -> None:
        """Raises InterventionError when it cannot be run, would do nothing, or would measure an effect on the data it was made from."""
        if self.model != model.spec.key or (self.means is not None and self.means.model != model.spec.key):
            raise InterventionError(f"The condition belongs to model {self.model}, this is {model.spec.key}.")
        for method in self.interventions:
            method.check(model, self.rollout.passes)
            if method.needs_means and self.means is None:
                raise InterventionError("This intervention is made from mean latents: name the split they are taken from.")
        if self.means is not None and not self.overlap:
            check_disjoint(means, evaluated)
