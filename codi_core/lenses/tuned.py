"""The tuned lens (Belrose et al. 2023, arXiv 2303.08112): one affine translator per depth below the last, in tuned-lens' own format.

A lens folder holds ``config.json`` and ``params.pt``, which ``tuned_lens.nn.TunedLens`` loads, and our ``codi.json``: the model it
belongs to, how it was trained and how well it does on held-out questions. The only module that imports tuned_lens.
"""

from __future__ import annotations

import json
import pickle
import re
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from tuned_lens import nn as library

from codi_core.errors import LensError
from codi_core.keys import canonical
from codi_core.lenses.base import Lens
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.types import LensCard, ModelSpec

_VARIANT = re.compile(r"[a-z0-9][a-z0-9+_-]*")
CONFIG, PARAMS, CARD = "config.json", "params.pt", "codi.json"
SAME_MODEL = ("checkpoint", "base", "prompt_format", "rope_rounding", "lora_alpha")
"""Fields of a ModelSpec that decide what the residuals are; name and dtype do not."""

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

    def transform(self, resid: Tensor, depth: int) -> Tensor:
        translated: Tensor = self.inner.transform_hidden(resid.float(), depth)
        return translated

    def linear(self, vector: Tensor, depth: int) -> Tensor:
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
    folder.mkdir(parents=True, exist_ok=True)
    lens.inner.save(folder, ckpt=PARAMS, config=CONFIG)
    (folder / CARD).write_text(json.dumps(_card_to_json(card), indent=1) + "\n", encoding="utf-8")


def lens_folders(settings: Settings, model_name: str) -> list[Path]:
    """Where lenses of a model lie: made here, then shipped."""
    name = model_name.replace("/", "--")
    return [settings.cache_dir / "lenses" / name, settings.bundled_dir / "lenses" / name]


def lens_cards(model: CodiModel, settings: Settings) -> list[LensCard]:
    """Cards of the tuned lenses that fit this model; one made here hides a shipped one of the same name.

    Broken ones and those of other checkpoints are left out: asking for one by name says what is wrong.
    """
    found: dict[str, LensCard] = {}
    for folder in lens_folders(settings, model.spec.name):
        for path in sorted(folder.glob(f"*/{CARD}")):
            with suppress(LensError):
                card = read_card(path.parent)
                if not foreign(card, model.spec):
                    found.setdefault(card.name, card)
    return list(found.values())


def load_tuned(model: CodiModel, variant: str, settings: Settings) -> TunedLens:
    """The lens ``tuned:<variant>`` of this model. Raises LensError when there is none, or only one of another checkpoint."""
    if _VARIANT.fullmatch(variant):  # it may come from a URL, and becomes a path
        folders = [folder / variant for folder in lens_folders(settings, model.spec.name)]
        present = [folder for folder in folders if folder.is_dir()]
        fitting = [folder for folder in present if not foreign(read_card(folder), model.spec)]
        if present:
            return read_lens_folder((fitting or present)[0], model)
    known = [card.name for card in lens_cards(model, settings)]
    raise LensError(
        f"The model '{model.spec.name}' has no lens 'tuned:{variant}' (it has {', '.join(known) or 'none'}): train one with "
        f"python -m codi_core train-lens --model {model.spec.name} --indices {variant or 'all'}."
    )


def read_lens_folder(folder: Path, model: CodiModel) -> TunedLens:
    """Raises LensError for broken files, other shapes than the model's, and the lens of another checkpoint."""
    card = read_card(folder)
    if different := foreign(card, model.spec):
        raise LensError(
            f"The lens in {folder} belongs to another model ({'; '.join(different)}): its readings would mean nothing here. "
            f"Train one with python -m codi_core train-lens --model {model.spec.name}."
        )
    try:
        config = library.TunedLensConfig.from_dict(json.loads((folder / CONFIG).read_text(encoding="utf-8")))
        state = torch.load(folder / PARAMS, map_location=model.device, weights_only=True)
    except (OSError, ValueError, TypeError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise LensError(f"The lens in {folder} cannot be read ({error}): delete the folder and train it again.") from error
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


def foreign(card: LensCard, spec: ModelSpec) -> list[str]:
    """In words, where the lens' model and this one differ; empty when they are the same."""
    return [
        f"{name} {getattr(card.model, name)!s:.12} instead of {getattr(spec, name)!s:.12}"
        for name in SAME_MODEL
        if getattr(card.model, name) != getattr(spec, name)
    ]


def read_card(folder: Path) -> LensCard:
    """Raises LensError when ``codi.json`` is absent or not one of ours."""
    path = folder / CARD
    try:
        return _card_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LensError(
            f"{path} cannot be read ({error}). It names the checkpoint a lens belongs to; without it a lens is not used: train it again."
        ) from error


_ARRAYS = ("kl_tuned", "kl_plain", "agree_tuned", "agree_plain")


def _card_to_json(card: LensCard) -> dict[str, Any]:
    plain = {field.name: getattr(card, field.name) for field in fields(card)}
    arrays = {name: [[round(float(x), 6) for x in row] for row in plain.pop(name)] for name in _ARRAYS}
    return {**plain, **arrays, "model": canonical(card.model)}


def _card_from_json(data: dict[str, Any]) -> LensCard:
    model = {name: value for name, value in data["model"].items() if name != "kind"}
    arrays = {name: np.array(data[name], np.float32) for name in _ARRAYS}
    tuples = {name: tuple(data[name]) for name in ("indices", "questions")}
    curve = tuple((int(step), float(train), float(held_out)) for step, train, held_out in data["curve"])
    return LensCard(**{**data, **arrays, **tuples, "curve": curve, "model": ModelSpec(**model)})
