"""Attention watched and cut: identities, planted edges, and the graph of latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.engine.watch import Watch
from codi_core.errors import InputError, InterventionError
from codi_core.evaluation.attention_maps import lengths_written, maps_of, rollout, whole
from codi_core.evaluation.influence import Prompts, attention, direct_effects, masses, rolled_out, shuffled, total_effects
from codi_core.evaluation.rolled import Plan
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.influence import InfluenceRequest, KnockOutRequest, influence, knock_out, random_cuts
from codi_core.services.influence_sets import InfluenceSetRequest, influence_set
from codi_core.services.shared.requests import MeansRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.values.influence import OPERAND, ROLES, SHARES, By, summarised
from codi_core.values.model import RolloutConfig
from tests.checkpoints import load, tensors_of, write

PASSES = 3
QUESTIONS = ("Tom has 3 apples and buys 14 more.", "A team of 20 people works 3 days, how many hours is that?")


def prompts_of(engine: Engine, passes: int = PASSES) -> Prompts:
    ids = [engine.prompt(question, RolloutConfig(passes)).ids for question in QUESTIONS]
    with engine.exclusively():
        return rolled_out(engine, ids, QUESTIONS, passes)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_rows_of_attention_sum_to_1_and_none_looks_ahead(engines: dict[str, Engine], family: str) -> None:
    engine = engines[family]
    prompts = prompts_of(engine)
    with engine.exclusively():
        weights = attention(prompts)
    assert weights.shape[:4] == (2, 3, 4, PASSES + 2), "heads of queries, not of keys"
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-6, rtol=0)
    for query in range(PASSES + 1):
        assert not weights[:, :, :, query, prompts.width + query + 1 :].any()
    lengths = [len(ids) for ids in prompts.ids]
    assert lengths[0] < lengths[1] and not weights[0, :, :, :, lengths[0] : prompts.width].any(), "padding"
    mass, uniform, _ = masses(prompts, weights.mean((1, 2)).numpy())
    np.testing.assert_allclose(mass[:, : PASSES + 1].sum(-1), 1, atol=1e-5)
    np.testing.assert_allclose(uniform.sum(-1), 1, atol=1e-5)
    assert mass[:, 0, ROLES.index("slot")].max() == 0


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_a_watch_that_only_looks_changes_no_bit(engines: dict[str, Engine], family: str) -> None:
    engine = engines[family]
    prompts = prompts_of(engine)
    found = []
    for watch in (None, Watch(record=True), Watch(torch.zeros(2, 1, 1, 1, 1, dtype=torch.bool))):
        with engine.exclusively():
            cache = prompts.rolled.fork(Plan(0, 0, PASSES, 1))
            cache.watch = watch
            latents = engine.think(cache, PASSES)
            found.append((latents.h, engine.decode(cache, 4).first_logits))
    for h, logits in found[1:]:
        assert torch.equal(h, found[0][0]) and torch.equal(logits, found[0][1])


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_blocking_is_masking_before_the_softmax(engines: dict[str, Engine], family: str) -> None:
    """The blocked keys get nothing, and the others their own weights over what is left, in layer 0, whose queries are as they were."""
    engine = engines[family]
    prompts = prompts_of(engine)
    with engine.exclusively():
        before = attention(prompts)
        blocked = torch.zeros(2, PASSES + 2, 1, 1, before.shape[-1], dtype=torch.bool)
        blocked[:, 2, ..., 1:4] = True
        cache = prompts.rolled.fork(Plan(0, 0, PASSES, 1))
        cache.watch = watch = Watch(blocked, record=True)
        engine.think(cache, PASSES)
        after = watch.recorded(PASSES + 1, 3, before.shape[-1])
    assert not after[:, :, :, 2, 1:4].any()
    left = before[:, 0, :, 2].clone()
    left[..., 1:4] = 0
    torch.testing.assert_close(after[:, 0, :, 2], left / left.sum(-1, keepdim=True), atol=1e-6, rtol=1e-5)
    assert torch.equal(after[:, :, :, :2], before[:, :, :, :2]), "earlier queries are as they were"
    assert not torch.equal(after[:, 1, :, 2], before[:, 1, :, 2])


def test_a_block_of_one_head_of_one_layer_leaves_the_others(engines: dict[str, Engine]) -> None:
    engine = engines["llama"]
    prompts = prompts_of(engine)
    with engine.exclusively():
        before = attention(prompts)
        blocked = torch.zeros(2, PASSES + 1, 3, 4, before.shape[-1], dtype=torch.bool)
        blocked[:, 1, 0, 2, 0] = True
        cache = prompts.rolled.fork(Plan(0, 0, PASSES, 1))
        cache.watch = watch = Watch(blocked, record=True)
        engine.think(cache, 1)
        after = watch.recorded(2, 3, before.shape[-1])
    assert not after[:, 0, 2, 1, 0].any() and torch.equal(after[:, 0, [0, 1, 3]], before[:, 0, [0, 1, 3], :2])


# The whole sequence


def one(engine: Engine, question: int = 0) -> Prompts:
    with engine.exclusively():
        return rolled_out(engine, [engine.prompt(QUESTIONS[question], RolloutConfig(PASSES)).ids], ("q",), PASSES)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_one_pass_over_the_whole_sequence_is_pass_after_pass(engines: dict[str, Engine], family: str) -> None:
    prompts, n = one(engines[family]), PASSES
    with engines[family].exclusively():
        weights, _ = whole(prompts)
        maps, slots = maps_of(prompts), attention(prompts)
    size = prompts.width + n + 2
    assert weights.shape[-2:] == (size, size) and not weights.triu(1).any()
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]), atol=1e-6, rtol=0)
    np.testing.assert_allclose(maps.attention, slots[0].numpy(), atol=1e-5)


def test_what_follows_the_latents_is_one_key(engines: dict[str, Engine]) -> None:
    """eot and eos in ``paper-eos``: rows sum to 1 there, too."""
    engine = Engine(load(Path(engines["llama"].model.source), prompt_format="paper-eos"))
    prompts = one(engine)
    with engine.exclusively():
        maps, slots = maps_of(prompts), attention(prompts)[0].numpy()
    assert len(engine.model.after_latents) == 2
    for weights in (slots, maps.attention, maps.rollout, maps.of("value-weighted")):
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_what_heads_write_is_what_attention_adds(engines: dict[str, Engine], family: str) -> None:
    """The values of the keys through `head_outputs`, each as much as it is attended to, are the output of the block's own attention."""
    engine, layer = engines[family], 1
    prompts, model, seen = one(engine), engine.model, []
    module = model.architecture.part(model.blocks[layer], model.architecture.output)
    hook = module.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with engine.exclusively():
        weights, cache = whole(prompts)
        hook.remove()
        values = cache.values[layer, :, :, : cache.length].repeat_interleave(model.n_heads // model.n_kv_heads, 1)
        written = values @ model.head_outputs(layer)
        bias = 0 if getattr(module, "bias", None) is None else module.bias
        added = torch.einsum("rhqk,rhkd->rqd", weights[:, layer], written) + bias
        torch.testing.assert_close(added, seen[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(lengths_written(prompts, cache, layer), written.norm(dim=-1))


def test_keys_of_which_as_much_is_written_are_weighted_by_attention_alone(engines: dict[str, Engine]) -> None:
    with engines["llama"].exclusively():
        maps = maps_of(one(engines["llama"]))
    equal = replace(maps, written=maps.attention * np.float32(7))
    for layer, head in ((None, None), (1, None), (2, 3)):
        np.testing.assert_allclose(equal.of("value-weighted", layer, head), maps.of("attention", layer, head), atol=1e-6)
        assert np.abs(maps.of("value-weighted", layer, head) - maps.of("attention", layer, head)).max() > 1e-3
    gone = maps.written.copy()
    gone[..., 2] = 0
    assert not replace(maps, written=gone).of("value-weighted")[:, 2].any(), "a key of which nothing is written"


def test_a_rollout_by_hand() -> None:
    first, second = (torch.tensor([[1, 0, 0], [share, 1 - share, 0], [0, share, 1 - share]]) for share in (0.5, 1.0))
    through = rollout(torch.stack([first, second]))
    torch.testing.assert_close(through, (second + torch.eye(3)) / 2 @ ((first + torch.eye(3)) / 2))
    torch.testing.assert_close(through[2], torch.tensor([0.125, 0.5, 0.375]))
    torch.testing.assert_close(rollout(torch.eye(3).expand(4, 3, 3)), torch.eye(3))
    linked = rollout(torch.stack([first, second]), [(1, 0)])
    torch.testing.assert_close(linked[2], torch.tensor([0.625, 0, 0.375]), msg="what ends at key 1 was made by query 0")


def test_a_rollout_goes_back_through_all_passes(engines: dict[str, Engine]) -> None:
    """Where every position looks at itself alone, each latent is traced to bot; in a model nothing is left on a slot that is fed back."""
    keys, slots = 9, [(5, 4), (6, 5), (7, 6)]
    traced = rollout(torch.eye(keys).expand(2, keys, keys), slots)
    assert (traced[4:8, 4] == 1).all() and traced[8, 8] == 1
    prompts = one(engines["gpt2"])
    with engines["gpt2"].exclusively():
        rolled = maps_of(prompts).rollout
    np.testing.assert_allclose(rolled.sum(-1), 1, atol=1e-5)
    assert not rolled[:, prompts.width + 1 : prompts.width + PASSES + 1].any() and (rolled[:, : prompts.width + 1] > 0).all()


# Numbers in another order


def test_a_copy_has_the_same_numbers_in_other_places(engines: dict[str, Engine]) -> None:
    engine = engines["llama"]
    prompts = prompts_of(engine)
    with engine.exclusively():
        copies = shuffled(engine, prompts)
        again = shuffled(engine, copies)
    for ids, copy, places in zip(prompts.ids, copies.ids, prompts.operands, strict=True):
        others = [at for at in range(len(ids)) if at not in places]
        assert len(places) > 1 and [ids[at] for at in others] == [copy[at] for at in others]
        assert sorted(ids) == sorted(copy) and ids != copy
    assert copies.operands == prompts.operands and copies.width == prompts.width
    two = next(row for row, places in enumerate(prompts.operands) if len(places) == min(map(len, prompts.operands)))
    assert (again.ids[two] == prompts.ids[two]) == (len(prompts.operands[two]) == 2)


def test_a_question_with_one_number_is_its_own_copy(engines: dict[str, Engine]) -> None:
    engine = engines["llama"]
    with engine.exclusively():
        ids = engine.prompt("Tom has 3 apples.", RolloutConfig(PASSES)).ids
        prompts = rolled_out(engine, [ids], ("q",), PASSES)
        copy = shuffled(engine, prompts)
        assert copy.ids == prompts.ids and torch.equal(attention(copy), attention(prompts))


# Effects


def chained() -> dict[str, Tensor]:
    """A GPT-2 whose positions code the slots: the query of slot j matches the key of slot j−1 and no other."""
    torch.manual_seed(0)
    tensors = tensors_of("gpt2", lora=False)
    wpe = tensors["codi.transformer.wpe.weight"]
    wpe.zero_()
    for layer in range(3):
        name = f"codi.transformer.h.{layer}."
        tensors[name + "ln_1.weight"].fill_(1)
        tensors[name + "ln_1.bias"].zero_()
        attn, bias = tensors[name + "attn.c_attn.weight"], tensors[name + "attn.c_attn.bias"]
        attn[:, :64] = 0
        bias[:64] = 0
        for head in range(4):
            for slot in range(8):
                attn[slot, 32 + 8 * head + slot] = 6  # key of its own slot
                if slot:
                    attn[slot, 8 * head + slot - 1] = 6  # query of the one before
        for part in ("attn.c_proj", "mlp.c_proj"):
            tensors[name + part + ".weight"][:, :8] = 0  # nothing writes over the code
            tensors[name + part + ".bias"][:8] = 0
    return tensors


def test_a_chain_of_latents_is_found_as_a_chain(tmp_path: Path) -> None:
    """Planted: latent j reads slot j−1 alone. Hiding any other slot from its pass changes nothing."""
    passes, tensors = 5, chained()
    probe = Engine(load(write(tmp_path / "probe", tensors, "gpt2")))
    length = len(probe.prompt(QUESTIONS[0], RolloutConfig(passes)).ids) - 1
    for slot in range(passes + 2):
        tensors["codi.transformer.wpe.weight"][length + slot, slot] = 40
    engine = Engine(load(write(tmp_path / "chain", tensors, "gpt2")))
    with engine.exclusively():
        prompts = rolled_out(engine, [engine.prompt(QUESTIONS[0], RolloutConfig(passes)).ids], ("q",), passes)
        direct, to_answer = direct_effects(prompts)
        total, _ = total_effects(prompts, torch.zeros(passes, 1, 32))
    edges = [(float(direct[i, j, 0]), j - i == 1) for j in range(1, passes + 1) for i in range(j)]
    planted, others = ([weight for weight, is_edge in edges if is_edge == wanted] for wanted in (True, False))
    auc = np.mean([(weight > other) + 0.5 * (weight == other) for weight in planted for other in others])
    assert auc >= 0.95, (planted, others)
    answer = np.abs(to_answer[: passes + 1, 0])
    assert answer.argmax() == passes, "eot reads the last slot"
    mediated = total[1, :, :, 0]
    assert (mediated[np.triu_indices(passes, 1)] > 0).all(), "total effects run along the chain"


def test_effects_of_a_latent_put_back_are_nothing(engines: dict[str, Engine]) -> None:
    engine = engines["llama"]
    prompts = prompts_of(engine)
    with engine.exclusively():
        own = prompts.rolled.rows.z[:, :PASSES].transpose(0, 1)
        total, answer = total_effects(prompts, own)
        zero, gone = total_effects(prompts, torch.zeros_like(own))
    upper = np.triu_indices(PASSES, 1)
    assert total[:, upper[0], upper[1]].max() < 1e-4 and answer.max() < 1e-4
    assert (zero[1][upper] > 1e-3).all() and np.isnan(zero[:, 2, 1]).all() and gone.shape == (PASSES, 2)
    np.testing.assert_allclose(zero[0, : PASSES - 1, PASSES - 1], gone[: PASSES - 1], atol=1e-6, err_msg="the last stop is the answer")


def test_random_cuts_are_of_keys_about_as_far_away_where_all_carry_as_much(engines: dict[str, Engine]) -> None:
    prompts, width = prompts_of(engines["llama"]), prompts_of(engines["llama"]).width
    mean = np.full((PASSES + 2, width + PASSES + 2), 0.05, np.float32)
    for key in (1, width - 2):
        request = KnockOutRequest("m", QUESTIONS[0], (key,), PASSES + 1, passes=PASSES)
        chosen = [keys[0] for keys in random_cuts(request, mean, [PASSES + 1], prompts, None)]
        others = [other for other in range(width + PASSES + 1) if other not in (key, *chosen)]
        assert key not in chosen and max(abs(other - key) for other in chosen) <= min(abs(other - key) for other in others)
    heavy = mean.copy()
    heavy[:, [2, 5]] = 0.9
    request = KnockOutRequest("m", QUESTIONS[0], (2,), PASSES + 1, passes=PASSES)
    assert random_cuts(request, heavy, [PASSES + 1], prompts, None)[0] == (5,), "mass comes first where it differs more"


def test_uniform_weights_have_the_uniform_summaries() -> None:
    np.testing.assert_allclose(summarised(np.ones((6, 6), np.float32)), [1 / 3, 1 / 3, 1 / 3, 7 / 3], rtol=1e-6)
    chain = np.zeros((6, 6), np.float32)
    chain[np.arange(5), np.arange(1, 6)] = 1
    np.testing.assert_allclose(summarised(chain), [1, 0.2, 0.2, 1], rtol=1e-6)


def test_one_prompt_and_its_cuts(workbench: Workbench, folder: str) -> None:
    found = influence(workbench, InfluenceRequest(folder, QUESTIONS[0], passes=PASSES), "test")
    count = len(found.tokens)
    assert found.maps.attention.shape == (3, 4, PASSES + 2, count + PASSES + 2) and [found.tokens[at].strip() for at in found.operands]
    for share in SHARES:
        np.testing.assert_allclose(found.mass(share)[0].sum(1), 1, atol=1e-5)
    mass, uniform, copy = found.baselines()
    assert np.array_equal(mass, found.mass()[0][:, OPERAND]) and (uniform > 0).all() and not np.array_equal(mass, copy)
    request = KnockOutRequest(folder, QUESTIONS[0], (count + 2,), PASSES + 1, passes=PASSES)
    cut = knock_out(workbench, request, "test")
    assert cut.cut.dlog_p != 0 and cut.cut.mass == pytest.approx(float(found.mean[PASSES + 1, count + 2]), abs=1e-5)
    assert len(cut.controls) == 8 and all(control.mass != cut.cut.mass for control in cut.controls)
    first = cut.cut.dlog_p
    own = found.graph.to_answer[2]
    answer = workbench.run(folder, lambda engine, _: engine.rollout([QUESTIONS[0]], RolloutConfig(PASSES))[0], "test")
    if len(answer.answer_ids) == 1:
        assert first == pytest.approx(float(own), abs=1e-4)
    both = knock_out(workbench, replace(request, query=None, how="both"), "test")
    assert both.cut.dlog_p != knock_out(workbench, replace(request, query=None, how="z"), "test").cut.dlog_p


@pytest.mark.parametrize("by", ["gaussian", "mean", "resample"])
def test_what_stands_in_a_latents_place(workbench: Workbench, folder: str, by: By) -> None:
    request = InfluenceRequest(folder, QUESTIONS[0], by, PASSES, MeansRequest(n=24))
    found, again = (influence(workbench, request, "test").graph.total for _ in range(2))
    zero = influence(workbench, replace(request, by="zero"), "test").graph.total
    assert np.array_equal(found, again, equal_nan=True) and not np.array_equal(found, zero, equal_nan=True)


def test_a_cut_that_could_not_act_is_refused(workbench: Workbench, folder: str) -> None:
    count = len(influence(workbench, InfluenceRequest(folder, QUESTIONS[0], passes=PASSES), "test").tokens)
    for keys, query, how, error, says in (
        ((count + PASSES,), None, "z", InterventionError, "never consumed"),
        ((count + 3,), 1, "kv", InterventionError, "cannot see"),
        ((count + 9,), None, "kv", InputError, "Keys"),
        ((0,), 99, "kv", InputError, "Query"),
        ((0,), None, "z", InterventionError, "belongs to one index"),
        (tuple(range(count + 1)), 0, "kv", InterventionError, "no key at all"),
    ):
        with pytest.raises(error, match=says):
            knock_out(workbench, KnockOutRequest(folder, QUESTIONS[0], keys, query, how, passes=PASSES), "test")  # type: ignore[arg-type]


def test_an_eval_set_is_stored_and_its_means_are_those_of_its_questions(workbench: Workbench, folder: str) -> None:
    request = InfluenceSetRequest(folder, n=20, passes=2)
    assert list(influence_set(workbench, request, "test", compute=False)) == []
    *_, found = influence_set(workbench, request, "test")
    (again,) = influence_set(workbench, request, "test", compute=False)
    assert found.done and np.array_equal(found.weights.value, again.weights.value, equal_nan=True)
    _, questions = load_eval_set("templates", 20, 0)
    totals = [influence(workbench, InfluenceRequest(folder, q.question, passes=2), "test").graph.total[0, 0, 1] for q in questions]
    assert float(found.weights.value[0, 0, 1]) == pytest.approx(float(np.mean(totals)), rel=1e-3)
    ones = [influence(workbench, InfluenceRequest(folder, q.question, passes=2), "test").baselines() for q in questions]
    above = np.mean([mass - copy for mass, _, copy in ones], 0)
    np.testing.assert_allclose(found.operands_above.value[2], above, atol=1e-5)
    assert np.abs(above).max() > 1e-4
    assert (found.mass.low <= found.mass.value).all() and found.nulls == pytest.approx((1, 1, 1, 1))
