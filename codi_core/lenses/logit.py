"""The logit lens: every depth is read as if it were the last (nostalgebraist, "interpreting GPT: the logit lens", 2020)."""

from __future__ import annotations

from torch import Tensor

from codi_core.lenses.base import Lens
from codi_core.models.model import CodiModel
from codi_core.settings import Settings


class LogitLens(Lens):
    name = "logit"

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        return resid

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        return vector


def load_logit(model: CodiModel, variant: str, settings: Settings) -> LogitLens:
    """It needs no file and fits every model."""
    return LogitLens()
