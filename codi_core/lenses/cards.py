"""Where trained lenses lie, and the card that says which checkpoint each belongs to: ``codi.json`` in the folder of a lens."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from codi_core.disk import sha256_of, take_place, written_aside
from codi_core.errors import LensError
from codi_core.keys import canonical, from_canonical, key_of
from codi_core.models.files import RUN
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.values.lens import JacobianCard, LensCard, TunedCard
from codi_core.values.model import ModelSpec

CARD, FILES = "codi.json", "files"
"""The card, and its entry with the hashes of the files beside it: what is loaded is what the card speaks of."""
CARDS: dict[str, type[LensCard]] = {"tuned": TunedCard, "jlens": JacobianCard}
"""By kind of lens."""
FOLDERS = {"tuned": "lenses", "jlens": "jlens"}
"""Of the cache, by kind of lens."""
SAME_MODEL = ("checkpoint", "base", "prompt_format", "rope_rounding", "lora_alpha", "family", "lora_rule")
"""Fields of a ModelSpec that decide what the residuals are; name and dtype do not."""
_VARIANT = re.compile(r"[a-z0-9][a-z0-9+_-]*")


def lens_folders(settings: Settings, spec: ModelSpec, kind: str) -> list[Path]:
    """Where lenses of a model lie: made here, under its name or with a hash of its own (see `lens_home`), then shipped; then where those of
    every run's checkpoint were made before runs had names.
    """
    name, made = spec.name.replace("/", "--"), settings.cache_dir / FOLDERS[kind]
    own = key_of([getattr(spec, field) for field in SAME_MODEL])[:8]
    return [made / name, made / f"{name}-{own}", settings.bundled_dir / FOLDERS[kind] / name, made / RUN]


def lens_home(settings: Settings, spec: ModelSpec, kind: str, variant: str) -> Path:
    """Where a lens made now is saved. It never takes the place of another model's (two may be called alike), but of a broken one."""
    named, own = (folder / variant for folder in lens_folders(settings, spec, kind)[:2])
    with suppress(LensError):
        return own if named.is_dir() and foreign(read_card(named), spec) else named
    return named


def lens_cards(model: CodiModel, settings: Settings, kind: str) -> list[LensCard]:
    """Cards of the lenses of a kind that fit this model; one made here hides a shipped one of the same name.

    Broken ones and those of other checkpoints are left out: asking for one by name says what is wrong.
    """
    found: dict[str, LensCard] = {}
    for folder in lens_folders(settings, model.spec, kind):
        for path in sorted(folder.glob(f"[!.]*/{CARD}")):
            with suppress(LensError):
                card = read_card(path.parent)
                if not foreign(card, model.spec):
                    found.setdefault(card.name, card)
    return list(found.values())


def lens_folder(model: CodiModel, settings: Settings, kind: str, variant: str, command: str) -> Path:
    """Of the lens ``kind:variant``; where several are called so, of the first that fits the model, else of the first.

    ``command`` makes one. Raises LensError when there is none.
    """
    if _VARIANT.fullmatch(variant):  # it may come from a URL, and becomes a path
        folders = [folder / variant for folder in lens_folders(settings, model.spec, kind)]
        present = [folder for folder in folders if folder.is_dir()]
        fitting = [folder for folder in present if not foreign(read_card(folder), model.spec)]
        if found := fitting or [folder for folder in present if folder.parent.name != RUN]:
            return found[0]
    known = [card.name for card in lens_cards(model, settings, kind)]
    raise LensError(
        f"The model '{model.spec.name}' has no lens '{kind}:{variant}' (it has {', '.join(known) or 'none'}): make one with "
        f"python -m codi_core {command} --model {model.spec.name}."
    )


def own_card(folder: Path, model: CodiModel, command: str) -> LensCard:
    """The card of a lens of this model, which ``command`` makes. Raises LensError for a broken card, the lens of another checkpoint, and
    files that are not those the card was written for.
    """
    card = read_card(folder)
    if different := foreign(card, model.spec):
        raise LensError(
            f"The lens in {folder} belongs to another model ({'; '.join(different)}): its readings would mean nothing here. "
            f"Make one with python -m codi_core {command} --model {model.spec.name}."
        )
    check_files(folder, command)
    return card


def check_files(folder: Path, command: str) -> None:
    """Raises LensError for a broken card, or a file that is not the one it was written for. A card of before there were hashes names none:
    nothing is known of them.
    """
    read_card(folder)
    recorded: dict[str, str] = json.loads((folder / CARD).read_text(encoding="utf-8")).get(FILES, {})
    for name, expected in recorded.items():
        path = folder / name
        found = sha256_of(path) if path.is_file() else "no file"
        if found != expected:
            raise LensError(
                f"{path} is not what its card was written for (SHA-256 {found:.12}, expected {expected:.12})",
                f"restore the file, or delete the folder and make the lens again with python -m codi_core {command}.",
            )


def foreign(card: LensCard, spec: ModelSpec) -> list[str]:
    """In words, where the lens' model and this one differ; empty when they are the same."""
    return [
        f"{name} {getattr(card.model, name)!s:.12} instead of {getattr(spec, name)!s:.12}"
        for name in SAME_MODEL
        if getattr(card.model, name) != getattr(spec, name)
    ]


_ARRAYS = {"kl_tuned": "kl", "kl_plain": "kl_plain", "agree_tuned": "agree", "agree_plain": "agree_plain"}
"""Name in the file → field of the card; other arrays are called alike in both."""


@contextmanager
def saved_lens(folder: Path, card: LensCard) -> Iterator[Path]:
    """An empty folder to fill with the files of a lens: with its card it takes the place of ``folder`` when the block ends, complete or not
    at all. Raises ArtifactError when the disk does not take it.
    """
    with written_aside(folder) as aside:
        yield aside
        write_card(aside, card)
        take_place(aside, folder)


def hashes_of(folder: Path) -> dict[str, str]:
    """SHA-256 of the files beside a card, by name."""
    return {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.is_file() and path.name != CARD}


def write_card(folder: Path, card: LensCard) -> None:
    """With the hashes of the files that are beside it now."""
    plain = {field.name: getattr(card, field.name) for field in fields(card)}
    arrays = {name: plain.pop(name) for name, value in list(plain.items()) if isinstance(value, np.ndarray)}
    named = {own: name for name, own in _ARRAYS.items()}
    rounded = {named.get(name, name): np.round(values.astype(np.float64), 6).tolist() for name, values in arrays.items()}
    data = {**plain, **rounded, "model": canonical(card.model), FILES: hashes_of(folder)}
    (folder / CARD).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")


def read_card(folder: Path) -> LensCard:
    """Raises LensError when ``codi.json`` is absent or not one of ours."""
    path = folder / CARD
    try:
        return _card_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise LensError(
            f"{path} cannot be read ({error}). It names the checkpoint a lens belongs to; without it a lens is not used: train it again."
        ) from error


def _card_from_json(data: dict[str, Any]) -> LensCard:
    card = CARDS[data["name"].partition(":")[0]]
    types = {field.name: str(field.type) for field in fields(card)}
    values = {_ARRAYS.get(name, name): value for name, value in data.items() if name != FILES}
    for name, value in values.items():
        if types.get(name) == "Floats":
            values[name] = np.array(value, np.float32)
        elif isinstance(value, list):
            values[name] = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return card(**{**values, "model": from_canonical(ModelSpec, data["model"])})
