"""Hidden-state steering: add α·v to the latent, before or after the projection, or to the residual stream at a depth."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from codi_core.steering.context import BatchContext, Directions, need
from codi_core.steering.contract import PASSES, Variant, along
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then, check_coefficient, check_depth, check_feeds_back, check_indices
from codi_core.steering.options import COEFFICIENT, DEPTH, INDICES, THEN, option
from codi_core.steering.vectors import DIRECTION, Control, Source, VectorSpace
from codi_core.values.reach import Reach, reach

if TYPE_CHECKING:
    from codi_core.models.model import CodiModel


@dataclass(frozen=True)
class Hidden:
    """Adds coefficient · v; the passes that follow run on it."""

    kind: ClassVar[str] = "hidden"
    label: ClassVar[str] = "Hidden state"
    source: Source = field(metadata=DIRECTION)
    coefficient: float = field(metadata=COEFFICIENT)
    indices: tuple[int, ...] = field(metadata=INDICES)
    """The same vector at each of them."""
    space: Literal["z", "h", "resid"] = field(
        default="z",
        metadata=option("Space", "z: after the projection. h: before it. resid: the residual stream after a block."),
    )
    """z: after the projection; h: before it; resid: the residual stream after block ``layer``."""
    layer: int | None = field(default=None, metadata=DEPTH)
    """Depth of resid, 1..L."""
    then: Then = field(default="continue", metadata=THEN)
    vector_space: Literal["same", "h"] = field(
        default="same",
        metadata=option(
            "Vector from",
            "The posts add a difference of h, before the projection, to z, after it.",
            names={"same": "Same space"},
            shown="more",
        ),
    )
    """``h``: a vector of pre-projection states, wherever it is added (the posts add one to z)."""

    needs_means: ClassVar[bool] = True

    @property
    def coefficients(self) -> dict[str, float]:
        return {"coefficient": self.coefficient}

    def with_coefficient(self, coefficient: float) -> Hidden:
        return replace(self, coefficient=coefficient)

    @property
    def where(self) -> VectorSpace:
        return VectorSpace("h") if self.vector_space == "h" else VectorSpace(self.space, self.layer)

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
        check_feeds_back(self.space, model)

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]:
        delta = self.coefficient * need(directions).tensor(self.source, self.where, rows.model)[None]
        return tuple(Edit(self.space, index, delta, layer=self.layer) for index in self.indices)

    def reach(self, shape: tuple[int, int]) -> Reach:
        return reach(shape, self.space, self.indices, self.layer)

    def control(self, seed: int, how: Control = "random") -> Hidden:
        return replace(self, source=self.source.control(seed, how))

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        vector = directions.vector(self.source, self.where).values
        site = VectorSpace(self.space, self.layer).samples(directions.samples)[:, index]
        return {"dose": abs(self.coefficient) * float(np.linalg.norm(vector) / np.linalg.norm(site, axis=1).mean())}

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        ways: list[tuple[str, str, dict[str, Any]]] = [
            ("z", "Hidden state z", {}),
            ("h-on-z", "Hidden state z, along means of h", {"vector_space": "h"}),
            ("h", "Hidden state h", {"space": "h"}),
            *(
                (f"resid-{depth}", f"Residual stream at depth {depth}", {"space": "resid", "layer": depth})
                for depth in range(1, layers + 1)
            ),
        ]
        return {
            f"{name}-{then}": Variant(f"{title}, {passes}", f"{name} {mark}", along(cls, then=then, **options))
            for then, (passes, mark) in PASSES.items()
            for name, title, options in ways
        }
