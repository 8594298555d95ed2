"""What a method comes down to: at one place of a rollout, ``value ← keep · value + delta``, or what lies along few directions changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codi_core.engine.editors import Point, Site

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.engine.cache import Cache


@dataclass(frozen=True, eq=False)
class Edit:
    """Adding has ``keep`` 1, replacing has ``keep`` 0; with coefficient 0 both leave every bit as it was."""

    point: Point
    index: int
    delta: Tensor
    """float32. ``[row d_model]`` at z, h and resid, ``[layer row kv_head d_head]`` at k and v; one row stands for all."""
    keep: Tensor | None = None
    """float32, broadcast against ``delta``; None = 1."""
    layer: int | None = None
    """Depth of resid; None otherwise."""
    along: tuple[Tensor, Tensor] | None = None
    """``[d_model m]`` and ``[m d_model]``, float32, of h, z and resid: their product with the value is added as well."""

    @property
    def first_pass(self) -> int:
        """The first pass that must be run again because of this edit."""
        return self.index if self.point == "resid" else self.index + 1

    def sites(self) -> Iterator[Site]:
        if self.point in ("k", "v"):
            yield from (Site(self.point, self.index, layer) for layer in range(len(self.delta)))
        else:
            yield Site(self.point, self.index, self.layer)

    def at(self, layer: int) -> Edit:
        """The edit of k or v in one layer; shapes lose their first axis."""
        return Edit(self.point, self.index, self.delta[layer], None if self.keep is None else self.keep[layer])

    def apply(self, value: Tensor) -> Tensor:
        """Computed in float32 and rounded once, to the dtype of ``value``."""
        exact = value.float()
        kept = exact if self.keep is None else exact * self.keep
        if self.along is not None:
            kept = kept + exact @ self.along[0] @ self.along[1]
        return (kept + self.delta).to(value.dtype)


class BatchEditor:
    """The engine's editor for the edits of several conditions, whose rows lie side by side: all of condition 0, then of condition 1, …"""

    def __init__(self, conditions: Sequence[Sequence[Edit]]) -> None:
        self._conditions = conditions
        self._sites = tuple(dict.fromkeys(site for edits in conditions for edit in edits for site in edit.sites()))

    @property
    def sites(self) -> tuple[Site, ...]:
        return self._sites

    def edit(self, site: Site, value: Tensor) -> Tensor:
        new = value.clone()
        for rows, edits in zip(new.chunk(len(self._conditions)), self._conditions, strict=True):
            for edit in edits:
                if edit.point != site.point or edit.index != site.index:
                    continue
                if site.point in ("k", "v"):
                    assert site.layer is not None
                    rows.copy_(edit.at(site.layer).apply(rows))
                elif edit.layer == site.layer:
                    rows.copy_(edit.apply(rows))
        return new


def edit_slots(cache: Cache, conditions: Sequence[Sequence[Edit]], index: int) -> None:
    """Edits of k and v at one index, in where, all layers at once: the slot lies in the cache already."""
    rows = cache.rows // len(conditions)
    for number, edits in enumerate(conditions):
        for edit in edits:
            if edit.index == index and edit.point in ("k", "v"):
                slots = cache.keys if edit.point == "k" else cache.values
                slot = slots[:, number * rows : (number + 1) * rows, :, index - cache.skipped]
                slot.copy_(edit.apply(slot))


def edit_states(states: Tensor, conditions: Sequence[Sequence[Edit]], point: Point, index: int) -> Tensor:
    """h or z of one index ``[(condition row) d_model]`` after the edits of every condition."""
    import torch

    rows = states.chunk(len(conditions))
    return torch.cat([_edited(own, edits, point, index) for own, edits in zip(rows, conditions, strict=True)])


def _edited(rows: Tensor, edits: Sequence[Edit], point: Point, index: int) -> Tensor:
    for edit in edits:
        if (edit.point, edit.index) == (point, index):
            rows = edit.apply(rows)
    return rows
