"""Latents taken away: fewer passes, latents replaced over an eval set and in one prompt; the numbers are those of the Steer page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codi_core.errors import Cancelled, InputError, InterventionError
from codi_core.evaluation.prepared import PreparedSet
from codi_core.problems.generate import team_prompt
from codi_core.services.ablate import AblateRequest, EarlyStopRequest, ImportanceRequest, ablate, early_stop, importance
from codi_core.services.effects import evaluate_condition, run_together
from codi_core.services.evaluate import EvalRequest, evaluate
from codi_core.services.shared.requests import ConditionRequest, MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.replacement import Replacement
from codi_core.values.latents import AblationSite

MEANS, PASSES = MeansRequest(n=12), 2


def last(found: Iterator[Any]) -> Any:
    *_, value = found
    return value


@pytest.fixture
def wanted(folder: str, monkeypatch: pytest.MonkeyPatch) -> AblateRequest:
    monkeypatch.setattr("codi_core.evaluation.prepared.BATCH_ROWS", {"cpu": 6})
    return AblateRequest(folder, ("zero", "mean"), ("z", "kv"), n=12, means=MEANS, passes=PASSES)


def test_early_stopping_answers_as_a_rollout_of_so_many_passes(workbench: Workbench, folder: str) -> None:
    request = EarlyStopRequest(folder, n=24, passes=PASSES)
    partial = list(early_stop(workbench, request, "me"))
    assert [curve.done for curve in partial] == sorted(curve.done for curve in partial) and partial[-1].done == PASSES + 1
    points = {point.passes: point for point in partial[-1].points if point.group == "all"}
    assert list(points) == [0, 1, 2]
    assert points[PASSES].against.delta == 0 and points[PASSES].against.fixed == 0
    for passes, point in points.items():
        report = evaluate(workbench, EvalRequest(folder, "bundled", 24, passes=passes))
        assert point.accuracy == report.accuracy and point.spelled_out == report.spelled_out
        assert point.p_gold.low <= point.p_gold.value <= point.p_gold.high
    groups = {point.group: point.accuracy.n for point in partial[-1].points if point.passes == 0}
    assert groups["all"] == 24 and len(groups) > 1 and all(n >= 10 for n in groups.values())
    assert len(list(early_stop(workbench, request, "me"))) == 1, "found again"


def test_every_site_is_a_condition_of_the_steer_page(workbench: Workbench, wanted: AblateRequest) -> None:
    found = last(ablate(workbench, wanted, "me"))
    assert found.done == len(found.sites) == len(found.effects) == 2 * (2 * PASSES + 1)
    assert set(found.refused) == {AblationSite(by, "z", PASSES) for by in wanted.by}
    for site in (AblationSite("zero", "z", 1), AblationSite("mean", "kv", PASSES)):
        alone = list(evaluate_condition(workbench, wanted.condition(site), "me"))
        assert len(alone) == 1, "stored by the map"
        assert found.effects[site] == alone[0] or found.effects[site].paired == alone[0].paired
        assert (found.effects[site].key, found.effects[site].baseline_key) == (alone[0].key, alone[0].baseline_key)


def test_a_run_that_is_stopped_keeps_what_it_has(workbench: Workbench, wanted: AblateRequest) -> None:
    for found in ablate(workbench, wanted, "me"):
        if found.effects:
            break
    assert 0 < len(found.effects) < len(found.sites)
    stored = list(ablate(workbench, wanted, "me", compute=False))
    assert len(stored) == 1 and stored[0].effects.keys() == found.effects.keys()


def test_nothing_is_computed_twice(workbench: Workbench, wanted: AblateRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    list(ablate(workbench, wanted, "me"))
    monkeypatch.setattr(PreparedSet, "answers_of", _unexpected)
    assert last(ablate(workbench, wanted, "me")).done == len(wanted.asked) - 2


def _unexpected(*arguments: object) -> None:
    raise AssertionError("computed again")


def test_what_cannot_be_ablated_says_why(workbench: Workbench, wanted: AblateRequest) -> None:
    with pytest.raises(InputError, match="choose at least one"):
        next(ablate(workbench, replace(wanted, by=()), "me"))
    with pytest.raises(InputError, match="'content' cannot be ablated"):
        next(ablate(workbench, replace(wanted, by=("content",)), "me"))
    with pytest.raises(InterventionError, match="share"):
        next(ablate(workbench, replace(wanted, eval_set="means"), "me"))


def test_only_conditions_of_one_kind_run_together(workbench: Workbench, folder: str) -> None:
    steered = ConditionRequest(folder, (Replacement("zero", (1,)),), n=6, passes=2)
    with pytest.raises(InputError, match="run together"):
        next(run_together(workbench, [steered, replace(steered, n=8)], "me"))
    with pytest.raises(InputError, match="run together"):
        next(run_together(workbench, [steered, replace(steered, passes=3)], "me"))


def test_importance_of_the_latents_of_a_prompt(workbench: Workbench, folder: str) -> None:
    request = ImportanceRequest(folder, team_prompt().question, draws=20, spaces=("z", "kv"), means=MEANS, passes=PASSES, max_new_tokens=4)
    partial = list(importance(workbench, request, "me"))
    found = partial[-1]
    assert [len(part.latents) for part in partial] == list(range(1, found.total + 1))
    assert [(latent.space, latent.index) for latent in found.latents] == [("z", 0), ("z", 1), ("kv", 0), ("kv", 1), ("kv", 2)]
    assert 0 < found.prob <= 1 and found.gold == 24
    for latent in found.latents:
        assert latent.change.shape == (20,) and len(latent.answers) == latent.changed.n == 20
        assert latent.mean.low <= latent.mean.value <= latent.mean.high
        assert np.isclose(latent.mean.value, latent.change.mean(), atol=1e-5)
        assert len(set(latent.change.tolist())) > 1, "draws differ"
        assert (latent.changed.value == 0) == (set(latent.answers) == {latent.answers[0]} and latent.answers[0] == found.answer)
    again = last(importance(workbench, request, "me"))
    np.testing.assert_array_equal(again.latents[0].change, found.latents[0].change)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"draws": 5}, "5 draws: choose 20"), ({"by": "zero"}, "choose resample or gaussian"), ({"prompt": "  "}, "empty")],
)
def test_importance_refuses_what_means_nothing(workbench: Workbench, folder: str, change: dict[str, Any], message: str) -> None:
    request = ImportanceRequest(folder, team_prompt().question, means=MEANS, passes=PASSES)
    with pytest.raises(InputError, match=message):
        next(importance(workbench, replace(request, **change), "me"))


def test_a_viewer_who_leaves_stops_the_work(workbench: Workbench, wanted: AblateRequest) -> None:
    def leave() -> None:
        raise Cancelled("gone")

    next(ablate(workbench, wanted, "me", compute=False))  # the model is there
    blocked = workbench.worker.submit(lambda check_cancelled: __import__("time").sleep(0.5), "someone else")
    with pytest.raises(Cancelled):
        list(ablate(workbench, wanted, "me", leave))
    blocked.result()
    assert not list((workbench.settings.cache_dir / "runs").glob("*"))
