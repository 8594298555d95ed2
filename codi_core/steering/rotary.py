"""Undoing and redoing the rotation of cached keys, so that keys of different positions can be averaged and moved.

Keys are rotated as transformers does it: ``k·cos + half(k)·sin`` with the halves of ``d_head`` as pairs (arXiv 2104.09864).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.models.model import CodiModel


@dataclass(frozen=True, eq=False)
class Rotation:
    """The rotation of a set of positions; None stands for models that do not rotate (GPT-2)."""

    cos: Tensor
    """``[… d_head]``, one vector a position."""
    sin: Tensor

    def apply(self, keys: Tensor) -> Tensor:
        """Keys as if at position 0 → as they lie in the cache. Shapes broadcast."""
        return keys * self.cos + _half(keys) * self.sin

    def undo(self, keys: Tensor) -> Tensor:
        """The inverse; exact beyond rounding also where the angles or a scale were rounded to bfloat16."""
        return (keys * self.cos - _half(keys) * self.sin) / (self.cos.square() + self.sin.square())

    def unsqueeze(self, dim: int) -> Rotation:
        return Rotation(self.cos.unsqueeze(dim), self.sin.unsqueeze(dim))


def rotation(model: CodiModel, positions: Tensor) -> Rotation | None:
    """The model's own rotation at integer ``positions`` of any shape, in float32."""
    import torch

    if model.architecture.rotary is None:
        return None
    rotary = model.architecture.part(model.hf, model.architecture.rotary)
    with torch.inference_mode():
        cos, sin = rotary(torch.empty(0, device=positions.device), positions.reshape(1, -1))
    return Rotation(cos.view(*positions.shape, -1), sin.view(*positions.shape, -1))


def _half(x: Tensor) -> Tensor:
    import torch

    first, second = x.chunk(2, dim=-1)
    return torch.cat([-second, first], dim=-1)
