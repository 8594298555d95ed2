"""What a lens is: a map from the residual stream at some depth to where the final norm would read it."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from codi_core.models.model import CodiModel


class Lens(ABC):
    """One way of reading residuals. Whatever the lens, the last depth is the model's own output: nothing is translated there."""

    name: str

    @abstractmethod
    def transform(self, resid: Tensor, depth: int) -> Tensor:
        """``[rows d_model]`` at ``depth`` 0..L-1 → ``[rows d_model]``, to be unembedded as if it came from depth L."""

    def logits(self, model: CodiModel, resid: Tensor) -> Tensor:
        """``[rows depth d_model]``, all depths 0..L → float32 logits ``[rows depth vocab]``, in one unembedding."""
        assert resid.shape[1] == model.n_layers + 1
        translated = [self.transform(resid[:, depth], depth).to(model.dtype) for depth in range(model.n_layers)]
        return model.unembed(torch.stack([*translated, resid[:, -1]], 1)).float()
