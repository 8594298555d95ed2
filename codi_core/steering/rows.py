"""What a method may look at when it becomes tensors: the rows to be steered, and the directions it can use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from codi_core.errors import InterventionError
from codi_core.models.model import CodiModel
from codi_core.steering.means import LatentSamples
from codi_core.steering.rotary import rotation
from codi_core.steering.vectors import Place, Source
from codi_core.types import DifferenceVector, Floats, MeanLatents


@dataclass(frozen=True, eq=False)
class Rows:
    """Questions of one batch with their unsteered latents."""

    model: CodiModel
    ids: tuple[str, ...]
    """Of the questions: random replacements depend on these, not on the batch."""
    positions: Tensor
    """``[row]``: position of bot."""
    h: Tensor
    """``[row index d_model]``"""
    z: Tensor
    """``[row index d_model]``"""
    keys: Tensor
    """``[layer row kv_head index d_head]``, as in the cache."""
    values: Tensor
    """``[layer row kv_head index d_head]``"""
    donors: Callable[[str, int], Rows] | None = None
    """Latents of other questions, one a row: of the prompt named, or, with an empty name, of other questions of the set by seed."""

    def at(self, place: Place, index: int) -> Tensor:
        """What stands at an index, float32: ``[row d_model]``; for kv ``[2 layer row kv_head d_head]``, keys de-rotated unless raw."""
        if place.space == "resid":
            raise InterventionError("Residuals of other steps or prompts are not kept: use space z, h or kv, or a zero, mean or Gaussian.")
        if place.space != "kv":
            return (self.h if place.space == "h" else self.z)[:, index].float()
        keys = self.keys[:, :, :, index].float()
        turned = None if place.raw else rotation(self.model, self.positions + index)
        return torch.stack([keys if turned is None else turned.unsqueeze(1).undo(keys), self.values[:, :, :, index].float()])

    def into_cache(self, keys: Tensor, index: int, raw: bool) -> Tensor:
        """Keys ``[layer row kv_head d_head]`` (one row stands for all) as they lie at slot ``index``: rotated for each row unless raw."""
        turned = None if raw else rotation(self.model, self.positions + index)
        return keys if turned is None else turned.unsqueeze(1).apply(keys)


class Directions:
    """Vectors made from one model's latents; each is computed once."""

    def __init__(self, samples: LatentSamples) -> None:
        self.samples = samples
        self.means: MeanLatents = samples.means()
        self._vectors: dict[tuple[Source, Place], DifferenceVector] = {}

    def vector(self, source: Source, place: Place) -> DifferenceVector:
        if (source, place) not in self._vectors:
            self._vectors[source, place] = source.vector(self.samples, self.means, place)
        return self._vectors[source, place]

    def tensor(self, source: Source, place: Place, model: CodiModel) -> Tensor:
        """The vector on the device, float32. Raises InterventionError when it was made from another model."""
        return on_device(self.vector(source, place).values, self.samples.spec.model, model)


def on_device(values: Floats, made_from: str, model: CodiModel) -> Tensor:
    if made_from != model.spec.key:
        raise InterventionError(f"The vector was made from model {made_from}, this is {model.spec.key}: collect the means of this model.")
    return torch.from_numpy(values).to(model.device)


def need(directions: Directions | None) -> Directions:
    """Raises InterventionError when the method needs mean latents and the condition names none."""
    if directions is None:
        raise InterventionError("This intervention is made from mean latents: name the split they are taken from.")
    return directions
