"""KV-cache steering: add to the keys and values of a latent's slot, which later passes, eot and the answer attend to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from codi_core.models.model import CodiModel
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then, check_coefficient, check_heads, check_indices, check_layers
from codi_core.steering.rows import Directions, Rows, need
from codi_core.steering.vectors import Place, Source


@dataclass(frozen=True)
class KV:
    """Adds coefficient · v to the slot of an index: keys and values weighted apart. The slot's own pass has run by then."""

    kind: ClassVar[str] = "kv"
    source: Source
    coefficient: float
    indices: tuple[int, ...]
    """The same vector in each slot."""
    layers: tuple[int, ...] = ()
    """None named: all."""
    heads: tuple[int, ...] = ()
    """None named: all."""
    then: Then = "continue"
    key_weight: float = 1.0
    """The keys' own coefficient is coefficient · key_weight."""
    value_weight: float = 1.0
    raw: bool = False
    """Add keys averaged as they lay in the cache, instead of keys whose rotation was undone and done again for each prompt's position."""

    needs_means: ClassVar[bool] = True

    @property
    def coefficients(self) -> dict[str, float]:
        if self.key_weight == self.value_weight == 1:
            return {"coefficient": self.coefficient}
        return {"key coefficient": self.coefficient * self.key_weight, "value coefficient": self.coefficient * self.value_weight}

    def with_coefficient(self, coefficient: float) -> KV:
        return replace(self, coefficient=coefficient)

    @property
    def place(self) -> Place:
        return Place("kv", raw=self.raw)

    def passes(self, passes: int) -> int:
        return passes if self.then == "continue" else max(self.indices)

    @property
    def first_pass(self) -> int:
        """The first pass the edits reach; beyond ``passes``: only the answer is reached."""
        return min(self.indices) + 1

    @property
    def first_slot(self) -> int:
        """The first cache slot that is not as it was."""
        return min(self.indices)

    def check(self, model: CodiModel, passes: int) -> None:
        for name, coefficient in self.coefficients.items():
            check_coefficient(coefficient, name)
        check_indices(self.indices, passes, "kv")
        check_layers(self.layers, model)
        check_heads(self.heads, model)

    def edits(self, rows: Rows, directions: Directions | None) -> tuple[Edit, ...]:
        mask = head_mask(rows.model, self.layers, self.heads)
        keys, values = (need(directions).tensor(self.source, self.place, rows.model) * mask)[:, :, None]
        return tuple(
            edit
            for index in self.indices
            for edit in (
                Edit("k", index, self.coefficient * self.key_weight * rows.into_cache(keys, index, self.raw)),
                Edit("v", index, self.coefficient * self.value_weight * values),
            )
        )


def head_mask(model: CodiModel, layers: Sequence[int], heads: Sequence[int]) -> Tensor:
    """``[layer kv_head 1]``: 1 where the layer and the head are named (none named: all), 0 elsewhere."""
    mask = torch.zeros(model.n_layers, model.n_kv_heads, 1, device=model.device)
    chosen_layers, chosen_heads = list(layers) or list(range(model.n_layers)), list(heads) or list(range(model.n_kv_heads))
    mask[torch.tensor(chosen_layers)[:, None], torch.tensor(chosen_heads)] = 1
    return mask
