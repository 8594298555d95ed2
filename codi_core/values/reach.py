"""Where an edit acts and what it can change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codi_core.values.vectors import Space

Cells = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Reach:
    """Where an edit acts and what it can change, ``[index depth]`` each."""

    site: Cells
    cells: Cells

    @property
    def edges(self) -> dict[tuple[int, int], str]:
        """By (index, depth): ``site``, and ``left`` and ``below`` where what is reached begins."""
        edges: dict[tuple[int, int], str] = {}
        indices, depths = self.cells.shape
        for i, d in np.ndindex(indices, depths):
            words = ["site"] if self.site[i, d] else []
            if self.cells[i, d]:
                words += ["left"] if i == 0 or not self.cells[i - 1, d] else []
                words += ["below"] if d > 0 and not self.cells[i, d - 1] else []
            if words:
                edges[i, d] = " ".join(words)
        return edges


def reach(shape: tuple[int, int], space: Space, indices: Sequence[int], layer: int | None = None, layers: Sequence[int] = ()) -> Reach:
    """Of an edit at ``indices``; ``shape`` is (indices, depths). ``layer``: depth of resid; ``layers``: of the KV cache, none = all.

    z and h of an index enter the next one as its embedding. A slot's keys and values of layer l are read by block l of later passes, so
    they change what comes after that block, and from the pass after that one on everything. A residual changes what lies above it, and
    later passes through its slot and its z.
    """
    last, depths = shape[0] - 1, shape[1]
    site, cells = np.zeros(shape, bool), np.zeros(shape, bool)
    for index in indices:
        if space in ("z", "h"):
            site[index + 1 : index + 2, 0] = True
            cells[index + 1 :] = True
        elif space == "resid":
            assert layer is not None
            site[index, layer] = True
            cells[index, layer:] = True
            cells[index + 1 :] = True
        else:
            own = sorted(layers) or list(range(depths - 1))
            site[index, own] = True
            cells[index + 1 : index + 2, own[0] + 1 :] = True
            cells[min(index + 2, last + 1) :] = True
    return Reach(site, cells)
