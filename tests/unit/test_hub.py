"""Hub ids without a network: what lies in huggingface_hub's cache opens by its preset's name, with what is known of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from codi_core.errors import ModelError
from codi_core.models.hub import fetch_tokenizer, is_here
from codi_core.models.load import ModelRequest, load_model
from codi_core.services.catalog import model_choices
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from tests.checkpoints import FIXTURES

FIXTURE = FIXTURES / "coconut-gpt2"
COMMIT = "0" * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def snapshot(cache: Path, repository: str, *files: tuple[Path, str]) -> Path:
    """A repository as a download leaves it: (file, its place in the repository), …"""
    root = cache / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(COMMIT)
    for source, place in files:
        target = root / "snapshots" / COMMIT / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    return root / "snapshots" / COMMIT


def test_a_preset_of_another_family_opens_from_the_cache(cache: Path, settings: Settings) -> None:
    (weights,) = (path for path in (FIXTURE / "checkpoint").iterdir() if path.name.startswith("checkpoint_"))
    snapshot(cache, "tsrigo/coconut", (weights, "save_models/gsm-coconut/checkpoint_22"))
    model = load_model(ModelRequest("coconut-gpt2", base=str(FIXTURE / "base"), device="cpu"), settings)
    assert (model.family.name, model.passes, model.spec.name) == ("coconut", 6, "coconut-gpt2")
    assert "passes" not in " ".join(model.assumed), "the preset says how many"
    by_id = load_model(ModelRequest("tsrigo/coconut:save_models/gsm-coconut/checkpoint_22", base=str(FIXTURE / "base")), settings)
    assert (by_id.passes, by_id.spec.checkpoint) == (6, model.spec.checkpoint)


def test_the_picker_knows_what_needs_no_download(cache: Path, settings: Settings) -> None:
    snapshot(cache, "tsrigo/coconut", (FIXTURE / "base" / "config.json", "README.md"))
    bench = Workbench(settings)
    try:
        assert not {choice.name: choice for choice in model_choices(bench)}["coconut-gpt2"].present, "its weights are not here"
        shutil.rmtree(cache / "models--tsrigo--coconut")
        weights = next(path for path in (FIXTURE / "checkpoint").iterdir() if path.name.startswith("checkpoint_"))
        snapshot(cache, "tsrigo/coconut", (weights, "save_models/gsm-coconut/checkpoint_22"))
        found = {choice.name: choice for choice in model_choices(bench)}
    finally:
        bench.close()
    assert found["coconut-gpt2"].present and not found["simcot-gpt2"].present and found["bundled"].present
    assert not is_here("tsrigo/coconut", None, "another/file")


def test_a_base_that_is_known_by_name_brings_its_tokenizer(cache: Path) -> None:
    place = snapshot(cache, "openai-community/gpt2", (FIXTURE / "base" / "tokenizer.json", "tokenizer.json"))
    assert fetch_tokenizer("openai-community/gpt2") == place
    with pytest.raises(ModelError, match=r"'meta-llama/Llama-3.2-1B-Instruct' could not be downloaded"):
        fetch_tokenizer("meta-llama/Llama-3.2-1B-Instruct")
