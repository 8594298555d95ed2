"""services.lenses: a lens trained through the workbench is found, carded and read; splits that overlap are refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from codi_core.errors import DataError, LensError
from codi_core.lenses.cards import lens_home
from codi_core.lenses.training import LensTrainSpec
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import comparison_table, drawn_questions, lens_menu, train_lens
from codi_core.services.shared.workbench import Workbench
from tests.checkpoints import tensors_of, write

SPEC = LensTrainSpec(indices="3+5", n_questions=12, n_held_out=6, steps=4, batch=8)


def quiet(*_: object) -> None:
    """Progress of no interest."""


def test_a_trained_lens_is_listed_and_read(workbench: Workbench, folder: str) -> None:
    trained = train_lens(workbench, folder, SPEC, "test", quiet)
    assert trained.folder == workbench.settings.cache_dir / "lenses" / "tiny" / "3+5"
    assert [option.card for option in lens_menu(workbench, folder, "test")][1].name == "tuned:3+5"
    table = comparison_table([trained.card]).splitlines()
    assert table[0] == "| depth | logit lens | tuned:3+5 |" and len(table) == 2 + 3
    question = drawn_questions(SPEC.train_set, SPEC.n_questions, SPEC.seed)[0].question
    seen = inspect(workbench, InspectRequest(folder, question, lenses=("logit", "tuned:3+5")), "test")
    assert seen.grids["tuned:3+5"].lens == "tuned:3+5"
    assert seen.grids["tuned:3+5"].top_ids[:, -1].tolist() == seen.grids["logit"].top_ids[:, -1].tolist()
    assert seen.lens_cards["tuned:3+5"].trained_on(seen.rollout.question)


def test_a_lens_trained_anew_replaces_the_one_in_memory(workbench: Workbench, folder: str) -> None:
    request = InspectRequest(folder, "How many are 3 and 4?", lenses=("tuned:3+5",))
    entropies = []
    for seed in (0, 1):
        train_lens(workbench, folder, replace(SPEC, seed=seed), "test", quiet)
        entropies.append(inspect(workbench, request, "test").grids["tuned:3+5"].entropy)
    assert (entropies[0] != entropies[1]).any()


def test_lenses_of_two_runs_lie_apart_and_one_made_before_runs_had_names_is_still_read(workbench: Workbench, tmp_path: Path) -> None:
    runs = [str(write(tmp_path / name / "checkpoint", tensors_of(lora=False, seed=seed))) for seed, name in enumerate(("first", "second"))]
    made = [train_lens(workbench, run, SPEC, "test", quiet) for run in runs]
    assert [(lens.folder.parent.name, lens.card.model.name) for lens in made] == [("first", "first"), ("second", "second")]
    made[0].folder.parent.rename(made[0].folder.parent.with_name("checkpoint"))
    workbench.forget_lenses()
    for run, lens in zip(runs, made, strict=True):
        (option,) = [option for option in lens_menu(workbench, run, "test") if option.card]
        assert option.card is not None and option.card.key == lens.card.key
        inspect(workbench, InspectRequest(run, "How many are 3 and 4?", lenses=("tuned:3+5",)), "test")
    shutil.rmtree(made[1].folder)
    with pytest.raises(LensError, match="has no lens 'tuned:3\\+5'"):
        workbench.forget_lenses()
        inspect(workbench, InspectRequest(runs[1], "How many are 3 and 5?", lenses=("tuned:3+5",)), "test")


def test_a_lens_never_takes_the_place_of_one_of_other_weights_that_are_called_alike(workbench: Workbench, tmp_path: Path) -> None:
    alike = [str(write(tmp_path / where / "mine", tensors_of(lora=False, seed=seed))) for seed, where in enumerate(("here", "there"))]
    made = [train_lens(workbench, model, SPEC, "test", quiet) for model in (*alike, *alike)]
    assert [lens.card.model.name for lens in made] == ["mine"] * 4
    assert made[0].folder == made[2].folder != made[1].folder == made[3].folder, "trained again, each replaces its own"
    read_otherwise = replace(made[0].card.model, lora_rule="rslora")
    assert lens_home(workbench.settings, read_otherwise, "tuned", SPEC.variant) not in {lens.folder for lens in made}
    for model, lens in zip(alike, made[:2], strict=True):
        (option,) = [option for option in lens_menu(workbench, model, "test") if option.card]
        assert option.card is not None and option.card.key == lens.card.key
        inspect(workbench, InspectRequest(model, "How many are 3 and 4?", lenses=("tuned:3+5",)), "test")


@pytest.mark.parametrize("held_out", ["train", "means", "train+select"])
def test_held_out_questions_that_share_numbers_with_training_are_refused(workbench: Workbench, folder: str, held_out: str) -> None:
    with pytest.raises(LensError, match="held-out"):
        train_lens(workbench, folder, replace(SPEC, n_questions=200, n_held_out=200, held_out_set=held_out), "test", quiet)


def test_questions_come_in_equal_parts_and_unknown_sets_are_named() -> None:
    found = drawn_questions("train+means+templates", 10, 0)
    assert len(found) == 10 and len({item.question for item in found}) == 10
    with pytest.raises(DataError, match="nowhere"):
        drawn_questions("train+nowhere", 10, 0)
