"""Steering as the page and the command line ask for it."""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codi_core.errors import Cancelled, DataError, InputError, InterventionError
from codi_core.evaluation.prepared import PreparedSet
from codi_core.problems.generate import team_prompt
from codi_core.services import effects
from codi_core.services.effects import evaluate_condition, runs_of
from codi_core.services.shared.commands import condition_command, steer_command
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SteerRequest, VectorRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.services.vectors import vector_info
from codi_core.steering.flags import methods_of
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.replacement import Replacement
from codi_core.steering.vectors import Difference, Random, VectorSpace
from codi_core.values.evals import SteeringEffect

MEANS = MeansRequest(n=10)
KV_STOP = KV(Difference(2, 4), 3.0, (5,), then="stop")
LATENT = Hidden(Difference(2, 4), 3.0, (3,))


def made(workbench: Workbench) -> list[str]:
    """Runs that were stored here; some ship."""
    return [folder.name for folder in (workbench.settings.cache_dir / "runs").glob("*")]


@pytest.fixture
def asked(folder: str) -> SteerRequest:
    return SteerRequest(folder, team_prompt().question, (LATENT,), MEANS, max_new_tokens=4)


@pytest.fixture
def wanted(folder: str, monkeypatch: pytest.MonkeyPatch) -> ConditionRequest:
    monkeypatch.setattr("codi_core.evaluation.prepared.BATCH_ROWS", {"cpu": 4})
    return ConditionRequest(folder, (KV_STOP,), n=10, means=MEANS, max_new_tokens=4)


def last(found: Iterator[SteeringEffect]) -> SteeringEffect:
    *_, effect = found
    return effect


def test_three_panes_and_what_the_edit_reaches(workbench: Workbench, asked: SteerRequest) -> None:
    found = steer(workbench, asked, "me")
    assert (found.passes, found.first_pass) == (6, 4)
    assert found.problem is not None and found.problem.gold == 24
    assert found.control is not None and not found.identical
    for pane in (found.steered, found.control):
        change = pane.change["logit"]
        assert change.shape == found.baseline.grids["logit"].entropy.shape
        assert not change[:4].any() and change[4:, -1].all()
        np.testing.assert_array_equal(pane.grids["logit"].top_ids[:4], found.baseline.grids["logit"].top_ids[:4])
        assert pane.p_gold != found.baseline.p_gold
    assert not found.baseline.change["logit"].any()
    assert len(found.baseline.top_answers) == 10
    assert found.milliseconds > 0


@pytest.mark.parametrize("method", [LATENT, KV_STOP, Replacement("gaussian", (2,), 1.0), Hidden(Difference(1, 2), 1.0, (6,), "resid", 2)])
def test_coefficient_zero_is_called_identical(workbench: Workbench, asked: SteerRequest, method: Hidden) -> None:
    assert steer(workbench, replace(asked, interventions=(method.with_coefficient(0),)), "me").identical
    assert not steer(workbench, replace(asked, interventions=(method,)), "me").identical


def test_one_prompt_and_a_set_of_one_agree(workbench: Workbench, asked: SteerRequest, tmp_path: Path, folder: str) -> None:
    file = tmp_path / "one.jsonl"
    file.write_text(f'{{"question": "{asked.prompt}", "answer": 24}}\n')
    request = ConditionRequest(folder, asked.interventions, str(file), 0, means=MEANS, max_new_tokens=4)
    _, run = runs_of(workbench, request, "me")
    pane = steer(workbench, asked, "me").steered
    assert run.answers[0] == pane.answer
    assert run.margin[0] == pytest.approx(pane.margin, abs=1e-3)


def test_a_prompt_nobody_knows_has_no_gold(workbench: Workbench, asked: SteerRequest) -> None:
    found = steer(workbench, replace(asked, prompt="How   many? <b>🙂</b>", interventions=(KV_STOP,)), "me")
    assert found.problem is None and found.baseline.outcome is None and found.steered.p_gold is None
    assert found.passes == 5 and found.first_pass == 6
    assert not found.steered.change["logit"].any()


def test_a_replacement_without_means_has_no_control(workbench: Workbench, asked: SteerRequest) -> None:
    found = steer(workbench, replace(asked, interventions=(Replacement("zero", (2,)),)), "me")
    assert found.control is None and not workbench.store.keys("means")


def test_partial_results_grow_and_the_whole_is_stored(workbench: Workbench, wanted: ConditionRequest) -> None:
    partial = list(evaluate_condition(workbench, wanted, "me"))
    done = [effect.done for effect in partial]
    assert done == sorted(set(done)) and done[-1] == partial[-1].total == 10 and len(done) > 2
    again = list(evaluate_condition(workbench, wanted, "me"))
    assert len(again) == 1
    assert again[0].margin == partial[-1].margin and again[0].paired == partial[-1].paired and again[0].verdict == partial[-1].verdict


def test_a_visited_condition_needs_no_model(workbench: Workbench, wanted: ConditionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    list(evaluate_condition(workbench, wanted, "me"))
    monkeypatch.setattr(PreparedSet, "answers_of", _unexpected)
    assert last(evaluate_condition(workbench, wanted, "me")).done == 10


def _unexpected(*arguments: object) -> None:
    raise AssertionError("computed again")


def test_interrupted_work_resumes_where_it_stopped(workbench: Workbench, wanted: ConditionRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "SLOW", 0.0)
    first = next(evaluate_condition(workbench, wanted, "me"))
    assert 0 < first.done < 10 and not made(workbench) and len(workbench.store.keys("run-parts")) == 1
    computed: list[int] = []
    original = PreparedSet.answers_of

    def counting(self: PreparedSet, number: int, *rest: object) -> object:
        computed.append(number)
        return original(self, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(PreparedSet, "answers_of", counting)
    resumed = last(evaluate_condition(workbench, wanted, "me"))
    assert resumed.done == 10 and 0 not in computed
    assert workbench.store.keys("run-parts") == []


def test_controls_make_a_band(workbench: Workbench, wanted: ConditionRequest) -> None:
    effect = last(evaluate_condition(workbench, replace(wanted, controls=21), "me"))
    assert effect.controls is not None and len(effect.controls.accuracy) == len(effect.controls.margin) == 21
    assert 0 <= effect.controls.percentile <= 100 and "21 random directions" in effect.verdict.sentence()
    assert len(set(effect.controls.margin)) == 21


def test_coefficient_zero_is_identical_and_says_so(workbench: Workbench, wanted: ConditionRequest) -> None:
    for method in (KV_STOP, LATENT):
        effect = last(evaluate_condition(workbench, replace(wanted, interventions=(method.with_coefficient(0),)), "me"))
        assert effect.identical and effect.changed == 0 and "bit for bit" in effect.verdict.sentence()
        assert (effect.paired.delta, effect.paired.fixed, effect.paired.broken) == (0, 0, 0)


def test_either_baseline_can_be_asked_for(workbench: Workbench, wanted: ConditionRequest) -> None:
    same = last(evaluate_condition(workbench, wanted, "me"))
    every = last(evaluate_condition(workbench, replace(wanted, against="all"), "me"))
    assert same.baseline_key != every.baseline_key and same.key == every.key
    condition, six = runs_of(workbench, replace(wanted, interventions=()), "me")
    assert condition.key == every.baseline_key
    assert every.baseline.value == six.correct.mean()


def test_two_viewers_at_once_get_their_own(workbench: Workbench, wanted: ConditionRequest) -> None:
    requests = [wanted, replace(wanted, interventions=(LATENT,)), replace(wanted, interventions=(LATENT.with_coefficient(-5),))]
    together: dict[int, SteeringEffect] = {}

    def work(number: int) -> None:
        together[number] = last(evaluate_condition(workbench, requests[number], f"viewer {number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({effect.key for effect in together.values()}) == 3
    alone = Workbench(replace(workbench.settings, cache_dir=workbench.settings.cache_dir / "alone"))
    for number, request in enumerate(requests):
        effect = last(evaluate_condition(alone, request, "me"))
        assert (effect.margin, effect.p_gold, effect.transitions) == (
            together[number].margin,
            together[number].p_gold,
            together[number].transitions,
        )
    alone.close()


def test_leaving_half_way_leaves_nothing_running(workbench: Workbench, wanted: ConditionRequest) -> None:
    found = evaluate_condition(workbench, wanted, "me")
    next(found)
    found.close()  # type: ignore[attr-defined]
    assert workbench.worker.submit(lambda check_cancelled: 1, "someone else").result() == 1
    assert not made(workbench)

    def leave() -> None:
        raise Cancelled("the tab was closed")

    workbench.worker.submit(lambda check_cancelled: time.sleep(0.3), "someone else")  # in line long enough to be poked
    with pytest.raises(Cancelled):
        list(evaluate_condition(workbench, replace(wanted, seed=5), "me", on_wait=leave))


def test_norms_doses_and_stability_of_a_vector(workbench: Workbench, folder: str) -> None:
    info = vector_info(workbench, VectorRequest(folder, Difference(2, 4), VectorSpace("kv"), MEANS), "me")
    assert info.matrix.shape == (2, 7, 7)
    np.testing.assert_allclose(info.matrix[:, 2, 4], info.vector.norms, rtol=1e-5)
    np.testing.assert_allclose(info.matrix, info.matrix.swapaxes(1, 2))
    assert info.vector.split_half is not None and -1 <= info.vector.split_half <= 1
    doses = [info.full_dose[5] * norm / site for norm, site in zip(info.vector.norms, info.site_norms[5], strict=True)]
    assert max(doses) == pytest.approx(1)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"interventions": (Hidden(Difference(3, 3), 1.0, (2,)),)}, InterventionError, "difference is zero"),
        ({"interventions": (LATENT.with_coefficient(math.inf),)}, InterventionError, "coefficient is inf"),
        ({"interventions": (Hidden(Difference(2, 4), 1.0, (6,)),)}, InterventionError, "never consumed"),
        ({"means": MeansRequest("bundled", 10)}, InterventionError, "share"),
        ({"means": MeansRequest("means", 10, only="addition"), "n": 0, "eval_set": "nowhere"}, DataError, "neither an eval set"),
        ({"controls": 1_000}, InputError, "random directions"),
    ],
)
def test_bad_requests_say_why(
    workbench: Workbench, wanted: ConditionRequest, change: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        list(evaluate_condition(workbench, replace(wanted, **change), "me"))  # type: ignore[arg-type]


def test_a_file_without_a_usable_row_is_refused(workbench: Workbench, wanted: ConditionRequest, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(DataError, match="no rows"):
        list(evaluate_condition(workbench, replace(wanted, eval_set=str(empty), n=0), "me"))


def test_overlap_is_allowed_where_it_is_asked_for(workbench: Workbench, wanted: ConditionRequest) -> None:
    request = replace(wanted, eval_set="templates", means=MeansRequest("templates", 10, only="addition"), overlap=True)
    assert last(evaluate_condition(workbench, request, "me")).done == 10


def test_the_command_repeats_the_request(asked: SteerRequest, wanted: ConditionRequest) -> None:
    methods = (LATENT, KV(Random(Difference(1, 2, "A-B"), 3), -0.5, (1, 2), heads=(0,), key_weight=0.0))
    words = shlex.split(steer_command(replace(asked, interventions=methods, prompt="it's 5 % + $x")))
    assert methods_of(words[words.index("--condition") + 1]) == methods
    assert words[words.index("--prompt") + 1] == "it's 5 % + $x" and words[words.index("--means-n") + 1] == "10"
    words = shlex.split(condition_command(replace(wanted, overlap=True, controls=24, against="all")))
    assert words[3] == "eval" and "--overlap" in words and words[words.index("--controls") + 1] == "24"
