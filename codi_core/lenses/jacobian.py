"""The J-lens: a residual is moved to the last depth by the mean Jacobian between the two (Gurnee et al. 2026), then unembedded.

``logits = unembed(J · resid)``, with no bias, no centring and no normalisation. For latent thoughts there is more than one "last depth":

    local    of the same index                   what this cell makes its own latent say
    next     of the next index                   … the next latent say
    answer   where the answer is predicted       … the answer's first token say
    text     the published estimator, on the positions of the prompt's text

``next`` and ``answer`` are the sum of two paths: ``-z``, through the latent that is fed back, and ``-kv``, through the cache slot that
later positions read. A variant is one of these, with a J for every index, or pooled over ``-all``, ``-odd`` or ``-even`` indices.

A lens folder holds our card, and for each index (or once, when pooled) a file in the published format, read with ``weights_only``:
``{"J": {m: [d d]}, "n_prompts", "source_layers", "d_model"}``, float16, where layer m is the output of block m: our depth m + 1. What the
format has no place for lies under ``codi``: depth 0, and depth L where J is not the identity.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codi_core.errors import LensError
from codi_core.lenses.base import Lens
from codi_core.lenses.cards import lens_cards, lens_folder, own_card, saved_lens
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.values.lens import JacobianCard, LensCard

KIND = "jlens"
TARGETS = ("local", "next", "answer", "text")
POOLS = {"all": range(1_000), "odd": range(1, 1_000, 2), "even": range(2, 1_000, 2)}
"""Index 0, the prompt's last position, is in neither odd nor even, as in the tuned lenses."""
_VARIANT = re.compile(r"(?:(text)|(?:(local)|(next|answer)(?:-(z|kv))?)(?:-(all|odd|even))?)")


@dataclass(frozen=True)
class Variant:
    """What a Jacobian is of."""

    target: str
    path: str = ""
    """z or kv; empty: both."""
    pool: str = ""
    """Of POOLS; empty: a J for each index."""

    @property
    def name(self) -> str:
        return "-".join(part for part in (self.target, self.path, self.pool) if part)

    def sources(self, passes: int) -> tuple[int, ...]:
        """Indices whose Jacobians are used; none for text. The last latent is fed to nothing: it has no next and no path through z."""
        last = -1 if self.target == "text" else passes - 1 if self.target == "next" or self.path == "z" else passes
        return tuple(index for index in range(last + 1) if index in POOLS[self.pool or "all"])


def parse_variant(text: str) -> Variant:
    """``local``, ``next-kv``, ``answer-z-odd``, … Raises LensError."""
    found = _VARIANT.fullmatch(text)
    if not found:
        raise LensError(
            f"'{text}' is no Jacobian: use local, next, answer or text; next and answer also by path (-z, -kv); all but text also pooled "
            "over indices (-all, -odd, -even), as in answer-kv-all."
        )
    text_, local, far, path, pool = found.groups()
    return Variant(text_ or local or far, path or "", pool or "")


class JacobianLens(Lens):
    """An index that has no J of its own (there is none beyond the fitted passes, and no ``next`` of the last) is read with the last J."""

    def __init__(self, name: str, jacobians: Tensor, card: LensCard | None = None) -> None:
        self.name = name
        self.jacobians = jacobians
        """``[index depth d_model d_model]``, depths 0..L, output first; one index when pooled."""
        self.card = card

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        return self.linear(resid, depth, index)

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        vector, places = vector.float(), index.clamp(max=len(self.jacobians) - 1)
        moved = torch.empty_like(vector)
        for place in set(places.tolist()):
            rows = places == place
            moved[rows] = vector[rows] @ self.jacobians[place, depth].float().T
        return moved

    def directions(self, outputs: Tensor, depth: int, index: int) -> Tensor:
        """Directions of outputs ``[token d_model]`` at a cell, ``Jᵀw``: a step along one raises its logit most (but for the norm)."""
        return outputs.float() @ self.jacobians[min(index, len(self.jacobians) - 1), depth].float()


def save_jacobian(folder: Path, lens: JacobianLens, card: JacobianCard) -> None:
    """Raises ArtifactError when the disk does not take it."""
    with saved_lens(folder, card) as aside:
        for index, jacobians in enumerate(lens.jacobians):
            torch.save(_published(jacobians, card), aside / _file(index, len(lens.jacobians)))


def _file(index: int, indices: int) -> str:
    return "jacobian_lens.pt" if indices == 1 else f"jacobian_lens-{index}.pt"


def _published(jacobians: Tensor, card: JacobianCard) -> dict[str, Any]:
    """Of one index: ``[depth d_model d_model]``"""
    half = jacobians.half().cpu()
    last = len(half) - 1
    others = {0: half[0].clone()}
    if not torch.equal(half[last], torch.eye(half.shape[-1], dtype=half.dtype)):
        others[last] = half[last].clone()
    return {
        "J": {depth - 1: half[depth].clone() for depth in range(1, last)},
        "n_prompts": card.n_prompts,
        "source_layers": list(range(last - 1)),
        "d_model": half.shape[-1],
        "codi": others,
    }


def load_jacobian(model: CodiModel, variant: str, settings: Settings) -> JacobianLens:
    """The lens ``jlens:<variant>`` of this model. Raises LensError when there is none, or only one of another checkpoint."""
    return read_jacobian(lens_folder(model, settings, KIND, variant, f"train-jlens --variant {variant or 'answer'}"), model)


def jacobian_variants(model: CodiModel, settings: Settings) -> dict[str, LensCard | None]:
    """By variant, in the order of TARGETS."""
    cards = {card.name.partition(":")[2]: card for card in lens_cards(model, settings, KIND)}
    return {name: cards[name] for name in sorted(cards, key=lambda name: (TARGETS.index(name.partition("-")[0]), name))}


def read_jacobian(folder: Path, model: CodiModel) -> JacobianLens:
    """Raises LensError for broken files, other shapes than the model's, and the lens of another checkpoint."""
    card = own_card(folder, model, "train-jlens")
    assert isinstance(card, JacobianCard)
    count = len(card.half_cosine)
    jacobians = torch.stack([_read(folder / _file(index, count), model) for index in range(count)])
    return JacobianLens(card.name, jacobians.to(model.device), card)


def _read(path: Path, model: CodiModel) -> Tensor:
    """``[depth d_model d_model]``, float16."""
    d, last = model.d_model, model.n_layers
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
        found = {int(layer) + 1: jacobian for layer, jacobian in data["J"].items()} | {int(k): value for k, value in data["codi"].items()}
        by_depth = [found[depth] if depth < last else found.get(depth, torch.eye(d)) for depth in range(last + 1)]
        shapes = {tuple(tensor.shape) for tensor in by_depth}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise LensError(f"{path} cannot be read ({error})", "delete the folder and fit the lens again.") from error
    if shapes != {(d, d)} or not set(found) <= set(range(last + 1)):
        raise LensError(f"{path} holds {_shapes(found)}; the model needs depths 0 to {last} of {d} × {d}.")
    jacobians = torch.stack([tensor.half() for tensor in by_depth])
    if not torch.isfinite(jacobians).all():
        raise LensError(f"{path} has NaN or infinite numbers: fit the lens again.")
    return jacobians


def _shapes(found: dict[int, Tensor]) -> str:
    return "; ".join(f"depth {depth}: {' × '.join(map(str, tensor.shape))}" for depth, tensor in sorted(found.items())) or "nothing"


def pooled(jacobians: Tensor, variant: Variant, sources: Sequence[int]) -> Tensor:
    """``[index …]`` of all indices → those of a variant; a mean over indices when it pools."""
    return jacobians[list(sources)].mean(0, keepdim=True) if variant.pool else jacobians[list(sources)] if sources else jacobians
