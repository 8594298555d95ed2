"""Whole rollouts: the oracle, plain transformers, batches, stopping, limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core import device
from codi_core.engine.engine import Engine, Prompt
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import Cancelled, InputError, MemoryLimitError
from codi_core.values.model import Rollout, RolloutConfig
from tests.checkpoints import distance, in_transformers, load

QUESTIONS = [
    "A team starts with 3 members. They recruit 5 new members. How many are there now?",
    "7 - 2?",
    "Out of 600 employees, 30 % work from home. How many do not?",
    "How many is 4 times 5, plus 2?",
    "12 / 4 = ?",
]
CONFIG = RolloutConfig(passes=3, max_new_tokens=6)
ROUNDING = 1e-3
"""Random weights amplify the last bits of one pass into the next."""


def assert_same(ours: Rollout, theirs: Rollout, tolerance: float) -> None:
    assert (ours.question, ours.input_ids, ours.answer_ids, ours.finished) == (
        theirs.question,
        theirs.input_ids,
        theirs.answer_ids,
        theirs.finished,
    )
    for name in ("h", "z", "resid", "keys", "values"):
        assert distance(getattr(ours, name), getattr(theirs, name)) <= tolerance, name


@pytest.mark.parametrize("passes", [0, 1, 4])
def test_engine_equals_the_cache_free_oracle(engine: Engine, passes: int) -> None:
    config = RolloutConfig(passes, 5)
    for question, ours in zip(QUESTIONS, engine.rollout(QUESTIONS, config), strict=True):
        oracle = oracle_rollout(engine.model, question, config)
        assert list(ours.answer_ids) == oracle.answer_ids
        assert distance(ours.h, oracle.h.numpy()) < ROUNDING
        assert distance(ours.z, oracle.z.numpy()) < ROUNDING


def test_answers_and_residuals_equal_one_plain_transformers_forward(engine: Engine) -> None:
    """Everything the engine fed, fed again at once through transformers' own forward with its own record of hidden states."""
    model = engine.model
    theirs = in_transformers(model)
    for ours in engine.rollout(QUESTIONS, CONFIG):
        prompt = model.embed(torch.tensor([ours.input_ids]))
        latents = torch.from_numpy(ours.z[: CONFIG.passes])[None]
        answer = model.embed(torch.tensor([[*model.after_latents, *ours.answer_ids]]))
        out = theirs(inputs_embeds=torch.cat([prompt, latents, answer], 1), output_hidden_states=True, use_cache=False)
        bot = len(ours.input_ids) - 1
        hidden = torch.stack(out.hidden_states[:-1], 2)[0, bot : bot + CONFIG.passes + 1]
        np.testing.assert_allclose(ours.resid[:, :-1], hidden.detach().numpy(), rtol=1e-3, atol=1e-4)
        logits = out.logits[0, bot + CONFIG.passes + len(model.after_latents) :]
        logits[:, model.ids.eot] = float("-inf")
        assert tuple(logits.argmax(-1)[: len(ours.answer_ids)].tolist()) == ours.answer_ids
        assert [top.id for top in ours.top_answers] == logits[0].topk(10).indices.tolist()


def test_last_depth_through_the_norm_is_h(engine: Engine) -> None:
    for rollout in engine.rollout(QUESTIONS, CONFIG):
        h = engine.model.final_norm(torch.from_numpy(rollout.resid[:, -1])).detach().numpy()
        np.testing.assert_allclose(h, rollout.h, rtol=1e-5, atol=1e-5)


def test_shapes_follow_the_axes(llama: Engine) -> None:
    model = llama.model
    rollout = llama.rollout(QUESTIONS[:1], CONFIG)[0]
    n, depths = CONFIG.passes + 1, model.n_layers + 1
    assert rollout.h.shape == rollout.z.shape == (n, model.d_model)
    assert rollout.resid.shape == (n, depths, model.d_model)
    assert rollout.keys.shape == rollout.values.shape == (n, model.n_layers, model.n_kv_heads, model.d_head)
    assert {array.dtype for array in (rollout.h, rollout.z, rollout.resid, rollout.keys)} == {np.dtype("float32")}
    assert len(rollout.input_tokens) == len(rollout.input_ids)
    probs = [top.prob for top in rollout.top_answers]
    assert probs == sorted(probs, reverse=True)
    assert 0 < sum(probs) <= 1
    assert rollout.answer_ids[:1] == (rollout.top_answers[0].id,) or rollout.top_answers[0].id == model.ids.eos


@pytest.mark.parametrize("batch_size", [1, 2, 3, None])
def test_a_row_does_not_depend_on_its_batch(engine: Engine, batch_size: int | None) -> None:
    together = engine.rollout(QUESTIONS, CONFIG, batch_size=batch_size)
    for question, row in zip(QUESTIONS, together, strict=True):
        assert_same(row, engine.rollout([question], CONFIG)[0], ROUNDING)


def test_same_call_gives_the_same_bits(engine: Engine) -> None:
    first, second = (engine.rollout(QUESTIONS, CONFIG) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert_same(a, b, 0)


def test_fewer_passes_are_a_prefix_of_more(engine: Engine) -> None:
    short, long = (engine.rollout(QUESTIONS[:2], RolloutConfig(passes, 1)) for passes in (2, 4))
    for a, b in zip(short, long, strict=True):
        assert np.array_equal(a.resid, b.resid[:3])
        assert np.array_equal(a.keys, b.keys[:3])


def test_recording_changes_nothing_and_can_be_left_out(engine: Engine) -> None:
    full, bare = (engine.rollout(QUESTIONS, CONFIG, record=record) for record in (True, False))
    for a, b in zip(full, bare, strict=True):
        assert (a.answer_ids, a.number) == (b.answer_ids, b.number)
        assert np.array_equal(a.z, b.z)
        assert len(b.resid) == len(b.keys) == len(b.values) == 0


@pytest.fixture
def early_eos(engine: Engine) -> Iterator[Engine]:
    """The same weights with an eos that rows meet at different times: the most frequent token among all answers."""
    answers = [rollout.answer_ids for rollout in engine.rollout(QUESTIONS, RolloutConfig(3, 8))]
    model = engine.model
    tokens = [token for answer in answers for token in answer[1:]]
    eos = max(set(tokens), key=tokens.count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model.__dict__, "ids", type(model.ids)(model.ids.pad, model.ids.bot, model.ids.eot, eos, model.ids.bos))
        patch.setitem(model.spec.__dict__, "prompt_format", "paper")
        yield Engine(model)


def test_rows_stop_at_eos_and_leave_the_others_alone(early_eos: Engine) -> None:
    config = RolloutConfig(3, 8)
    together = early_eos.rollout(QUESTIONS * 3, config)
    for question, row in zip(QUESTIONS * 3, together, strict=True):
        oracle = oracle_rollout(early_eos.model, question, config)
        assert list(row.answer_ids) == oracle.answer_ids
        assert row.finished == (len(oracle.answer_ids) < config.max_new_tokens)
        assert early_eos.model.ids.eos not in row.answer_ids


def test_eot_is_never_generated(llama: Engine) -> None:
    """Make eot the likeliest token everywhere: the greedy answer must step around it."""
    model = llama.model
    head, eot = model.lm_head.weight, model.ids.eot
    original = head[eot].clone()
    try:
        head[eot] = 50 * torch.from_numpy(llama.rollout(QUESTIONS[:1], CONFIG)[0].h[0])
        for rollout in llama.rollout(QUESTIONS, CONFIG):
            assert eot not in rollout.answer_ids
            assert eot not in [top.id for top in rollout.top_answers]
    finally:
        head[eot] = original


def test_paper_format_with_eos_feeds_two_tokens_after_the_latents(engines: dict[str, Engine]) -> None:
    model = load(Path(engines["llama"].model.source), prompt_format="paper-eos")
    engine = Engine(model)
    assert len(model.after_latents) == 2
    for question, ours in zip(QUESTIONS, engine.rollout(QUESTIONS, CONFIG), strict=True):
        assert list(ours.answer_ids) == oracle_rollout(model, question, CONFIG).answer_ids


def test_bfloat16_runs(engines: dict[str, Engine]) -> None:
    engine = Engine(load(Path(engines["llama"].model.source), dtype="bfloat16"))
    exact = engines["llama"].rollout(QUESTIONS, CONFIG)
    for rough, fine in zip(engine.rollout(QUESTIONS, CONFIG), exact, strict=True):
        assert np.linalg.norm(rough.h[0] - fine.h[0]) < 0.1 * np.linalg.norm(fine.h[0])


def test_thoughts_in_words_are_split_at_eot(llama: Engine) -> None:
    for question, chain in zip(QUESTIONS, llama.cot(QUESTIONS, max_new_tokens=5), strict=True):
        rollout = llama.rollout([question], CONFIG)[0]
        assert chain.input_ids == rollout.input_ids
        assert len(chain.output_ids) == 5
        assert not chain.finished
    eot = llama.model.ids.eot
    prompt = Prompt("q", [1, 2])
    five, plus = (llama.model.tokenizer.convert_tokens_to_ids(token) for token in "5+")
    split = llama._chain(prompt, [five, plus, five, eot, five], True)
    assert (split.chain, split.answer, split.number) == ("5+5", "5", 5.0)
    assert llama._chain(prompt, [five, plus], False).number is None


def test_progress_counts_questions_and_steps_can_cancel(llama: Engine) -> None:
    seen: list[tuple[int, int]] = []
    llama.rollout(QUESTIONS, CONFIG, batch_size=2, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(2, 5), (4, 5), (5, 5)]
    steps = 0

    def stop() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        llama.rollout(QUESTIONS, CONFIG, check_cancelled=stop)
    assert steps == 4


def test_model_is_the_same_after_calls_and_after_errors(engine: Engine) -> None:
    def state() -> tuple[object, ...]:
        hooks = [(name, len(module._forward_hooks), len(module._forward_pre_hooks)) for name, module in engine.model.hf.named_modules()]
        weights = [(name, tensor.data_ptr(), tensor.double().sum().item()) for name, tensor in engine.model.hf.state_dict().items()]
        return hooks, weights, str(engine.model.config)

    def stop() -> None:
        raise Cancelled("at once")

    before = state()
    engine.rollout(QUESTIONS, CONFIG)
    assert state() == before
    with pytest.raises(Cancelled):
        engine.rollout(QUESTIONS, CONFIG, check_cancelled=stop)
    assert state() == before


def test_threads_take_turns(llama: Engine) -> None:
    expected = [llama.rollout([question], CONFIG)[0] for question in QUESTIONS]
    found: dict[int, Rollout] = {}

    def run(number: int) -> None:
        found[number] = llama.rollout([QUESTIONS[number]], CONFIG)[0]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(QUESTIONS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, rollout in enumerate(expected):
        assert_same(found[number], rollout, 0)


def test_unusable_questions_and_configs_are_refused(llama: Engine) -> None:
    for config in (RolloutConfig(-1, 5), RolloutConfig(2, 0)):
        with pytest.raises(InputError, match="passes"):
            llama.rollout(QUESTIONS, config)
    with pytest.raises(InputError, match="empty"):
        llama.rollout(["  "], CONFIG)
    with pytest.raises(InputError, match=r"positions and the model has 512"):
        llama.rollout(["7 " * 600], CONFIG)
    assert llama.rollout([], CONFIG) == []


def test_batches_halve_when_memory_runs_out(llama: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = llama.rollout(QUESTIONS, CONFIG)
    prefill, sizes = llama.prefill, []

    def small_memory(prompts: list[list[int]]) -> object:
        sizes.append(len(prompts))
        if len(prompts) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return prefill(prompts)

    monkeypatch.setattr(llama, "prefill", small_memory)
    for a, b in zip(llama.rollout(QUESTIONS, CONFIG), expected, strict=True):
        assert a.answer_ids == b.answer_ids
    assert sizes == [5, 2, 3, 1, 2]
    monkeypatch.setattr(llama, "prefill", lambda prompts: (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory")))
    with pytest.raises(MemoryLimitError, match="single question"):
        llama.rollout(QUESTIONS, CONFIG)


def test_threads_change_no_number(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before, found = torch.get_num_threads(), list[Rollout]()
    try:
        for threads, few in ((1, 0), (2, 0), (2, device.FEW)):  # one, two everywhere, two where they are worth it
            torch.set_num_threads(threads)
            monkeypatch.setattr(device, "FEW", few)
            found += engine.rollout(QUESTIONS[:1], CONFIG)
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert_same(found[0], other, 0)
