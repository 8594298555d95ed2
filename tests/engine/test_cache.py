"""The cache: forks share the prefix, conditions do not see each other, rows can leave, passes can be resumed."""

from __future__ import annotations

import pytest
import torch

from codi_core.engine.cache import Cache
from codi_core.engine.engine import Engine
from codi_core.engine.steps import _live_grid

QUESTIONS = ["How many is 4 times 5, plus 2?", "7 - 2?", "Out of 600 employees, 30 % work from home. How many do not?"]
CLOSE = {"rtol": 1e-4, "atol": 1e-4}


def prepared(engine: Engine, passes: int = 3) -> tuple[Cache, torch.Tensor]:
    cache = engine.open_cache(engine.prefill([engine.model.build_prompt(question) for question in QUESTIONS]))
    return cache, engine.think(cache, passes).z


def test_fork_shares_the_prompt_and_owns_its_slots(engine: Engine) -> None:
    with engine.exclusively():
        cache, _ = prepared(engine)
        fork = cache.fork(4)
        assert fork.prefix is cache.prefix
        assert fork.rows == 4 * cache.rows
        assert fork.keys.shape[3] < cache.prefix.keys.shape[3]
        kept = cache.keys[:, :, :, : cache.length].clone()  # what lies behind was never written
        fork.keys.zero_()
        assert torch.equal(cache.keys[:, :, :, : cache.length], kept)


def test_conditions_in_one_batch_equal_each_on_its_own(engine: Engine) -> None:
    with engine.exclusively():
        cache, _ = prepared(engine)
        shifts = [0.0, 1.0, -2.0]
        fork = cache.fork(len(shifts))
        for condition, shift in enumerate(shifts):
            fork.values[:, condition * cache.rows : (condition + 1) * cache.rows, :, 2] += shift
        together = engine.decode(fork, 5)
        for condition, shift in enumerate(shifts):
            alone = cache.fork(1)
            alone.values[:, :, :, 2] += shift
            expected = engine.decode(alone, 5)
            mine = slice(condition * cache.rows, (condition + 1) * cache.rows)
            assert together.ids[mine] == expected.ids
            torch.testing.assert_close(together.first_logits[mine], expected.first_logits, **CLOSE)


def test_passes_resume_from_a_fork(engine: Engine) -> None:
    with engine.exclusively():
        whole, z = prepared(engine, passes=4)
        resumed = whole.fork(2)
        resumed.length = 3
        again = engine.think(resumed, 4, record=True, z=z[:, 2].repeat(2, 1))
        assert again.resid is not None
        assert again.resid.shape[:2] == (2 * whole.rows, 2)
        torch.testing.assert_close(again.z, z[:, 3:].repeat(2, 1, 1), **CLOSE)
        torch.testing.assert_close(resumed.keys[:, : whole.rows, :, :5], whole.keys[:, :, :, :5], **CLOSE)


def test_several_tokens_at_once_equal_one_after_another(engine: Engine) -> None:
    ids = torch.tensor([[engine.model.ids.eot, 5, 9]] * len(QUESTIONS))
    with engine.exclusively():
        cache, _ = prepared(engine)
        at_once = engine.forward(cache.fork(1), engine.model.embed(ids))
        stepwise = cache.fork(1)
        for token in range(3):
            one = engine.forward(stepwise, engine.model.embed(ids[:, token : token + 1]))
            torch.testing.assert_close(one[:, 0], at_once[:, token], **CLOSE)


def test_forgetting_slots_is_exact(engine: Engine) -> None:
    with engine.exclusively():
        cache, _ = prepared(engine)
        first = engine.decode(cache, 4)
        cache.length = 4
        assert engine.decode(cache, 4).ids == first.ids


def test_cache_grows_without_changing_what_it_holds(llama: Engine) -> None:
    with llama.exclusively():
        cache, _ = prepared(llama)
        kept, length = cache.keys[:, :, :, :4].clone(), cache.length
        cache.reserve(100)
        assert cache.keys.shape[3] >= length + 100
        assert torch.equal(cache.keys[:, :, :, :4], kept)
        small = llama.open_cache(cache.prefix, slots=1)
        llama.think(small, 3)
        assert torch.equal(small.keys[:, :, :, :4], kept)


@pytest.mark.parametrize("grid", [[[0, 1, 2], [3, 4, 5]], [[2], [5]], [[3, 1]], [[4], [1], [4]]])
def test_selected_rows_go_on_as_before(engine: Engine, grid: list[list[int]]) -> None:
    with engine.exclusively():
        cache, _ = prepared(engine)
        fork = cache.fork(2)
        fork.values[:, cache.rows :, :, 1] += 1
        kept = fork.fork(1)
        kept.keep(torch.tensor(grid))
        expected = engine.decode(fork, 3)
        found = engine.decode(kept, 3)
        rows = [row for line in grid for row in line]
        assert found.ids == [expected.ids[row] for row in rows]
        torch.testing.assert_close(found.first_logits, expected.first_logits[rows], **CLOSE)


def test_rows_go_on_together_from_different_places(engine: Engine) -> None:
    lengths, ids = [4, 6, 5], torch.tensor([[7, 5, 9], [8, 6, 2], [3, 9, 4]])
    with engine.exclusively():
        cache, _ = prepared(engine)
        engine.forward(cache, engine.model.embed(ids[:, :2]))  # slots 4 and 5

        def go_on(lengths: list[int], rows: list[int]) -> torch.Tensor:
            fork = cache.fork(1)
            fork.resume(torch.tensor(lengths))
            fork.keep(torch.tensor([rows]))
            return engine.forward(fork, engine.model.embed(ids[rows, 2:]))

        together = go_on(lengths, [0, 1, 2])
        for row, length in enumerate(lengths):
            torch.testing.assert_close(together[row], go_on([length] * 3, [0, 1, 2])[row], **CLOSE)
        torch.testing.assert_close(go_on(lengths, [2, 0]), together[[2, 0]], **CLOSE)


def test_live_rows_make_a_grid_of_columns_that_costs_least() -> None:
    live = [True, False, False, True, False, True]  # two conditions of three questions
    assert _live_grid(live, 3).tolist() == [[0, 3, 5]], "a copy of a prompt is cheaper than a repeated row"
    assert _live_grid([True] * 6, 3).tolist() == [[0, 1, 2], [3, 4, 5]]
    scattered = [row % 3 == 0 for row in range(12)] + [True, False, False]  # five conditions of three questions, all live ones of the first
    scattered[1] = scattered[5] = True
    assert _live_grid(scattered, 3).tolist() == [[0, 3, 6, 9, 12, 1, 5]]
