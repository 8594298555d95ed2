"""Token directions: steer towards the output of a token, take it out of a cell, or exchange two tokens there.

The direction of a token at a cell is ``v = Jᵀw``: w is its row of lm_head (the final norm's gain is left out, as in the published code),
J the mean Jacobian of a J-lens from that cell to where the token is read; J = 1 for the logit lens. All act on the residual stream at one
depth:

    steer    r += α · mean‖r‖ · v̂               the mean is over the means' questions, at that cell
    ablate   r −= α · (r · v̂) v̂
    swap     r += α · V (c′ − V⁺r), V = [v w]   c′: coordinates V⁺r of the unsteered run, exchanged

The swap is clamped to the unsteered run: exchanging live coordinates is its own inverse, so that a second depth would undo the first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from codi_core.errors import InterventionError
from codi_core.steering.context import BatchContext, Directions, need
from codi_core.steering.contract import Variant
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then, check_coefficient, check_depth, check_indices
from codi_core.steering.options import COEFFICIENT, DEPTH, INDICES, SEED, THEN, like, option
from codi_core.steering.vectors import Control, VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.reach import Reach, reach
from codi_core.values.vectors import Space

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.models.model import CodiModel

SAME_DIRECTION = 0.999
"""Cosine from which two tokens cannot be told apart at a cell."""


@dataclass(frozen=True)
class TokenEdit:
    """Steer to, ablate or swap tokens by their directions through a J-lens."""

    kind: ClassVar[str] = "token"
    label: ClassVar[str] = "Token direction"
    token: str = field(
        metadata=option("Token", "One token; all its spellings, with and without a space, count as one.", half=True, first="8")
    )
    indices: tuple[int, ...] = field(metadata=INDICES)
    layer: int = field(metadata=like(DEPTH, when={}))
    """Depth of the residual stream, 1..L."""
    do: Literal["steer", "ablate", "swap"] = field(
        default="steer",
        metadata=option(
            "Do",
            "Steer: add the direction. Ablate: take out what lies along it. Swap: exchange what lies along two directions.",
            names={"steer": "Steer to it", "ablate": "Ablate it", "swap": "Swap it for another"},
        ),
    )
    into: str = field(default="3", metadata=option("For token", "The token it is exchanged with.", half=True, when={"do": ("swap",)}))
    coefficient: float = field(
        default=1.0, metadata=like(COEFFICIENT, about="1: as long as what stands there, or wholly; 0 is the baseline.")
    )
    lens: Literal["answer", "next", "local", "text", "logit"] = field(
        default="answer",
        metadata=option(
            "Read as",
            "What the direction leads to: a J-lens of the answer, the next latent, this latent or text; or the plain output.",
            names={
                "answer": "The answer",
                "next": "The next latent",
                "local": "This latent",
                "text": "Text",
                "logit": "Plain output (J = 1)",
            },
        ),
    )
    then: Then = field(default="continue", metadata=THEN)
    random: bool = field(
        default=False,
        metadata=option(
            "Random", "Random directions as long, and at the same angle to each other, in the place of the tokens'.", shown="more"
        ),
    )
    seed: int = field(default=0, metadata=like(SEED, when={"random": ("True",)}))

    needs_means: ClassVar[bool] = True
    space: ClassVar[Space] = "resid"

    @property
    def coefficients(self) -> dict[str, float]:
        return {"coefficient": self.coefficient}

    def with_coefficient(self, coefficient: float) -> TokenEdit:
        return replace(self, coefficient=coefficient)

    @property
    def where(self) -> VectorSpace:
        return VectorSpace("resid", self.layer)

    def passes(self, passes: int) -> int:
        return passes if self.then == "continue" else max(self.indices)

    @property
    def first_pass(self) -> int:
        return min(self.indices)

    @property
    def first_slot(self) -> int:
        return min(self.indices)

    def check(self, model: CodiModel, passes: int) -> None:
        """Raises InterventionError when this cannot be done."""
        check_coefficient(self.coefficient)
        check_depth(self.layer, model, self.space)
        check_indices(self.indices, passes, self.space)

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]:
        """Raises InterventionError for tokens without a direction there, or with one direction; LensError where the J-lens is missing."""
        return tuple(self._edits(rows, need(directions)))

    def _edits(self, rows: BatchContext, directions: Directions) -> Iterator[Edit]:
        import torch

        for index in self.indices:
            basis = self._basis(directions, index).to(rows.model.device)
            if self.do == "swap":
                yield self._swap(rows, basis, index)
                continue
            unit = basis[:1] / basis[:1].norm()
            if self.do == "steer":
                yield Edit("resid", index, self.coefficient * self._length(directions, index) * unit, layer=self.layer)
            else:
                yield Edit("resid", index, torch.zeros_like(unit), layer=self.layer, along=(-self.coefficient * unit.T, unit))

    def _swap(self, rows: BatchContext, basis: Tensor, index: int) -> Edit:
        import torch

        inverse = torch.linalg.pinv(basis)  # [d 2]: r @ inverse are the coordinates
        exchanged = (rows.resid_at(index, self.layer) @ inverse).flip(-1)
        return Edit("resid", index, self.coefficient * exchanged @ basis, layer=self.layer, along=(-self.coefficient * inverse, basis))

    def _basis(self, directions: Directions, index: int) -> Tensor:
        """``[token d_model]``, float32."""
        import torch

        tokens = (self.token, self.into) if self.do == "swap" else (self.token,)
        basis = torch.from_numpy(directions.token_directions(self.lens, index, self.layer, tokens))
        lengths = basis.norm(dim=1)
        if not (lengths > 0).all():
            raise InterventionError(
                f"At index {index}, depth {self.layer} nothing leads to {self.lens}: a token has no direction there. Choose a lower depth."
            )
        if len(basis) == 2 and abs(cosine := float(basis[0] @ basis[1] / lengths.prod())) >= SAME_DIRECTION:
            raise InterventionError(
                f"'{self.token}' and '{self.into}' have one direction at index {index}, depth {self.layer} (cosine {cosine:.4f}): "
                "there is nothing to exchange. Choose another token."
            )
        return self._turned(basis, index) if self.random else basis

    def _turned(self, basis: Tensor, index: int) -> Tensor:
        """Random directions with the lengths and the angle of ``basis``."""
        import torch

        draw = torch.from_numpy(np.random.default_rng([self.seed, index, self.layer]).standard_normal(tuple(basis.T.shape))).float()
        turned: Tensor = (torch.linalg.qr(draw).Q @ torch.linalg.qr(basis.T).R).T.contiguous()
        return turned

    def _length(self, directions: Directions, index: int) -> float:
        site: Floats = self.where.samples(directions.samples)[:, index]
        return float(np.linalg.norm(site, axis=1).mean())

    def reach(self, shape: tuple[int, int]) -> Reach:
        return reach(shape, self.space, self.indices, self.layer)

    def control(self, seed: int, how: Control = "random") -> TokenEdit:
        return replace(self, random=True, seed=self.seed + seed + 1 if self.random else seed)  # never the direction itself

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        """By definition; ablations and swaps add nothing of a length of their own."""
        return {"dose": abs(self.coefficient)} if self.do == "steer" else {}

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        """None: it has no direction along a pair."""
        return {}
