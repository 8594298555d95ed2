"""What a lens is: a map from the residual stream at some depth to where the final norm would read it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from codi_core.models.model import CodiModel
from codi_core.values.lens import LensCard


class Lens(ABC):
    """One way of reading residuals. Whatever the lens, the last depth is the model's own output: nothing is translated there."""

    name: str
    card: LensCard | None = None
    """Where a trained lens comes from; None for lenses that need no training."""

    @abstractmethod
    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        """``[row d_model]`` at ``depth`` 0..L-1 → ``[row d_model]``, to be unembedded as if it came from depth L.

        ``index`` ``[row]``: where in its rollout each row was taken, for lenses that differ from index to index.
        """

    @abstractmethod
    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        """`transform` without its constant part: what it does to a difference of two residuals of one index."""

    def logits(self, model: CodiModel, resid: Tensor, index: Tensor) -> Tensor:
        """``[row depth d_model]``, all depths 0..L → float32 logits ``[row depth vocab]``, in one unembedding."""
        assert resid.shape[1] == model.n_layers + 1
        translated = [self.transform(resid[:, depth], depth, index).to(model.dtype) for depth in range(model.n_layers)]
        return model.unembed(torch.stack([*translated, resid[:, -1]], 1)).float()
