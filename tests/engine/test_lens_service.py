"""services.lenses: a lens trained through the workbench is found, carded and read; splits that overlap are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codi_core.errors import DataError, LensError
from codi_core.lenses.training import LensTrainSpec
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import comparison_table, drawn_questions, lens_menu, train_lens
from codi_core.services.shared.workbench import Workbench

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


@pytest.mark.parametrize("held_out", ["train", "means", "train+select"])
def test_held_out_questions_that_share_numbers_with_training_are_refused(workbench: Workbench, folder: str, held_out: str) -> None:
    with pytest.raises(LensError, match="held-out"):
        train_lens(workbench, folder, replace(SPEC, n_questions=200, n_held_out=200, held_out_set=held_out), "test", quiet)


def test_questions_come_in_equal_parts_and_unknown_sets_are_named() -> None:
    found = drawn_questions("train+means+templates", 10, 0)
    assert len(found) == 10 and len({item.question for item in found}) == 10
    with pytest.raises(DataError, match="nowhere"):
        drawn_questions("train+nowhere", 10, 0)
