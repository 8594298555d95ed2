"""A residual as a sum of few token directions: nonnegative orthogonal matching pursuit, as TransformerLens has it for J-lenses (#1596).

The direction of a token at a cell is ``Jᵀw``, w its row of lm_head without the final norm's gain; ``w`` itself for the logit lens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from codi_core.device import available_memory
from codi_core.errors import LensError, MemoryLimitError
from codi_core.lenses.base import Lens
from codi_core.lenses.jacobian import JacobianLens
from codi_core.lenses.logit import LogitLens
from codi_core.models.model import CodiModel
from codi_core.values.arrays import Floats

COPIES = 3
"""Of the dictionary, while it is made: the rows of lm_head, their directions, and these as units."""
FLAT = 1e-6
"""A direction that correlates less with what is left, over the length of the whole, adds nothing."""


@dataclass(frozen=True, eq=False)
class Decomposition:
    chosen: tuple[int, ...]
    """Places in the dictionary, in the order they were chosen."""
    weights: Floats
    """``[chosen]``, at least 0: of the unit directions, over the length of the vector."""
    share: float
    """Of the squared length."""
    projection: float


def dictionary(model: CodiModel, lens: Lens, index: int, depth: int) -> Tensor:
    """Unit directions of all tokens at a cell ``[token d_model]``, float32; a token without one (length 0) is all zeros.

    Raises MemoryLimitError before anything is made when they do not fit, LensError for a lens that has no directions.
    """
    if not isinstance(lens, (JacobianLens, LogitLens)):
        raise LensError(f"The {lens.name} lens has no token directions: take the logit lens or a Jacobian lens (jlens:…).")
    needed, free = COPIES * model.vocab_size * model.d_model * 4, available_memory(model.device)
    if needed > free:
        raise MemoryLimitError(
            f"The dictionary of {model.vocab_size:,} token directions of {model.d_model:,} numbers needs {needed:,} bytes, and "
            f"{model.device} has {free:,} free: close other programs, choose another device, or take a smaller model."
        )
    rows = model.output_rows(torch.arange(model.vocab_size))
    directions = lens.directions(rows, depth, index) if isinstance(lens, JacobianLens) else rows
    lengths = directions.norm(dim=1, keepdim=True)
    units: Tensor = directions / lengths.clamp_min(torch.finfo(torch.float32).tiny)
    return units


def decompose(atoms: Tensor, vector: Tensor, k: int) -> Decomposition:
    """``atoms`` ``[token d_model]`` of length 1, ``vector`` ``[d_model]``: choose the atom that correlates most with what is left, solve
    for nonnegative weights of all that were chosen, and again, until k are chosen or none correlates.
    """
    length = float(vector.norm())
    target = (vector / max(length, torch.finfo(torch.float32).tiny)).double().cpu().numpy()
    rest, chosen, weights, columns = target, list[int](), np.empty(0), np.empty((len(target), 0))
    while len(chosen) < k and length > 0:
        correlation = atoms @ torch.from_numpy(rest).to(atoms)
        correlation[chosen] = float("-inf")
        best = int(correlation.argmax())
        if correlation[best] <= FLAT:
            break
        chosen.append(best)
        columns = atoms[chosen].double().cpu().numpy().T
        weights, _ = nnls(columns, target)
        rest = target - columns @ weights
    projected = columns @ np.linalg.lstsq(columns, target, rcond=None)[0] if chosen else np.zeros_like(target)
    return Decomposition(tuple(chosen), weights.astype(np.float32), _explained(target, rest), _explained(target, target - projected))


def _explained(whole: Floats, rest: Floats) -> float:
    return float(1 - (rest @ rest) / max(float(whole @ whole), 1e-30)) if whole.any() else 0.0


def random_shares(atoms: Tensor, k: int, seeds: Sequence[int]) -> tuple[float, ...]:
    """`Decomposition.share` of a random vector for each seed: what k of these directions explain of anything."""
    drawn = [np.random.default_rng(seed).standard_normal(atoms.shape[1]).astype(np.float32) for seed in seeds]
    return tuple(decompose(atoms, torch.from_numpy(vector).to(atoms.device), k).share for vector in drawn)
