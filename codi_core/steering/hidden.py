"""Hidden-state steering: add α·v to the latent, before or after the projection, or to the residual stream at a depth."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from codi_core.models.model import CodiModel
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then, check_coefficient, check_depth, check_indices
from codi_core.steering.rows import Directions, Rows, need
from codi_core.steering.vectors import Place, Source


@dataclass(frozen=True)
class Hidden:
    """Adds coefficient · v; the passes that follow run on it."""

    kind: ClassVar[str] = "hidden"
    source: Source
    coefficient: float
    indices: tuple[int, ...]
    """The same vector at each of them."""
    space: Literal["z", "h", "resid"] = "z"
    """z: after the projection; h: before it; resid: the residual stream after block ``layer``."""
    layer: int | None = None
    """Depth of resid, 1..L."""
    then: Then = "continue"
    vector_space: Literal["same", "h"] = "same"
    """``h``: a vector of pre-projection states, wherever it is added (the posts add one to z)."""

    needs_means: ClassVar[bool] = True

    @property
    def coefficients(self) -> dict[str, float]:
        return {"coefficient": self.coefficient}

    def with_coefficient(self, coefficient: float) -> Hidden:
        return replace(self, coefficient=coefficient)

    @property
    def place(self) -> Place:
        return Place("h") if self.vector_space == "h" else Place(self.space, self.layer)

    def passes(self, passes: int) -> int:
        """Passes to run out of ``passes``."""
        return passes if self.then == "continue" else max(self.indices) + (self.space != "resid")

    @property
    def first_pass(self) -> int:
        """The first pass the edits reach; beyond ``passes``: only the answer is reached."""
        return min(self.indices) + (self.space != "resid")

    @property
    def first_slot(self) -> int:
        """The first cache slot that is not as it was."""
        return min(self.indices) + (self.space != "resid")

    def check(self, model: CodiModel, passes: int) -> None:
        """Raises InterventionError when this cannot be done, or would do nothing."""
        check_coefficient(self.coefficient)
        check_depth(self.layer, model, self.space)
        check_indices(self.indices, passes, self.space)

    def edits(self, rows: Rows, directions: Directions | None) -> tuple[Edit, ...]:
        delta = self.coefficient * need(directions).tensor(self.source, self.place, rows.model)[None]
        return tuple(Edit(self.space, index, delta, layer=self.layer) for index in self.indices)
