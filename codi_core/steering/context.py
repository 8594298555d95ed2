"""What a method may look at when it becomes tensors: the rows to be steered, and the directions it can use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codi_core.errors import InterventionError
from codi_core.steering.means import LatentSamples
from codi_core.steering.rotary import rotation
from codi_core.steering.vectors import Source, VectorSpace
from codi_core.values.arrays import Floats
from codi_core.values.vectors import DifferenceVector, MeanLatents

if TYPE_CHECKING:
    from torch import Tensor

    from codi_core.models.model import CodiModel


@dataclass(frozen=True, eq=False)
class BatchContext:
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
    donors: Callable[[str, int], BatchContext] | None = None
    """Latents of other questions, one a row: of the prompt named, or, with an empty name, of other questions of the set by seed."""
    resid: Callable[[], Tensor] | None = None
    """``[row index depth d_model]``, rolled out again when it is asked for."""

    def at(self, where: VectorSpace, index: int) -> Tensor:
        """What stands at an index, float32: ``[row d_model]``; for kv ``[2 layer row kv_head d_head]``, keys de-rotated unless raw."""
        import torch

        if where.space == "resid":
            raise InterventionError("Residuals of other steps or prompts are not kept: use space z, h or kv, or a zero, mean or Gaussian.")
        if where.space != "kv":
            return (self.h if where.space == "h" else self.z)[:, index].float()
        keys = self.keys[:, :, :, index].float()
        turned = None if where.raw else rotation(self.model, self.positions + index)
        return torch.stack([keys if turned is None else turned.unsqueeze(1).undo(keys), self.values[:, :, :, index].float()])

    def resid_at(self, index: int, depth: int) -> Tensor:
        """The unsteered residual stream at a cell, float32 ``[row d_model]``."""
        assert self.resid is not None
        return self.resid()[:, index, depth].float()

    def into_cache(self, keys: Tensor, index: int, raw: bool) -> Tensor:
        """Keys ``[layer row kv_head d_head]`` (one row stands for all) as they lie at slot ``index``: rotated for each row unless raw."""
        turned = None if raw else rotation(self.model, self.positions + index)
        return keys if turned is None else turned.unsqueeze(1).apply(keys)


TokenDirections = Callable[[str, int, int, Sequence[str]], Floats]
"""What is read (``answer``, ``next``, ``local``, ``text`` or ``logit``), index, depth, tokens → ``[token d_model]``."""


class Directions:
    """Vectors made from one model's latents; each is computed once."""

    def __init__(self, samples: LatentSamples, token_directions: TokenDirections | None = None) -> None:
        """``token_directions``: of this model's lenses, for the methods that use them."""
        self.samples = samples
        self._token_directions = token_directions
        self._tokens: dict[tuple[str, int, int, tuple[str, ...]], Floats] = {}
        self.means: MeanLatents = samples.means()
        self._vectors: dict[tuple[Source, VectorSpace], DifferenceVector] = {}

    def token_directions(self, reads: str, index: int, depth: int, tokens: Sequence[str]) -> Floats:
        """``[token d_model]``, see `TokenDirections`."""
        if self._token_directions is None:
            raise InterventionError("Token directions are made from lenses, and none were given with these latents.")
        asked = (reads, index, depth, tuple(tokens))
        if asked not in self._tokens:
            self._tokens[asked] = self._token_directions(*asked)
        return self._tokens[asked]

    def vector(self, source: Source, where: VectorSpace) -> DifferenceVector:
        if (source, where) not in self._vectors:
            self._vectors[source, where] = source.vector(self.samples, self.means, where)
        return self._vectors[source, where]

    def tensor(self, source: Source, where: VectorSpace, model: CodiModel) -> Tensor:
        """The vector on the device, float32. Raises InterventionError when it was made from another model."""
        return on_device(self.vector(source, where).values, self.samples.spec.model, model)


def on_device(values: Floats, made_from: str, model: CodiModel) -> Tensor:
    import torch

    if made_from != model.spec.key:
        raise InterventionError(f"The vector was made from model {made_from}, this is {model.spec.key}: collect the means of this model.")
    return torch.from_numpy(values).to(model.device)


def need(directions: Directions | None) -> Directions:
    """Raises InterventionError when the method needs mean latents and the condition names none."""
    if directions is None:
        raise InterventionError("This intervention is made from mean latents: name the split they are taken from.")
    return directions
