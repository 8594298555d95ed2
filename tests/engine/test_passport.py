"""Passports: what is in them, when a published accuracy counts as reproduced, and how they are found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.checkpoints import DOCUMENT, document
from codi_core.errors import DataError, ModelError
from codi_core.models.families import FAMILIES
from codi_core.models.load import ModelRequest, load_model
from codi_core.models.presets import KNOWN, base_on_hub, known, known_bases
from codi_core.services.passport import PASSPORTS, VerifyRequest, stored_passport, verify
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.values.passport import Check, Passport, Published, Standing
from codi_core.values.stats import Share
from tests.checkpoints import FIXTURES

MODEL = FIXTURES / "llama-cywinski" / "checkpoint"


@pytest.fixture
def folder() -> str:
    """Weights of the public code whose rounding errors stay small over many passes."""
    return str(MODEL)


@pytest.fixture
def workbench(settings: Settings, folder: str) -> Iterator[Workbench]:
    bench = Workbench(settings, {folder: ModelRequest(folder, base=str(MODEL.parent / "base"), lora_alpha=2.0)})
    yield bench
    bench.close()


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(json.dumps({"question": f"What is {n} + 1?", "answer": str(n + 1)}) for n in range(6)))
    return str(path)


@pytest.fixture
def made(workbench: Workbench, folder: str, questions: str) -> Passport:
    return verify(workbench, VerifyRequest(folder, questions, passes=2))


def test_a_passport_says_what_was_loaded_and_what_came_out(workbench: Workbench, folder: str, made: Passport) -> None:
    model = workbench.engine(folder).model
    assert (made.spec.model, made.ledger, made.assumed) == (model.spec, model.ledger, model.assumed)
    assert len(made.checks) == 8 and made.sound
    assert made.accuracy is not None and made.accuracy.n == 6
    assert made.standing == "no published value" and "No published value on 'own.jsonl'" in made.verdict
    assert {"code", "torch", "transformers"} <= made.versions.keys() and made.machine and made.made


def test_it_is_kept_and_found_by_weights_and_prompt_alone(workbench: Workbench, folder: str, questions: str, made: Passport) -> None:
    assert verify(workbench, VerifyRequest(folder, questions, passes=2)) == made
    model, store = made.spec.model, workbench.store
    assert stored_passport(store, model) == made
    assert stored_passport(store, replace(model, name="elsewhere", dtype="bfloat16")) == made
    for other in (replace(model, checkpoint="0" * 64), replace(model, prompt_format="paper"), replace(model, lora_alpha=7.0)):
        assert stored_passport(store, other) is None
    again = verify(workbench, VerifyRequest(folder, questions, passes=2), fresh=True)
    assert again.accuracy == made.accuracy and store.keys(PASSPORTS).count(made.spec.key) == 1


def test_without_questions_it_says_why_there_is_no_accuracy(workbench: Workbench, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", "/nonexistent")
    found = verify(workbench, VerifyRequest(folder))
    assert found.standing == "not measured" and "could not be downloaded" in found.verdict and found.sound
    with pytest.raises(DataError, match="could not be downloaded"):
        verify(workbench, VerifyRequest(folder, "gsm8k"))


@pytest.mark.parametrize(
    ("published", "low", "high", "standing"),
    [
        (0.55, 0.53, 0.58, "reproduced"),
        (0.64, 0.32, 0.37, "not reproduced"),
        (0.30, 0.32, 0.37, "not reproduced"),
        (0.55, 0.40, 0.70, "too few questions"),
        (None, 0.53, 0.58, "no published value"),
    ],
)
def test_when_a_value_is_reproduced(made: Passport, published: float | None, low: float, high: float, standing: Standing) -> None:
    value = Published("gsm8k", published, 1_319, "a paper") if published is not None else None
    found = replace(made, accuracy=Share((low + high) / 2, low, high, 1_319, 1_319), published=value)
    assert found.standing == standing
    assert found.verdict.casefold().startswith(standing)
    assert published is None or f"{published:.1%} published (n = 1,319)" in found.verdict


def test_one_prompt_that_differs_is_enough(made: Passport) -> None:
    assert not replace(made, checks=(*made.checks, Check("?", "1", "2", 0.5, False))).sound


@pytest.mark.parametrize("name", ["bundled", "bundled-steps"])
def test_models_that_ship_have_one(name: str) -> None:
    settings = Settings(device="cpu")
    spec = load_model(ModelRequest(name), settings).spec
    found = stored_passport(Store(settings), spec)
    assert found is not None and found.spec.model == spec
    assert found.sound and found.standing == "reproduced"


def test_what_is_known_of_hub_ids_can_be_used() -> None:
    for hub_id, preset in KNOWN.items():
        assert preset.refused or preset.about or preset.family or preset.base, hub_id
        assert preset.family is None or preset.family in FAMILIES
        assert preset.base is None or preset.base in known_bases()
        assert preset.prompt_format is None or preset.family is None or preset.prompt_format in FAMILIES[preset.family].formats
        assert all(0 < one.accuracy < 1 and one.source for one in preset.published)
    assert all(base_on_hub(base) for base in known_bases())


def test_a_name_a_hub_id_and_another_file_of_it_are_known() -> None:
    preset = known("coconut-gpt2-prosqa")
    assert preset.hub_id is not None and known(preset.hub_id) == preset and preset.published
    sibling = known("bmarti44/coconut-curriculum-checkpoints:pause-curriculum/checkpoint_best")
    assert (sibling.base, sibling.passes, sibling.published) == (preset.base, preset.passes, ())
    assert known("internlm/SIM_COT-GPT2-Coconut").passes == 10
    assert known("somebody/unknown").family is None


@pytest.mark.parametrize("hub_id", [hub_id for hub_id, preset in KNOWN.items() if preset.refused])
def test_what_is_not_computed_is_refused_before_it_is_fetched(hub_id: str, settings: Settings) -> None:
    with pytest.raises(ModelError, match=f"'{hub_id}' is a .*not computed here"):
        load_model(ModelRequest(hub_id), settings)


def test_the_documented_table_is_the_one_that_is_used() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == document(), "python -m benchmarks.checkpoints writes it"
