"""Pairs of questions for patching, and a map over them with each of its controls, on a model that answers right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import DataError
from codi_core.evaluation.pairs import as_pairs, pick_pairs, template_means
from codi_core.figures.contrast import contrast_sentence
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.patch_maps import PatchMapRequest, patch_contrast, patch_map, patch_map_command
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.values.model import Rollout, RolloutConfig
from codi_core.values.patching import DONORS, FOLLOWS, Donor
from codi_core.values.questions import Question
from tests.trained import paused

CONFIG = RolloutConfig()
REQUEST = PatchMapRequest("bundled-steps", n=4)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_model(ModelRequest("bundled-steps"), Settings(device="cpu", dtype="float32", threads=1)))


@pytest.fixture(scope="module")
def asked(engine: Engine) -> tuple[list[Question], list[Rollout]]:
    questions = [question for question in load_eval_set("templates", 0, 0)[1] if "/team/" in question.template][:60]
    return questions, engine.rollout([question.question for question in questions], CONFIG, record=False)


@pytest.mark.parametrize("donor", DONORS)
def test_pairs_are_alike_right_and_differ_as_asked(asked: tuple[list[Question], list[Rollout]], donor: Donor) -> None:
    tokens = {question.id: len(rollout.input_ids) for question, rollout in zip(*asked, strict=True)}
    picked = pick_pairs(*asked, 12, donor)
    assert picked == pick_pairs(*asked, 12, donor) and len({target.id for _, target, _ in picked}) == len(picked) > 3
    for source, target, third in picked:
        assert source.template == target.template == third.template
        assert tokens[source.id] == tokens[target.id] == tokens[third.id]
        assert source.id != target.id and (source.gold == target.gold) == (donor == "same")
        assert (third is source) or third.gold not in (source.gold, target.gold)


def test_wrong_answers_are_in_no_pair(asked: tuple[list[Question], list[Rollout]]) -> None:
    questions, rollouts = asked
    wrong = [replace(rollout, answer="1000", number=1000.0) for rollout in rollouts]
    assert pick_pairs(questions, wrong, 12, "source") == []


def test_a_template_mean_is_the_mean_of_its_questions(engine: Engine, asked: tuple[list[Question], list[Rollout]]) -> None:
    questions, rollouts = asked
    picked = pick_pairs(questions, rollouts, 2, "source")
    change = template_means(engine, questions[:20], CONFIG, picked, lambda: None)
    template = picked[0][0].template
    own = engine.rollout([question.question for question in questions[:20] if question.template == template], CONFIG)
    found = change((as_pairs(picked)[0].name,), 3, 2, torch.zeros(1, 1)).numpy()[0]
    np.testing.assert_allclose(found, np.mean([rollout.resid[3, 2] for rollout in own], 0), rtol=1e-4, atol=1e-4)


@pytest.fixture
def bench(settings: Settings) -> Iterator[Workbench]:
    bench = Workbench(settings)
    yield bench
    bench.close()


def test_both_ways_and_each_control(bench: Workbench) -> None:
    found = {}
    for request in (REQUEST, replace(REQUEST, way="noising"), replace(REQUEST, donor="same")):
        *_, found[request.way, request.donor] = patch_map(bench, request, "test")
    own = found["denoising", "source"]
    assert own.recovery.n + own.left_out == len(own.pairs) == 4
    assert own.recovery.value[4, 6] > 0.6 and (own.recovery.low <= own.recovery.value)[4, 6], "the answer lies there in this model"
    assert np.all(own.each[:, 6, 6] == 0), "the last residual of the last pass reaches nothing"
    assert found["noising", "source"].recovery.value[4, 6] > 0.6
    alike = found["denoising", "same"]
    assert alike.left_out == len(alike.pairs) and all(a == b for a, b in alike.answers)
    assert np.nanmin(alike.follows[FOLLOWS.index("target"), 6]) == 1


def test_a_set_without_a_pair_is_refused(bench: Workbench) -> None:
    with pytest.raises(DataError, match="gives no pair"):
        next(patch_map(bench, PatchMapRequest("bundled-steps", eval_set="who-has-more", n=1, max_new_tokens=2), "test"))


@pytest.mark.slow
def test_the_control_is_patched_on_the_models_own_pairs(bench: Workbench, tmp_path: Path) -> None:
    folder = paused(bench.settings.bundled_dir / "models" / "bundled-steps", tmp_path / "steps-pause")
    asked = replace(REQUEST, passes=2, n=6)
    *_, own = patch_map(bench, asked, "test")
    *_, control = patch_map(bench, replace(asked, model=str(folder), pairs_of="bundled-steps"), "test")
    assert own.pairs == control.pairs and own.spec.pairs_of == "" and control.spec.pairs_of == own.spec.model
    assert np.isnan(control.recovery.value[:, 0]).all() and not np.isnan(control.norm[:, 1:]).any(), "z is the same in every prompt"
    found = patch_contrast(bench, own.spec, control.spec)
    both = ~np.isnan(own.each).all((1, 2)) & ~np.isnan(control.each).all((1, 2))
    assert found.difference.n == both.sum() > 1
    np.testing.assert_allclose(found.difference.value[:, 1:], (own.each - control.each)[both][:, :, 1:].mean(0), atol=1e-5)
    assert np.isnan(found.difference.value[:, 0]).all() and (found.adjusted[:, 1:] > 0).all()
    sentence = contrast_sentence("recovery", found, False, unit="in R")
    assert "than in its control in" in sentence and "in R (" in sentence
    same = patch_contrast(bench, own.spec, own.spec)
    assert not np.nanmax(np.abs(same.difference.value)) and np.nanmin(same.adjusted) == 1
    assert "--beside-control" in patch_map_command(replace(asked, model=str(folder), pairs_of="bundled-steps"))
