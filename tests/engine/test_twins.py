"""Pause twins: trained as their original, loaded strictly, fed one learned vector, and refused what only latents that act can do."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from codi_core import cli
from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import CheckpointError, InputError, InterventionError, LensError
from codi_core.evaluation.donors import patches_of
from codi_core.lenses.fitting import jacobians
from codi_core.lenses.training import LensTrainSpec
from codi_core.problems.generate import generate
from codi_core.services.ablate import AblateRequest, ablate
from codi_core.services.cards import model_card
from codi_core.services.catalog import model_choices
from codi_core.services.effects import evaluate_condition
from codi_core.services.influence_sets import InfluenceSetRequest, influence_contrast, influence_set
from codi_core.services.lens_contrasts import lens_contrast
from codi_core.services.lenses import train_lens
from codi_core.services.patch import PatchRequest, patch
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.twins import twin_of
from codi_core.steering.flags import methods_of
from codi_core.values.model import RolloutConfig
from tests.checkpoints import load

QUESTIONS = [problem.question for problem in generate("test", 4)]
CONFIG = RolloutConfig(passes=6, max_new_tokens=6)
MEANS = MeansRequest(n=24)


@pytest.fixture(scope="module")
def engine(pair: tuple[Path, Path]) -> Engine:
    return Engine(load(pair[1], lora_alpha=None))


def test_it_is_fed_its_vector_pass_after_pass_as_in_one_causal_forward(engine: Engine, pair: tuple[Path, Path]) -> None:
    learnt = load_file(pair[1] / "model.safetensors")["pause.weight"].numpy()
    model = engine.model
    for rollout in engine.rollout(QUESTIONS, CONFIG):
        assert np.array_equal(rollout.z, np.broadcast_to(learnt, rollout.z.shape))
        slow = oracle_rollout(model, rollout.question, CONFIG)
        assert list(rollout.answer_ids) == slow.answer_ids
        ids = torch.tensor([rollout.input_ids])
        with torch.inference_mode():
            fed = torch.cat([model.embed(ids), torch.from_numpy(rollout.z[None, :-1])], dim=1)
            once = model.body(fed)[0, -CONFIG.passes - 1 :]
        assert torch.allclose(torch.from_numpy(rollout.h), once, atol=1e-5)


def test_its_jacobians_have_no_path_through_z(engine: Engine) -> None:
    found = jacobians(engine, engine.model.build_prompt(QUESTIONS[0]), 2, ("next", "next-z", "answer", "answer-z"))
    assert (found["next-z"] == 0).all() and (found["answer-z"] == 0).all()
    assert found["next"][:2, 0].flatten(1).norm(dim=1).min() > 0 and found["answer"][:, 0].flatten(1).norm(dim=1).min() > 0


def test_every_tensor_is_used_and_the_projection_is_gone(engine: Engine) -> None:
    assert {entry.fate for entry in engine.model.ledger} == {"used"}
    names = {entry.name for entry in engine.model.ledger}
    assert "pause.weight" in names and not any(name.startswith("prj.") for name in names)
    assert engine.model.spec.family == "codi-pause" and not engine.model.family.feeds_back


def test_its_card_says_that_nothing_is_fed_back(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    cards = [model_card(workbench, str(folder), "me") for folder in pair]
    assert [(card.feeds_back, card.has_projection) for card in cards] == [(True, True), (False, False)]
    assert cards[1].family_label == "CODI, pause twin" and set(cards[1].tensors) == {"used"}


def test_files_that_contradict_each_other_are_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    for number, (folder, other) in enumerate((pair, pair[::-1])):
        mixed = shutil.copytree(folder, tmp_path / f"mixed-{number}")
        shutil.copy(other / "codi.json", mixed)
        with pytest.raises(CheckpointError, match="latent_input"):
            load(mixed, lora_alpha=None)
    both = shutil.copytree(pair[1], tmp_path / "both")
    tensors = load_file(both / "model.safetensors")
    prj = {name: tensor for name, tensor in load_file(pair[0] / "model.safetensors").items() if name.startswith("prj.")}
    save_file({**tensors, **prj}, both / "model.safetensors")
    with pytest.raises(CheckpointError, match="unknown"):
        load(both, lora_alpha=None)
    save_file({**tensors, "pause.weight": torch.zeros(7)}, both / "model.safetensors")
    with pytest.raises(CheckpointError, match="wrong shape"):
        load(both, lora_alpha=None)
    save_file({name: tensor for name, tensor in tensors.items() if name != "pause.weight"}, both / "model.safetensors")
    with pytest.raises(CheckpointError, match="CODI, pause twin"):
        load(both, lora_alpha=None, family="codi-pause")


@pytest.mark.parametrize("words", ["hidden source=difference a=1 b=2 coefficient=1 indices=3", "replacement by=donor indices=2 space=h"])
def test_z_and_h_are_refused_with_the_reason(workbench: Workbench, pair: tuple[Path, Path], words: str) -> None:
    request = ConditionRequest(str(pair[1]), methods_of(words), "templates", 6, means=MEANS)
    with pytest.raises(InterventionError, match=r"never acts.*pause twin"):
        list(evaluate_condition(workbench, request, "me"))


def test_no_latent_of_a_twin_is_patched_but_its_residuals_and_slots_are(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    with pytest.raises(InterventionError, match=r"never acts.*pause twin"):
        patch(workbench, PatchRequest(str(pair[1]), *QUESTIONS[:2], "z2"), "me")
    for place in ("2.1", "kv2"):
        assert not patch(workbench, PatchRequest(str(pair[1]), *QUESTIONS[:2], place), "me").effect.identical


def test_the_cache_of_a_donor_is_not(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    request = ConditionRequest(str(pair[1]), methods_of("replacement by=donor indices=2 space=kv"), "templates", 6, means=MEANS)
    *_, effect = evaluate_condition(workbench, request, "me")
    assert effect.paired.n == 6
    assert [patches_of(load(folder, lora_alpha=None)) for folder in pair] == [("z", "kv"), ("kv",)]


def test_ablations_leave_out_what_never_acts(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    *_, found = ablate(workbench, AblateRequest(str(pair[1]), ("zero",), n=6, means=MEANS, passes=2), "me")
    assert {site.space for site in found.sites} == {"kv"} and {site.space for site in found.refused} == {"z", "h"}
    with pytest.raises(InputError, match="pause twin"):
        list(ablate(workbench, AblateRequest(str(pair[1]), ("zero",), spaces=("z",), n=6, passes=2), "me"))


def test_the_control_of_a_model_is_found_beside_it_and_only_if_it_was_trained_alike(
    workbench: Workbench, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    model, twin = pair
    found = twin_of(workbench, str(model))
    assert found is not None and found.name == str(twin) and not found.differs
    assert twin_of(workbench, str(twin)) is None and twin_of(workbench, "owner/repo") is None
    shutil.copytree(model, tmp_path / "own")
    assert twin_of(workbench, str(tmp_path / "own")) is None, "nothing beside it"
    shutil.copytree(model, tmp_path / "own-pause")
    assert twin_of(workbench, str(tmp_path / "own")) is None, "the same kind of model"
    card = json.loads((twin / "codi.json").read_text())
    (tmp_path / "own-pause" / "codi.json").write_text(json.dumps({**card, "training": {**card["training"], "steps": 3}}))
    unfinished = twin_of(workbench, str(tmp_path / "own"))
    assert unfinished is not None and unfinished.differs == ("steps 6 and 3",)


def test_the_command_line_tells_the_differences_and_refuses_without_a_control(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CODI_CACHE_DIR", str(tmp_path))
    words = ["detect", "--eval-set", "templates", "--n", "8", "--beside-control", "--json", "--device", "cpu", "--model"]
    assert cli.main([*words, str(pair[0])]) == 0
    found = json.loads(capsys.readouterr().out)["beside_control"]["maps"]["answer"]
    assert "than in its control" in found["sentence"] and np.array(found["difference"]["value"]).shape == (7, 3)
    assert cli.main([*words, str(pair[1])]) == 2
    assert "has no control" in capsys.readouterr().err
    both = ["--prompt", QUESTIONS[0], "--into", QUESTIONS[1], "--passes", "1", "--beside-control", "--device", "cpu", "--model"]
    assert cli.main(["patch", *both, str(pair[0]), "--json"]) == 0
    beside = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["beside_control"]
    assert beside["pairs"] == 1 and {row["depth"] for row in beside["rows"]} == {1, 2}, "z of a twin is no cell"
    assert cli.main(["patch", *both, str(pair[0])]) == 0 and "on the same pairs" in capsys.readouterr().out
    assert cli.main(["patch", *both, str(pair[1])]) == 2
    assert "has no control" in capsys.readouterr().err
    seen = ["influence", "--n", "4", "--passes", "2", "--beside-control", "--device", "cpu", "--model", str(pair[0])]
    assert cli.main([*seen, "--json"]) == 0
    beside = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)["beside_control"]
    assert "in its control by" in beside["sentences"][0] and len(beside["hidden"]) == 4, "three slots and the numbers"
    assert cli.main(seen) == 0 and "Beside its control" in capsys.readouterr().out


def test_controls_that_are_not_here_are_not_in_the_picker(workbench: Workbench, tmp_path: Path) -> None:
    listed = {choice.name: choice.present for choice in model_choices(workbench)}
    assert listed["bundled"] and all(present for name, present in listed.items() if name.endswith("-pause"))
    alone = Workbench(replace(workbench.settings, model="bundled-pause"))
    assert "bundled-pause" in [choice.name for choice in model_choices(alone)], "asked for by name"
    alone.close()


def test_influence_of_a_model_and_its_control_is_contrasted_question_by_question(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    request = InfluenceSetRequest(str(pair[0]), n=12, passes=2)
    own, control = ([*influence_set(workbench, replace(request, model=str(folder)), "me")][-1] for folder in pair)
    found = influence_contrast(workbench, request, own.spec, control.spec)
    np.testing.assert_allclose(found.mass.difference.value, own.mass.value - control.mass.value, atol=1e-6)
    np.testing.assert_allclose(found.to_answer.difference.value, own.to_answer.value - control.to_answer.value, atol=1e-6)
    same = influence_contrast(workbench, request, own.spec, own.spec)
    assert not same.mass.difference.high.any() and (same.to_answer.adjusted == 1).all()


def test_what_a_lens_is_worth_beside_the_control_is_kept_whatever_becomes_of_the_controls_lens(
    workbench: Workbench, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    own, twin = (str(shutil.copytree(folder, tmp_path / name)) for folder, name in zip(pair, ("model", "model-pause"), strict=True))
    spec = LensTrainSpec(n_questions=8, n_held_out=6, steps=2, batch=8)
    card = train_lens(workbench, own, spec, "me", lambda what, done, total: None).card
    with pytest.raises(LensError, match="has no lens 'tuned:all'"):
        lens_contrast(workbench, own, twin, card, "me")
    made = train_lens(workbench, twin, spec, "me", lambda what, done, total: None)
    found = lens_contrast(workbench, own, twin, card, "me")
    np.testing.assert_allclose(found.kl_control, made.card.kl, atol=1e-5)
    np.testing.assert_allclose(found.kl.difference.value, card.kl - made.card.kl, atol=1e-5)
    other = train_lens(workbench, twin, replace(spec, steps=4), "me", lambda what, done, total: None)
    anew = lens_contrast(workbench, own, twin, card, "me")
    np.testing.assert_allclose(anew.kl_control, other.card.kl, atol=1e-5)
    assert len(list((workbench.settings.cache_dir / "lens-contrasts").glob("*/meta.json"))) == 2
    shutil.rmtree(other.folder)
    again = lens_contrast(workbench, own, twin, card, "me")
    assert any(np.array_equal(again.kl_control, each.kl_control) for each in (found, anew))
