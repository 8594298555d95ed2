"""Models that did not learn our problems take means of hidden states and lenses' training from GSM8k-Aug's first 500 training questions."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub.constants
import pytest

from codi_core.problems.hub import PARQUET
from codi_core.services.lenses import drawn_questions, lens_spec
from codi_core.services.shared.requests import SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.job import resolve
from codi_core.steering.presets import POST_MEANS
from codi_core.steering.presets import PRESETS as STEERING
from tests.unit.test_evalsets import in_hub_cache

CELL = (("embedding-as-in-the-post", 1, 2, 3, 0.5),)


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training set in the shape and the place of the hub's, longer than 500."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    rows = [{"question": f"What is {n} + 1?", "cot": f"<<{n}+1={n + 1}>>", "answer": str(n + 1)} for n in range(520)]
    in_hub_cache(tmp_path, "zen-E/GSM8k-Aug", PARQUET, "default/train/0000.parquet", rows)


def test_means_of_hidden_states(published: None, folder: str, workbench: Workbench) -> None:
    means = resolve(workbench, SweepRequest(folder, "post-hidden", n=4, only=CELL)).spec.means
    assert (means.eval_set.name, means.eval_set.n, means.only) == POST_MEANS
    ours = resolve(workbench, SweepRequest("bundled", "post-hidden", n=4, only=CELL)).spec.means
    assert (ours.eval_set.name, ours.eval_set.n) == ("means", 500)
    kv = resolve(workbench, SweepRequest(folder, "post-kv", n=4, only=(("kv-as-in-the-post", 1, 2, 3, 0.5),))).spec.means
    assert (kv.eval_set.name, kv.only) == ("templates", "addition"), "the posts' KV experiment took the prompts it was evaluated on"


def test_training_of_lenses(published: None, folder: str, workbench: Workbench) -> None:
    spec = lens_spec(workbench, folder, {"steps": 3})
    assert (spec.train_set, spec.n_questions, spec.held_out_set, spec.steps) == ("gsm8k-aug-500", 500, "gsm8k-aug", 3)
    questions = drawn_questions(spec.train_set, spec.n_questions, spec.seed)
    assert {question.question for question in questions} == {f"What is {n} + 1?" for n in range(500)}
    assert lens_spec(workbench, "bundled", {}).train_set == "train+means"
    assert lens_spec(workbench, folder, {"train_set": "means", "n_questions": 9}).held_out_set == "select"


def test_only_the_preset_of_hidden_states_differs() -> None:
    assert [name for name, preset in STEERING.items() if preset.means_of(False) != preset.means] == ["embedding-as-in-the-post"]
