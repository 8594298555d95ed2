"""Editors for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from codi_core.engine.editors import Site


@dataclass
class Add:
    """Adds ``coefficient`` times a fixed random direction at every site; keeps the values it was given."""

    sites: tuple[Site, ...]
    coefficient: float = 3.0
    seen: list[tuple[Site, tuple[int, ...]]] = field(default_factory=list)

    def edit(self, site: Site, value: Tensor) -> Tensor:
        self.seen.append((site, tuple(value.shape)))
        direction = torch.randn(value.shape[1:], generator=torch.Generator().manual_seed(7))
        return value + self.coefficient * direction
