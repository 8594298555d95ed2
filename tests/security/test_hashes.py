"""A changed byte of what ships is refused by name, before anything is computed with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from codi_core.errors import CheckpointError
from codi_core.lenses.cards import CARD, FILES, hashes_of
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.presets import SHIPPED
from codi_core.settings import Settings
from tests.checkpoints import flip_a_bit

BUNDLED = Settings().bundled_dir
MODELS = json.loads(SHIPPED.read_text(encoding="utf-8"))
CARDS = sorted(card for kind in ("lenses", "jlens") for card in (BUNDLED / kind).glob(f"*/*/{CARD}"))


@pytest.mark.parametrize("name", MODELS["bundled"])
def test_a_changed_byte_of_a_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shutil.copytree(BUNDLED / "models" / "bundled", tmp_path / "models" / "bundled")
    monkeypatch.setattr(Settings, "bundled_dir", tmp_path)
    flip_a_bit(tmp_path / "models" / "bundled" / name)
    with pytest.raises(CheckpointError, match=rf"bundled/{name} is not the file that ships .SHA-256 .*expected .*restore"):
        load_model(ModelRequest("bundled"), Settings(device="cpu", threads=1))


@pytest.mark.parametrize("model", ["bundled", "bundled-steps"])
def test_every_file_of_a_shipped_model_has_a_hash(model: str) -> None:
    assert set(MODELS[model]) == {path.name for path in (BUNDLED / "models" / model).iterdir()}


@pytest.mark.parametrize("card", CARDS, ids=lambda card: "/".join(card.parts[-4:-1]))
def test_every_shipped_lens_is_what_its_card_says(card: Path) -> None:
    assert json.loads(card.read_text(encoding="utf-8"))[FILES] == hashes_of(card.parent)
