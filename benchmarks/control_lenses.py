"""J-lenses that cannot know: what a J-lens finds has to be more than these find (Gurnee et al. 2026 give none; ours)."""

from __future__ import annotations

import torch
from torch import Tensor

from codi_core.lenses.jacobian import JacobianLens


def random_alike(lens: JacobianLens, seed: int = 0) -> JacobianLens:
    """Every J with its own singular values between random orthonormal bases; those of the output's depth too, which is not read."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.linalg.svdvals(lens.jacobians.float().cpu())
    left, right = (_bases(lens.jacobians.shape, generator) for _ in range(2))
    drawn = (left * values[..., None, :]) @ right.mT
    return JacobianLens(f"{lens.name}, random J", drawn.to(lens.jacobians), lens.card)


def _bases(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Uniform over orthonormal bases: the Q of a Gaussian matrix, with the signs that make R's diagonal positive."""
    q, r = torch.linalg.qr(torch.randn(shape, generator=generator))
    return q * torch.diagonal(r, dim1=-2, dim2=-1).sign()[..., None, :]


def other_indices(lens: JacobianLens) -> JacobianLens | None:
    """Every latent read with the J of the next index, the last with that of the first; bot with its own. None for a lens that pools."""
    count = len(lens.jacobians)
    if count < 3:
        return None
    order = [0, *range(2, count), 1]
    return JacobianLens(f"{lens.name}, another index's J", lens.jacobians[order], lens.card)
