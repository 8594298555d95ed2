"""The tuned lens (Belrose et al. 2023, arXiv 2303.08112): one affine translator per depth below the last, in tuned-lens' own format.

A lens folder holds ``config.json`` and ``params.pt``, which ``tuned_lens.nn.TunedLens`` loads, and our ``codi.json``: the model it
belongs to, how it was trained and how well it does on held-out questions. The only module that imports tuned_lens.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from tuned_lens import nn as library

from codi_core.errors import LensError
from codi_core.lenses.base import Lens
from codi_core.lenses.cards import lens_cards, lens_folder, own_card, saved_lens
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.values.lens import LensCard

KIND = "tuned"
CONFIG, PARAMS = "config.json", "params.pt"

_hashes: WeakKeyDictionary[CodiModel, str] = WeakKeyDictionary()


class SharedUnembed(library.Unembed):  # type: ignore[misc]
    """The model's own final norm and head, where the library would copy them (525 MB for Llama-3.2-1B)."""

    def __init__(self, model: CodiModel) -> None:
        nn.Module.__init__(self)
        self.final_norm = model.final_norm
        self.unembedding = model.lm_head
        self._model = [model]  # in a list: the model is no part of this module

    def unembedding_hash(self) -> str:
        """The library's, computed once a model: it converts the whole head to float32."""
        model = self._model[0]
        if model not in _hashes:
            _hashes[model] = str(super().unembedding_hash())
        return _hashes[model]


class TunedLens(Lens):
    """Translators in float32, whatever the model's dtype."""

    def __init__(self, name: str, inner: library.TunedLens, card: LensCard | None = None) -> None:
        self.name = name
        self.inner = inner
        self.card = card  # None while it is being trained

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        translated: Tensor = self.inner.transform_hidden(resid.float(), depth)
        return translated

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        vector = vector.float()
        weight: Tensor = self.inner[depth].weight
        return vector + vector @ weight.T


def new_translators(model: CodiModel) -> library.TunedLens:
    """Translators that change nothing yet: the logit lens."""
    config = library.TunedLensConfig(
        base_model_name_or_path=model.spec.name, d_model=model.d_model, num_hidden_layers=model.n_layers, lens_type="linear_tuned_lens"
    )
    inner = library.TunedLens(SharedUnembed(model), config)
    inner.layer_translators.float().to(model.device)  # the library gives them the head's dtype
    return inner


def save_lens(folder: Path, lens: TunedLens, card: LensCard) -> None:
    """Raises ArtifactError when the disk does not take it."""
    with saved_lens(folder, card) as aside:
        lens.inner.save(aside, ckpt=PARAMS, config=CONFIG)


def tuned_variants(model: CodiModel, settings: Settings) -> dict[str, LensCard | None]:
    """By variant, the lens of all indices first, then by name."""
    cards = {card.name.partition(":")[2]: card for card in lens_cards(model, settings, KIND)}
    return {variant: cards[variant] for variant in sorted(cards, key=lambda name: (name != "all", name))}


def load_tuned(model: CodiModel, variant: str, settings: Settings) -> TunedLens:
    """The lens ``tuned:<variant>`` of this model. Raises LensError when there is none, or only one of another checkpoint."""
    return read_lens_folder(lens_folder(model, settings, KIND, variant, f"train-lens --indices {variant or 'all'}"), model)


def read_lens_folder(folder: Path, model: CodiModel) -> TunedLens:
    """Raises LensError for broken files, other shapes than the model's, and the lens of another checkpoint."""
    card = own_card(folder, model, "train-lens")
    try:
        config = library.TunedLensConfig.from_dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        state = torch.load(folder / PARAMS, map_location=model.device, weights_only=True)
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise LensError(f"The lens in {folder} cannot be read ({error})", "delete the folder and train it again.") from error
    if (config.d_model, config.num_hidden_layers, config.bias) != (model.d_model, model.n_layers, True):
        raise LensError(
            f"The lens in {folder} has d_model {config.d_model}, {config.num_hidden_layers} layers and bias {config.bias}; "
            f"the model has {model.d_model}, {model.n_layers}, and biases are needed."
        )
    inner = new_translators(model)
    try:
        inner.layer_translators.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise LensError(f"The lens in {folder} does not fit the model: {error}") from error
    broken = [name for name, tensor in inner.layer_translators.state_dict().items() if not torch.isfinite(tensor).all()]
    if broken:
        raise LensError(f"The lens in {folder} has NaN or infinite numbers in {', '.join(broken)}: train it again.")
    return TunedLens(card.name, inner.requires_grad_(False), card)
