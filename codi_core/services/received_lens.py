"""A lens from elsewhere: its card names the model, its tensors are loaded with ``weights_only``, and no lens here gives way to it."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch

from codi_core.disk import sha256_of
from codi_core.errors import BundleError, LensError
from codi_core.keys import canonical
from codi_core.lenses.cards import CARD, CARDS, foreign, lens_folders, lens_home, read_card
from codi_core.settings import Settings
from codi_core.values.lens import LensCard

FILES = {"tuned": re.compile(r"config\.json|params\.pt"), "jlens": re.compile(r"jacobian_lens(-\d{1,2})?\.pt")}
"""Beside the card, by kind of lens."""
UNREADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError)
"""What ``torch.load`` raises."""
_VARIANT = re.compile(r"[a-z0-9][a-z0-9+_-]*")
_MODEL = re.compile(r"[A-Za-z0-9][\w. +-]*(/[A-Za-z0-9][\w. +-]*)?")
"""It becomes a folder of the cache."""


def take_lens(settings: Settings, folder: Path, spec: Path) -> tuple[str, Callable[[], bool]]:
    """What it is, and how it is put in its place: True when it was, False when it is here already. Raises BundleError."""
    card = _card(folder, spec)
    kind, _, variant = card.name.partition(":")
    for path in folder.glob("*.pt"):
        _check_tensors(path)
    home = lens_home(settings, card.model, kind, variant)
    for place in filter(Path.is_dir, [place / variant for place in lens_folders(settings, card.model, kind)]):
        if _sums(place) == _sums(folder):
            return _about(card), lambda: False
        if place == home or not _of_another(place, card):
            raise BundleError(
                f"There is another lens {card.name} of {card.model.name} here ({place}): move that one away, or keep it instead."
            )

    def move() -> bool:
        home.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(home)
        return True

    return _about(card), move


def _about(card: LensCard) -> str:
    return f"Lens {card.name} of {card.model.name} (weights {card.model.checkpoint[:8]}; {card.recipe})"


def _card(folder: Path, spec: Path) -> LensCard:
    """Its names can become folders, and it is of the model that the bundle names."""
    try:
        card, stated = read_card(folder), json.loads(spec.read_text(encoding="utf-8"))
        same = (stated["lens"], stated["key"]) == (card.name, card.key) and stated["model"] == {
            **canonical(card.model),
            "key": card.model.key,
        }
    except (LensError, OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError("The lens of this bundle has no card that can be read: make the bundle again.") from error
    kind, _, variant = card.name.partition(":")
    if kind not in CARDS or not _VARIANT.fullmatch(variant) or not _MODEL.fullmatch(card.model.name):
        raise BundleError(f"{card.name!r} of {card.model.name!r} cannot name a lens of a model.")
    if not same:
        raise BundleError(f"The card of {card.name} is of another model or training than this bundle's spec.json says.")
    if odd := [path.name for path in folder.rglob("*") if path.name != CARD and not FILES[kind].fullmatch(path.name)]:
        raise BundleError(f"A lens {kind} has no file {odd[0]!r}.")
    return card


def _check_tensors(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as inside:  # tensors are stored as they are
            if sum(info.file_size for info in inside.infolist()) > path.stat().st_size:
                raise BundleError(f"{path.name} would expand to more than it is: it is not read.")
        torch.load(path, map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, *UNREADABLE) as error:
        raise BundleError(f"{path.name} is more than tensors, or broken: it is not unpickled, and not taken in.") from error


def _of_another(place: Path, card: LensCard) -> bool:
    """Whether what lies there is of another checkpoint, so that both can be here."""
    try:
        return bool(foreign(read_card(place), card.model))
    except LensError:
        return True


def _sums(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in folder.iterdir() if path.is_file()}
