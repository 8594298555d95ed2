"""KV-cache steering: add to the keys and values of a latent's slot, which later passes, eot and the answer attend to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from codi_core.steering.context import BatchContext, Directions, need
from codi_core.steering.contract import PASSES, Variant, along
from codi_core.steering.edits import Edit
from codi_core.steering.limits import Then, check_coefficient, check_heads, check_indices, check_layers
from codi_core.steering.options import COEFFICIENT, HEADS, INDICES, LAYERS, THEN, option
from codi_core.steering.vectors import DIRECTION, Control, Source, VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.reach import Reach, reach
from codi_core.values.vectors import Space

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.models.model import CodiModel


@dataclass(frozen=True)
class KV:
    """Adds coefficient · v to the slot of an index: keys and values weighted apart. The slot's own pass has run by then."""

    kind: ClassVar[str] = "kv"
    label: ClassVar[str] = "KV cache"
    source: Source = field(metadata=DIRECTION)
    coefficient: float = field(metadata=COEFFICIENT)
    indices: tuple[int, ...] = field(metadata=INDICES)
    """The same vector in each slot."""
    layers: tuple[int, ...] = field(default=(), metadata=LAYERS)
    """None named: all."""
    heads: tuple[int, ...] = field(default=(), metadata=HEADS)
    """None named: all."""
    then: Then = field(default="continue", metadata=THEN)
    key_weight: float = field(
        default=1.0,
        metadata=option("Keys ×", "The keys' coefficient is α times this; 0 leaves the keys alone.", shown="more", half=True),
    )
    """The keys' own coefficient is coefficient · key_weight."""
    value_weight: float = field(
        default=1.0,
        metadata=option("Values ×", "The values' coefficient is α times this; 0 leaves the values alone.", shown="more", half=True),
    )
    raw: bool = field(
        default=False,
        metadata=option(
            "Raw keys", "Average keys as they lie in the cache, rotated by their positions, as the posts did.", shown="more", half=True
        ),
    )
    """Add keys averaged as they lay in the cache, instead of keys whose rotation was undone and done again for each prompt's position."""

    needs_means: ClassVar[bool] = True
    space: ClassVar[Space] = "kv"

    @property
    def coefficients(self) -> dict[str, float]:
        if self.key_weight == self.value_weight == 1:
            return {"coefficient": self.coefficient}
        return {"key coefficient": self.coefficient * self.key_weight, "value coefficient": self.coefficient * self.value_weight}

    def with_coefficient(self, coefficient: float) -> KV:
        return replace(self, coefficient=coefficient)

    @property
    def where(self) -> VectorSpace:
        return VectorSpace("kv", raw=self.raw)

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

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]:
        mask = head_mask(rows.model, self.layers, self.heads)
        keys, values = (need(directions).tensor(self.source, self.where, rows.model) * mask)[:, :, None]
        return tuple(
            edit
            for index in self.indices
            for edit in (
                Edit("k", index, self.coefficient * self.key_weight * rows.into_cache(keys, index, self.raw)),
                Edit("v", index, self.coefficient * self.value_weight * values),
            )
        )

    def reach(self, shape: tuple[int, int]) -> Reach:
        return reach(shape, "kv", self.indices, layers=self.layers)

    def control(self, seed: int, how: Control = "random") -> KV:
        return replace(self, source=self.source.control(seed, how))

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        """In the layers and heads that are steered. A rotation changes no length."""
        keys, values = directions.vector(self.source, self.where).values
        samples, size = directions.samples, abs(self.coefficient)
        layers, heads = np.ix_(self.layers or range(keys.shape[0]), self.heads or range(keys.shape[1]))

        def ratio(vector: Floats, site: Floats) -> float:
            lengths = np.linalg.norm(site[:, index][:, layers, heads].reshape(len(site), -1), axis=1)
            return float(np.linalg.norm(vector[layers, heads]) / lengths.mean())

        return {
            "dose_k": size * abs(self.key_weight) * ratio(keys, samples.keys),
            "dose_v": size * abs(self.value_weight) * ratio(values, samples.values),
        }

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        parts: tuple[tuple[str, str, dict[str, float]], ...] = (
            ("kv", "Keys and values", {}),
            ("k", "Keys only", {"value_weight": 0.0}),
            ("v", "Values only", {"key_weight": 0.0}),
        )
        whole = {
            f"{name}-{then}": Variant(f"{title}, {passes}", f"{name} {mark}", along(cls, then=then, **weights))
            for then, (passes, mark) in PASSES.items()
            for name, title, weights in parts
        }
        return whole | {
            f"layer-{layer}": Variant(f"Keys and values of layer {layer}", f"layer {layer}", along(cls, layers=(layer,)))
            for layer in range(layers)
        }


def head_mask(model: CodiModel, layers: Sequence[int], heads: Sequence[int]) -> Tensor:
    """``[layer kv_head 1]``: 1 where the layer and the head are named (none named: all), 0 elsewhere."""
    import torch

    mask = torch.zeros(model.n_layers, model.n_kv_heads, 1, device=model.device)
    chosen_layers, chosen_heads = list(layers) or list(range(model.n_layers)), list(heads) or list(range(model.n_kv_heads))
    mask[torch.tensor(chosen_layers)[:, None], torch.tensor(chosen_heads)] = 1
    return mask
