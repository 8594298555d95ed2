"""The logit lens: every depth is read as if it were the last (nostalgebraist, "interpreting GPT: the logit lens", 2020)."""

from __future__ import annotations

from torch import Tensor

from codi_core.lenses.base import Lens


class LogitLens(Lens):
    name = "logit"

    def transform(self, resid: Tensor, depth: int) -> Tensor:
        return resid

    def linear(self, vector: Tensor, depth: int) -> Tensor:
        return vector
