"""Reading differences of mean latents: what a direction from one index to another means in words, and how directions relate."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from codi_core.lenses.base import Lens
from codi_core.lenses.readout import read_lens
from codi_core.models.model import CodiModel
from codi_core.values.arrays import Floats
from codi_core.values.lens import DifferenceGrid
from codi_core.values.vectors import MeanLatents, Space

Sign = Literal["B-A", "A-B"]


class LinearPart(Lens):
    """A lens without its constants. In a difference of two residuals they cancel, so adding them once would be wrong."""

    def __init__(self, lens: Lens) -> None:
        self.name = lens.name
        self.lens = lens

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        return self.lens.linear(resid, depth, index)

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        return self.lens.linear(vector, depth, index)


def difference_grid(
    model: CodiModel, lens: Lens, means: MeanLatents, sign: Sign = "B-A", with_bias: bool = False, top_k: int = 10
) -> DifferenceGrid:
    """Residual differences of all pairs of indices, each read at its own depth, by a lens that differs from index to index as at b.

    ``with_bias``: as in the post.
    """
    differences = pairwise(means.resid, sign)
    indices, _, depths, _ = differences.shape
    rows = torch.from_numpy(differences).flatten(0, 1).to(model.device, model.dtype)
    nothing = torch.empty(len(rows), 0, dtype=torch.long, device=model.device)
    index = torch.arange(indices, device=model.device).repeat(indices)
    reading = read_lens(model, lens if with_bias else LinearPart(lens), rows, index, nothing, top_k)
    top_ids = reading.top_ids.view(indices, indices, depths, -1).cpu().numpy()
    first, second = (pairwise(half.resid, sign) for half in means.halves)
    return DifferenceGrid(
        means=means.spec,
        n=means.n,
        lens=lens.name,
        sign=sign,
        with_bias=with_bias,
        top_ids=top_ids,
        top_tokens=np.array([model.token_text(token) for token in top_ids.ravel().tolist()]).reshape(top_ids.shape),
        top_probs=reading.top_probs.view(top_ids.shape).cpu().numpy(),
        entropy=reading.entropy.view(indices, indices, depths).cpu().numpy(),
        norms=np.linalg.norm(differences, axis=-1),
        split_half=_cosine(first, second),
    )


def pairwise(latents: Floats, sign: Sign) -> Floats:
    """``[index …]`` → ``[a b …]``: latent b minus latent a, or the reverse."""
    difference: Floats = latents[None] - latents[:, None]
    return difference if sign == "B-A" else -difference


def pairs(indices: int) -> list[tuple[int, int]]:
    """All (a, b) with a < b: the others are these with the sign turned."""
    return [(a, b) for a in range(indices) for b in range(a + 1, indices)]


def cosine_matrix(means: MeanLatents, space: Space, layer: int | None = None) -> Floats:
    """``[pair pair]``, in the order of `pairs`: cosines between difference vectors; for kv those of keys (de-rotated) and values as one."""
    latents = means.part(space, layer)
    flat = latents.reshape(len(latents), -1).astype(np.float64)
    vectors = np.stack([flat[b] - flat[a] for a, b in pairs(len(latents))])
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.full_like(vectors, np.nan), where=lengths > 0)
    return np.asarray(units @ units.T, np.float32)


def _cosine(first: Floats, second: Floats) -> Floats:
    """Over the last axis; NaN where a vector is zero."""
    scale = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    cosine: Floats = np.divide((first * second).sum(-1), scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return cosine
