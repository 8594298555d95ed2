"""services.detect on a small real checkpoint: what streams, what is stored, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, LensError
from codi_core.evaluation.detection import detection_map, token_set
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.training import LensTrainSpec
from codi_core.services import detect as service
from codi_core.services.detect import DetectRequest, detect, tracked_tokens
from codi_core.services.lenses import train_lens
from codi_core.services.shared.workbench import Workbench
from codi_core.values.model import RolloutConfig
from tests.checkpoints import load


@pytest.fixture
def request_(folder: str, monkeypatch: pytest.MonkeyPatch) -> DetectRequest:
    monkeypatch.setattr(service, "BATCH", 8)
    return DetectRequest(folder, n=20, passes=2)


def test_partial_readings_grow_and_the_whole_is_stored(workbench: Workbench, request_: DetectRequest) -> None:
    parts = list(detect(workbench, request_, "test"))
    assert [len(part.questions) for part in parts] == [8, 16, 20] and [part.complete for part in parts] == [False, False, True]
    np.testing.assert_array_equal(parts[1].top_ids[:8], parts[0].top_ids)
    (again,) = detect(workbench, request_, "test")
    assert again.complete and again.questions == parts[-1].questions
    for name in ("values", "token_ids", "top_ids", "entropy", "prob", "correct"):
        np.testing.assert_array_equal(getattr(again, name), getattr(parts[-1], name))


def test_a_run_stopped_half_way_leaves_its_part_and_nothing_stored(workbench: Workbench, request_: DetectRequest) -> None:
    (part,) = islice(detect(workbench, request_, "test"), 1)
    assert not part.complete and detection_map(part, "answer").found.n + detection_map(part, "answer").multi_token == 8
    assert workbench.store.find(service.KIND, part.spec.key) is None


def test_readings_are_those_of_single_rollouts(workbench: Workbench, request_: DetectRequest, folder: str) -> None:
    readings = list(detect(workbench, request_, "test"))[-1]
    model = load(Path(folder), lora_alpha=None)
    for row in (0, 11, 19):
        rollout = Engine(model).rollout([readings.questions[row].question], RolloutConfig(2))[0]
        ids = [token for token in readings.token_ids[row].ravel().tolist() if token >= 0]
        grid = lens_grid(model, LogitLens(), rollout.resid, ids)
        np.testing.assert_allclose(readings.entropy[row], grid.entropy, rtol=1e-3)
        np.testing.assert_allclose(readings.prob[row].sum(-1), grid.tracked_prob.sum(-1), rtol=1e-2, atol=1e-6)
        assert (readings.top_ids[row, ..., 0] == grid.top_ids[..., 0]).mean() > 0.9
        assert readings.correct[row] == (rollout.finished and rollout.number == readings.questions[row].gold)


def test_values_of_several_tokens_are_left_out(workbench: Workbench, folder: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    rows = [{"question": f"What is {n}?", "answer": n} for n in (7, 123456, 2.5)]
    path.write_text("\n".join(map(json.dumps, rows)))
    readings = list(detect(workbench, DetectRequest(folder, str(path), passes=1), "test"))[-1]
    assert readings.targets == ("answer",)
    found = detection_map(readings, "answer")
    assert (found.found.n, found.multi_token, found.without) == (1, 2, 0)


def test_token_sets_are_found_by_text(workbench: Workbench, request_: DetectRequest) -> None:
    readings = list(detect(workbench, request_, "test"))[-1]
    word = next(iter(tracked_tokens(workbench, request_.model, ["7"], "test")))
    expected = np.isin(readings.top_ids, word.ids).any(-1).mean(0)
    np.testing.assert_allclose(token_set(readings, word.ids).value[-1], expected, atol=1e-6)


def test_a_lens_is_not_judged_on_its_training_questions(workbench: Workbench, request_: DetectRequest) -> None:
    spec = LensTrainSpec(train_set="means", n_questions=20, n_held_out=4, steps=2, batch=4)
    train_lens(workbench, request_.model, spec, "test", lambda *_: None)
    request = replace(request_, lens="tuned:all")
    assert list(detect(workbench, request, "test"))[-1].complete
    with pytest.raises(LensError, match="trained on 20 of these 20"):
        list(detect(workbench, replace(request, eval_set="means"), "test"))


def test_unusable_sets_and_lenses_are_named(workbench: Workbench, request_: DetectRequest) -> None:
    with pytest.raises(DataError, match="nowhere"):
        list(detect(workbench, replace(request_, eval_set="nowhere"), "test"))
    with pytest.raises(LensError, match="tuned:none"):
        list(detect(workbench, replace(request_, lens="tuned:none"), "test"))
