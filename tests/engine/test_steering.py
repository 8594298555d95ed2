"""The contract of every steering method: nothing at coefficient 0, causal, and what the plainest implementation does."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import Cancelled, DataError, InterventionError
from codi_core.evaluation.prepared import PreparedSet, plan_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.steering.conditions import Condition
from codi_core.steering.context import Directions
from codi_core.steering.edits import BatchEditor, Edit
from codi_core.steering.hidden import Hidden
from codi_core.steering.kv import KV
from codi_core.steering.means import collect_samples
from codi_core.steering.methods import Method, all_zero
from codi_core.steering.presets import PRESETS
from codi_core.steering.replacement import Replacement
from codi_core.steering.vectors import Difference
from codi_core.values.evals import ScoredRun
from codi_core.values.model import RolloutConfig
from codi_core.values.vectors import MeansSpec
from tests.engine.steering import (
    ADDING,
    CONFIG,
    METHODS,
    PASSES,
    QUESTIONS,
    REPLACING,
    Changes,
    assert_bits,
    baseline,
    condition,
    directions_of,
    plain_answer,
    runs,
)

ROUNDING = 2e-3
"""Random weights amplify the last bits of one pass into the next."""


@pytest.fixture(scope="module")
def prepared(engines: dict[str, Engine]) -> dict[str, tuple[PreparedSet, Directions]]:
    return {family: (PreparedSet(engine, QUESTIONS, CONFIG), directions_of(engine)) for family, engine in engines.items()}


@pytest.fixture(params=["gpt2", "llama", "qwen3"])
def bench(request: pytest.FixtureRequest, prepared: dict[str, tuple[PreparedSet, Directions]]) -> tuple[PreparedSet, Directions]:
    return prepared[request.param]


@pytest.fixture
def llama_bench(prepared: dict[str, tuple[PreparedSet, Directions]]) -> tuple[PreparedSet, Directions]:
    return prepared["llama"]


def assert_close(ours: ScoredRun, theirs: ScoredRun) -> None:
    assert ours.answers == theirs.answers
    np.testing.assert_allclose(ours.margin, theirs.margin, atol=ROUNDING)
    np.testing.assert_allclose(ours.p_gold, theirs.p_gold, atol=ROUNDING)


@pytest.mark.parametrize("name", METHODS)
def test_coefficient_zero_is_the_baseline_bit_for_bit(bench: tuple[PreparedSet, Directions], name: str) -> None:
    steered = condition(bench[0].engine, METHODS[name])
    zero = steered.with_coefficient(0)
    assert all_zero(zero.interventions) and not all_zero(steered.interventions)
    assert_bits(runs(bench, zero)[0], baseline(bench, zero)[0])
    beside = (steered, zero, steered.with_coefficient(-2))
    assert_bits(runs(bench, *beside)[1], baseline(bench, *beside)[1])
    assert_close(baseline(bench, zero)[0], baseline(bench, *beside)[1])


@pytest.mark.parametrize("name", METHODS)
def test_every_method_does_something(bench: tuple[PreparedSet, Directions], name: str) -> None:
    steered = condition(bench[0].engine, METHODS[name].with_coefficient(1 if name.startswith("=") else 5))
    assert np.abs(runs(bench, steered)[0].margin - baseline(bench, steered)[0].margin).max() > 1e-3


@pytest.mark.parametrize("name", ADDING)
def test_what_is_added_and_taken_away_again_cancels(bench: tuple[PreparedSet, Directions], name: str) -> None:
    method = ADDING[name]
    both = condition(bench[0].engine, method, method.with_coefficient(-1))
    assert_close(runs(bench, both)[0], baseline(bench, both)[0])


@pytest.mark.parametrize("name", METHODS)
def test_edits_reach_only_what_comes_after_them(bench: tuple[PreparedSet, Directions], name: str) -> None:
    prepared, directions = bench
    steered = condition(prepared.engine, METHODS[name])
    plan = plan_of([steered])
    with prepared.engine.exclusively():
        edits = prepared.edits_of(0, [steered], directions, lambda: None)
        edited, _ = prepared.think_on(0, edits, plan)
        plain, _ = prepared.think_on(0, [()], plan)
        slots = {"k": (edited.keys, plain.keys), "v": (edited.values, plain.values)}
        for index in range(plan.passes + 1):
            for layer in range(prepared.engine.model.n_layers):
                for point, (ours, theirs) in slots.items():
                    own = index - plan.own  # slots before are shared with the baseline
                    same = own < 0 or torch.equal(ours[layer, :, :, own], theirs[layer, :, :, own])
                    assert same == (not _reaches(edits[0], point, index, layer)), (point, index, layer)


def _reaches(edits: tuple[Edit, ...], point: str, index: int, layer: int) -> bool:
    """Whether the cache slot of a pass depends on any of the edits."""
    return any(_edit_reaches(edit, point, index, layer) for edit in edits)


def _edit_reaches(edit: Edit, point: str, index: int, layer: int) -> bool:
    if edit.point in ("z", "h"):
        return index > edit.index
    if edit.point == "resid":
        assert edit.layer is not None
        return index > edit.index or (index == edit.index and layer >= edit.layer)
    touched = [edit_layer for edit_layer in range(len(edit.delta)) if _touches(edit.at(edit_layer))]
    if index == edit.index:
        return point == edit.point and layer in touched
    # The next pass comes from an untouched latent: up to the first layer that looks at the slot nothing has changed.
    return bool(touched) and (index > edit.index + 1 or (index == edit.index + 1 and layer > min(touched)))


def _touches(edit: Edit) -> bool:
    return bool((edit.delta != 0).any()) or (edit.keep is not None and bool((edit.keep != 1).any()))


@pytest.mark.parametrize("name", METHODS)
def test_steered_answers_are_those_of_the_plainest_implementation(bench: tuple[PreparedSet, Directions], name: str) -> None:
    """transformers' own cache at batch 1, nothing shared, nothing drafted: same answers, same margin of the gold token."""
    prepared, directions = bench
    steered = condition(prepared.engine, METHODS[name].with_coefficient(0.7))
    run = runs(bench, steered)[0]
    model = prepared.engine.model
    for number, rows in enumerate(prepared.batches):
        edits = prepared.edits_of(number, [steered], directions, lambda: None)[0]
        for row, question in list(enumerate(rows))[:2]:
            ids = model.build_prompt(QUESTIONS[question].question)
            answer, _ = plain_answer(model, ids, steered.passes, CONFIG.max_new_tokens, _changes(edits, row))
            assert run.answers[question] == model.decode(answer)


def _changes(edits: tuple[Edit, ...], row: int) -> Changes:
    """The edits of one row for the plain rollout, in their order."""
    changes = Changes()
    for edit in edits:
        if edit.point in ("k", "v"):
            for layer in range(len(edit.delta)):
                _then(getattr(changes, edit.point), (edit.index, layer), edit.at(layer), row)
        elif edit.point == "resid":
            _then(changes.resid, (edit.index, edit.layer), edit, row)
        else:
            _then(getattr(changes, edit.point), edit.index, edit, row)
    return changes


def _then(found: dict, key: object, edit: Edit, row: int) -> None:  # type: ignore[type-arg]
    delta = edit.delta[min(row, len(edit.delta) - 1)]
    keep = 1.0 if edit.keep is None else edit.keep[0] if edit.keep.ndim > 1 else edit.keep

    def change(value: Tensor) -> Tensor:
        along = 0.0 if edit.along is None else value @ edit.along[0] @ edit.along[1]
        return value * keep + along + delta

    found[key] = change


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith(("+ z", "+ h", "= zero", "= mean h"))])
def test_latents_are_those_of_the_cache_free_oracle(llama_bench: tuple[PreparedSet, Directions], name: str) -> None:
    prepared, directions = llama_bench
    steered = condition(prepared.engine, METHODS[name])
    run = runs(llama_bench, steered)[0]
    question = prepared.batches[0][0]
    edits = prepared.edits_of(0, [steered], directions, lambda: None)[0]
    config = RolloutConfig(steered.passes, CONFIG.max_new_tokens)
    oracle = oracle_rollout(prepared.engine.model, QUESTIONS[question].question, config, [BatchEditor([edits])])
    assert run.answers[question] == prepared.engine.model.decode(oracle.answer_ids)


def test_drafted_answers_equal_decoded_ones(bench: tuple[PreparedSet, Directions]) -> None:
    """Large pushes change most answers, at every length of agreement."""
    prepared, directions = bench
    for method in (KV(Difference(1, 3), 8.0, (2,)), Hidden(Difference(1, 3), 64.0, (2,)), Hidden(Difference(1, 3), 0.3, (1,))):
        steered = condition(prepared.engine, method)
        run, plain = runs(bench, steered)[0], baseline(bench, steered)[0]
        for number, rows in enumerate(prepared.batches):
            with prepared.engine.exclusively():
                edits = prepared.edits_of(number, [steered], directions, lambda: None)
                cache, _ = prepared.think_on(number, edits, plan_of([steered]))
                decoded = prepared.engine.decode(cache, CONFIG.max_new_tokens)
            for row, question in enumerate(rows):
                assert run.answers[question] == prepared.engine.model.decode(decoded.ids[row])
                assert (run.outcomes[question] == "truncated") == (not decoded.finished[row])
        assert method.coefficients == {"coefficient": 0.3} or run.answers != plain.answers


def test_scores_are_those_of_the_gold_tokens(bench: tuple[PreparedSet, Directions]) -> None:
    """P(gold) and the margin from one plain forward over prompt, latents, eot and the gold answer."""
    prepared, _ = bench
    engine, model = prepared.engine, prepared.engine.model
    run = baseline(bench, condition(engine))[0]
    with engine.exclusively():
        for number, gold in [
            (numbers[0], prepared.expected(at, PASSES, lambda: None)[1][0]) for at, numbers in enumerate(prepared.batches)
        ]:
            cache = engine.open_cache(engine.prefill([model.build_prompt(QUESTIONS[number].question)]))
            engine.think(cache, PASSES)
            fed = torch.tensor([[*model.after_latents, *gold.ids[:-1]]])
            logits = model.lm_head(engine.forward(cache, model.embed(fed)))[0, len(model.after_latents) - 1 :]
            logits[:, model.ids.eot] = float("-inf")
            log_p = logits.log_softmax(-1)[torch.arange(len(gold.ids)), torch.tensor(gold.ids)].sum()
            at, token = logits[gold.at].clone(), gold.ids[gold.at]
            own = float(at[token])
            at[token] = float("-inf")
            assert run.p_gold[number] == pytest.approx(math.exp(log_p), rel=ROUNDING, abs=1e-12)
            assert run.margin[number] == pytest.approx(own - float(at.max()), abs=ROUNDING)


def test_conditions_side_by_side_equal_each_alone(bench: tuple[PreparedSet, Directions]) -> None:
    alike = [condition(bench[0].engine, Hidden(Difference(1, 3), alpha, (2,))) for alpha in (-1, 0.5, 2)]
    for together, alone in zip(runs(bench, *alike), (runs(bench, one)[0] for one in alike), strict=True):
        assert_close(together, alone)


def test_groups_hold_conditions_of_one_shape(llama_bench: tuple[PreparedSet, Directions]) -> None:
    conditions = [condition(llama_bench[0].engine, method) for method in METHODS.values()]
    groups = llama_bench[0].groups(conditions)
    assert sorted(number for group in groups for number in group) == list(range(len(conditions)))
    for group in groups:
        assert len({(conditions[number].passes, conditions[number].first_pass) for number in group}) == 1


def test_an_eval_set_larger_than_memory_gives_the_same_numbers(llama_bench: tuple[PreparedSet, Directions]) -> None:
    prepared, directions = llama_bench
    small = PreparedSet(prepared.engine, QUESTIONS, CONFIG, keep_bytes=0)
    steered = condition(prepared.engine, METHODS["+ kv"])
    assert_bits(runs((small, directions), steered)[0], runs(llama_bench, steered)[0])
    assert_bits(runs((small, directions), steered)[0], runs(llama_bench, steered)[0])


def test_batches_hold_every_question_once_and_golds_of_one_kind(llama_bench: tuple[PreparedSet, Directions]) -> None:
    prepared, _ = llama_bench
    assert sorted(number for batch in prepared.batches for number in batch) == list(range(len(QUESTIONS)))
    for batch in prepared.batches:
        assert len({len(prepared._golds[number].ids) > 1 for number in batch}) == 1


def hooks_of(engine: Engine) -> list[int]:
    """Hooks of every module; transformers leaves some of its own behind once a test asked it for hidden states."""
    return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in engine.model.hf.modules()]


def test_nothing_is_left_behind(bench: tuple[PreparedSet, Directions]) -> None:
    """Not by a finished call, not by one called off in the middle."""
    prepared, directions = bench
    engine = prepared.engine
    before, hooks = engine.rollout([QUESTIONS[0].question], CONFIG)[0], hooks_of(engine)
    weights = [parameter.clone() for parameter in engine.model.hf.parameters()]
    steered = condition(engine, METHODS["+ resid"])
    expected = runs(bench, steered)[0]
    for stop_after in (1, 2, 3):
        with pytest.raises(Cancelled):
            prepared.answers_of(0, [steered], directions, _stop_after(stop_after))
    after = engine.rollout([QUESTIONS[0].question], CONFIG)[0]
    np.testing.assert_array_equal(before.resid, after.resid)
    assert_bits(runs(bench, steered)[0], expected)
    assert hooks_of(engine) == hooks
    assert all(torch.equal(a, b) for a, b in zip(weights, engine.model.hf.parameters(), strict=True))


def _stop_after(steps: int):  # type: ignore[no-untyped-def]
    left: Iterator[int] = iter(range(steps))

    def check_cancelled() -> None:
        if next(left, None) is None:
            raise Cancelled("enough")

    return check_cancelled


# Presets against the scripts they are named after


@pytest.mark.parametrize("index", [1, 3])
def test_kv_preset_is_the_posts_script(engine: Engine, index: int) -> None:
    """Written from the description of the script: means of K and V of slot B minus those of slot A over the addition prompts of the
    evaluation set, as they lie in the cache; coeff times that onto the last slot, all layers and heads; then eot."""
    eval_set, questions = load_eval_set("templates", 20, 1)
    a, b, coeff, model = 1, 3, 2.0, engine.model
    addition = [question for question in questions if "/add/" in question.template]
    rollouts = engine.rollout([question.question for question in addition], CONFIG)
    key = torch.from_numpy(np.mean([r.keys[b] - r.keys[a] for r in rollouts], 0))
    value = torch.from_numpy(np.mean([r.values[b] - r.values[a] for r in rollouts], 0))
    changes = Changes(
        k={(index, layer): lambda x, d=key[layer]: x + coeff * d for layer in range(model.n_layers)},  # type: ignore[misc]
        v={(index, layer): lambda x, d=value[layer]: x + coeff * d for layer in range(model.n_layers)},  # type: ignore[misc]
    )
    means = MeansSpec(model.spec.key, eval_set, "addition", PASSES)
    directions = Directions(collect_samples(engine, means, questions))
    steered = Condition(model.spec.key, eval_set, CONFIG, (PRESETS["kv-as-in-the-post"].make(a, b, index, coeff),), means, overlap=True)
    assert steered.passes == index
    run = runs((PreparedSet(engine, questions, CONFIG), directions), steered)[0]
    for question, answer in list(zip(questions, run.answers, strict=True))[:8]:
        ids, _ = plain_answer(model, model.build_prompt(question.question), index, CONFIG.max_new_tokens, changes)
        assert answer == model.decode(ids)


@pytest.mark.parametrize("index", [0, 2])
def test_embedding_preset_is_the_posts_script(engine: Engine, index: int) -> None:
    """Means of h, added to z after the projection at one site; one more pass; then eot."""
    eval_set, questions = load_eval_set("templates", 20, 1)
    a, b, coeff, model = 1, 3, 2.0, engine.model
    directions = directions_of(engine)
    difference = torch.from_numpy(np.asarray(directions.means.h[b] - directions.means.h[a]))
    steered = condition(engine, PRESETS["embedding-as-in-the-post"].make(a, b, index, coeff))
    assert steered.passes == index + 1
    run = runs((PreparedSet(engine, questions, CONFIG), directions), replace(steered, eval_set=eval_set))[0]
    changes = Changes(z={index: lambda z: z + coeff * difference})
    for question, answer in list(zip(questions, run.answers, strict=True))[:8]:
        ids, _ = plain_answer(model, model.build_prompt(question.question), index + 1, CONFIG.max_new_tokens, changes)
        assert answer == model.decode(ids)


# What is refused


@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Hidden(Difference(1, 3), 1.0, (PASSES,)), "never consumed"),
        (Hidden(Difference(1, 3), 1.0, (PASSES,), "h"), "never consumed"),
        (Replacement("zero", (PASSES,)), "never consumed"),
        (KV(Difference(1, 3), 1.0, (PASSES + 1,)), "does not exist"),
        (KV(Difference(1, 3), float("inf"), (1,)), "coefficient is inf"),
        (KV(Difference(1, 3), 1.0, (1,), value_weight=float("nan")), "value coefficient is nan"),
        (Hidden(Difference(1, 3), 101.0, (1,)), "-100 to 100"),
        (Hidden(Difference(1, 3), 1.0, ()), "at least one"),
        (Hidden(Difference(1, 3), 1.0, (1,), "resid"), "needs a layer"),
        (Hidden(Difference(1, 3), 1.0, (1,), "resid", 9), "needs a layer"),
        (Hidden(Difference(1, 3), 1.0, (1,), "z", 1), "no layers"),
        (KV(Difference(1, 3), 1.0, (1,), layers=(3,)), "Layer 3 does not exist"),
        (KV(Difference(1, 3), 1.0, (1,), heads=(7,)), "head 7 does not exist"),
        (Replacement("donor", (1,), space="resid", layer=1), "not kept"),
        (Replacement("zero", (1,), layers=(1,)), "choose space kv"),
    ],
)
def test_impossible_interventions_say_why(llama: Engine, method: Method, words: str) -> None:
    with pytest.raises(InterventionError, match=words):
        condition(llama, method).check(llama.model, (), QUESTIONS)


@pytest.mark.parametrize("index", [0, PASSES])
def test_residuals_and_slots_of_the_last_index_can_be_steered(llama: Engine, index: int) -> None:
    for method in (Hidden(Difference(1, 3), 1.0, (index,), "resid", 1), KV(Difference(1, 3), 1.0, (index,))):
        condition(llama, method).check(llama.model, (), QUESTIONS)


def test_a_vector_of_another_model_is_refused(
    llama_bench: tuple[PreparedSet, Directions], prepared: dict[str, tuple[PreparedSet, Directions]]
) -> None:
    steered = condition(llama_bench[0].engine, METHODS["+ z"])
    with pytest.raises(InterventionError, match="made from model"):
        llama_bench[0].answers_of(0, [steered], prepared["qwen3"][1])
    with pytest.raises(InterventionError, match="belongs to model"):
        steered.check(prepared["qwen3"][0].engine.model, (), ())


def test_the_same_index_twice_is_no_difference(llama_bench: tuple[PreparedSet, Directions]) -> None:
    with pytest.raises(InterventionError, match="difference is zero"):
        llama_bench[0].answers_of(0, [condition(llama_bench[0].engine, Hidden(Difference(2, 2), 1.0, (1,)))], llama_bench[1])


def test_logits_that_are_no_numbers_name_the_coefficient(llama_bench: tuple[PreparedSet, Directions]) -> None:
    prepared, directions = llama_bench
    samples = directions.samples
    broken = Directions(replace(samples, z=np.where(np.arange(samples.z.shape[1])[:, None] == 3, np.float32("nan"), samples.z)))
    with pytest.raises(InterventionError, match=r"coefficient 50.*smaller coefficient"):
        prepared.answers_of(0, [condition(prepared.engine, Hidden(Difference(1, 3), 50.0, (1,)))], broken)


def test_means_and_evaluation_must_not_overlap(llama: Engine) -> None:
    eval_set, questions = load_eval_set("templates", 20, 1)
    own = MeansSpec(llama.model.spec.key, eval_set, "addition", PASSES)
    steered = Condition(llama.model.spec.key, eval_set, CONFIG, (METHODS["+ z"],), own)
    with pytest.raises(InterventionError, match="share 20 questions"):
        steered.check(llama.model, questions, questions)
    replace(steered, overlap=True).check(llama.model, questions, questions)
    other_words = tuple(replace(question, question=question.question + "!", template="other/x") for question in questions)
    with pytest.raises(InterventionError, match=r"share .* triple|share .* template"):
        steered.check(llama.model, load_eval_set("templates", 20, 2)[1], questions)
    steered.check(llama.model, other_words, questions)


def test_an_empty_eval_set_is_refused(llama: Engine) -> None:
    with pytest.raises(DataError, match="no usable question"):
        PreparedSet(llama, (), CONFIG)


def test_one_question_has_no_donor(llama: Engine) -> None:
    alone = PreparedSet(llama, QUESTIONS[:1], CONFIG)
    with pytest.raises(InterventionError, match="another answer"):
        alone.answers_of(0, [condition(llama, REPLACING["donor"])])
