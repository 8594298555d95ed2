"""Measuring what claims need: slots in another order, a model beside its control, what cannot be tested, and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from codi_core import cli
from codi_core.engine.engine import Engine
from codi_core.errors import InputError
from codi_core.evaluation import donors
from codi_core.evaluation.donors import reordered
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.claims import CLAIMS, asked, measure, verdicts
from codi_core.services.shared.workbench import Workbench
from codi_core.values.model import RolloutConfig

CONFIG = RolloutConfig(passes=4, max_new_tokens=4)


def test_slots_that_keep_their_places_and_those_put_back_are_as_they_were(llama: Engine) -> None:
    prompts = [llama.model.build_prompt(question.question) for question in load_eval_set("bundled", 3)[1]]
    with llama.exclusively():
        cache = llama.open_cache(llama.prefill(prompts))
        llama.think(cache, CONFIG.passes)
        keys, values = cache.keys.clone(), cache.values.clone()
        there = torch.tensor([[1, 0, 3, 2], [2, 3, 1, 0], [3, 2, 1, 0]])
        donors._reorder(llama.model, cache, there)
        assert not torch.allclose(cache.keys[:, :, :, 1:5], keys[:, :, :, 1:5], atol=1e-4)
        assert torch.equal(cache.values[:, 0, :, 1], values[:, 0, :, 2]), "slot 1 holds what slot 2 held"
        assert torch.equal(cache.keys[:, :, :, 0], keys[:, :, :, 0]), "bot stays"
        donors._reorder(llama.model, cache, there.argsort(1))
        assert torch.equal(cache.values[:, :, :, :5], values[:, :, :, :5])
        assert torch.allclose(cache.keys[:, :, :, :5], keys[:, :, :, :5], atol=1e-5)


def test_answers_as_they_are_come_beside_those_in_another_order(llama: Engine) -> None:
    questions = load_eval_set("bundled", 5)[1]
    found = reordered(llama, questions, CONFIG)
    assert [before for before, _ in found] == [each.answer for each in llama.rollout([one.question for one in questions], CONFIG)]
    assert found == reordered(llama, questions, CONFIG), "the same order again"


def test_a_model_is_measured_beside_its_control(workbench: Workbench, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asked, "EVALUATED", 8)
    own = str(pair[0])
    assert [step.refused for step in measure(workbench, own, ["C26"])] == [""]
    found = {verdict.claim.key: verdict for verdict in verdicts(workbench.store, [own])[own]}["C26"]
    assert found.ruling == "not clear" and "seeds" in found.why
    assert {part.n for part in found.parts if not part.said} == {8}
    (step,) = measure(workbench, str(pair[1]), ["C26"])
    assert "has no control" in step.refused, "a twin has none"


def test_what_cannot_be_tested_is_stored_with_its_reason(workbench: Workbench, pair: tuple[Path, Path]) -> None:
    twin = str(pair[1])
    assert [step.refused for step in measure(workbench, twin, ["C3", "C16"])] == ["", ""]
    found = {verdict.claim.key: verdict for verdict in verdicts(workbench.store, [twin])[twin]}
    assert (found["C3"].ruling, found["C16"].ruling) == ("not testable", "not testable")
    assert "Nothing is fed back" in found["C3"].why and "pair" in found["C16"].why


def test_a_claim_that_there_is_not_is_refused(workbench: Workbench, folder: str) -> None:
    with pytest.raises(InputError, match="There is no claim 'C99'"):
        next(measure(workbench, folder, ["C99"]))


def test_the_command_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["claims", "--model", "bundled-steps"]) == 0
    printed = capsys.readouterr().out
    assert all(claim.sentence in printed for claim in CLAIMS)
    assert cli.main(["claims", "--model", "bundled-steps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["claims"]
    assert [each["key"] for each in found] == [claim.key for claim in CLAIMS]
    assert all(each["ruling"] in printed for each in found)
