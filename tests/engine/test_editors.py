"""Edits reach exactly what lies causally after their site."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codi_core.engine.editors import Site
from codi_core.engine.engine import Engine
from codi_core.engine.oracle import oracle_rollout
from codi_core.errors import InterventionError
from codi_core.values.model import RolloutConfig
from tests.checkpoints import distance
from tests.engine.editing import Add

QUESTIONS = ["How many is 4 times 5, plus 2?", "7 - 2?", "12 / 4 = ?"]
CONFIG = RolloutConfig(passes=4, max_new_tokens=4)
SITES = [
    *(Site("z", index) for index in range(4)),
    *(Site("h", index) for index in range(4)),
    *(Site("resid", index, depth) for index in (0, 2) for depth in (1, 2, 3)),
    *(Site(point, index, layer) for point in ("k", "v") for index in (0, 2) for layer in (0, 2)),
]


@pytest.mark.parametrize("site", SITES, ids=str)
def test_edit_reaches_what_is_after_it_and_nothing_before(engine: Engine, site: Site) -> None:
    i, depth = site.index, site.layer or 0
    for plain, edited in zip(engine.rollout(QUESTIONS, CONFIG), engine.rollout(QUESTIONS, CONFIG, [Add((site,))]), strict=True):

        def same(name: str, index: object) -> bool:
            return np.array_equal(getattr(plain, name)[index], getattr(edited, name)[index])  # noqa: B023 (used in this iteration)

        before = slice(0, i)
        assert all(same(name, before) for name in ("h", "z", "resid", "keys", "values"))
        assert same("resid", i) == (site.point != "resid")
        assert same("h", i) == (site.point not in ("h", "resid"))
        assert same("z", i) == (site.point not in ("h", "z", "resid"))
        if site.point == "resid":
            assert same("resid", (i, slice(0, depth)))
            assert not any(same("resid", (i, d)) for d in range(depth, engine.model.n_layers + 1))
            assert same("keys", (i, slice(0, depth)))
            assert all(not same("keys", (i, layer)) for layer in range(depth, engine.model.n_layers))
        elif site.point in ("k", "v"):
            touched = "keys" if site.point == "k" else "values"
            others = [layer for layer in range(engine.model.n_layers) if layer != depth]
            assert not same(touched, (i, depth))
            assert same(touched, (i, others))
            assert same("values" if site.point == "k" else "keys", i)
        else:
            assert same("keys", i)
            assert same("values", i)
        assert not same("resid", i + 1)
        assert not same("z", slice(i + 1, None))


@pytest.mark.parametrize("site", SITES, ids=str)
def test_coefficient_zero_is_the_baseline_bit_for_bit(llama: Engine, site: Site) -> None:
    plain, edited = llama.rollout(QUESTIONS, CONFIG), llama.rollout(QUESTIONS, CONFIG, [Add((site,), coefficient=0.0)])
    for a, b in zip(plain, edited, strict=True):
        assert a.answer_ids == b.answer_ids
        assert a.top_answers == b.top_answers
        assert all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("h", "z", "resid", "keys", "values"))


@pytest.mark.parametrize("site", [site for site in SITES if site.point in "zh"], ids=str)
def test_edits_of_z_and_h_agree_with_the_oracle(engine: Engine, site: Site) -> None:
    for question, ours in zip(QUESTIONS, engine.rollout(QUESTIONS, CONFIG, [Add((site,))]), strict=True):
        oracle = oracle_rollout(engine.model, question, CONFIG, [Add((site,))])
        assert list(ours.answer_ids) == oracle.answer_ids
        assert distance(ours.z, oracle.z.numpy()) < 1e-3
        assert distance(ours.h, oracle.h.numpy()) < 1e-3


def test_edit_of_the_last_z_changes_no_answer(llama: Engine) -> None:
    plain, edited = (llama.rollout(QUESTIONS, CONFIG, editors) for editors in ([], [Add((Site("z", 4), Site("h", 4)))]))
    assert [a.top_answers for a in plain] == [b.top_answers for b in edited]


def test_edit_of_values_alone_moves_the_output_linearly_in_the_slot(llama: Engine) -> None:
    """Erasing a slot's values equals editing them to zero: the recorded cache is what later passes read."""

    class Zero:
        sites = (Site("v", 1, 0),)

        def edit(self, site: Site, value: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(value)

    for rollout in llama.rollout(QUESTIONS, CONFIG, [Zero()]):
        assert not rollout.values[1, 0].any()
        assert rollout.values[1, 1].any()


def test_editors_see_documented_shapes_in_the_order_given(llama: Engine) -> None:
    model, rows = llama.model, len(QUESTIONS)
    first = Add((Site("z", 1), Site("resid", 1, 2), Site("k", 1, 0), Site("h", 1)))
    llama.rollout(QUESTIONS, CONFIG, [first])
    vector, slot = (rows, model.d_model), (rows, model.n_kv_heads, model.d_head)
    assert first.seen == [
        (Site("resid", 1, 2), vector),
        (Site("h", 1), vector),
        (Site("z", 1), vector),
        (Site("k", 1, 0), slot),
    ]


def test_two_editors_of_a_site_add_up(llama: Engine) -> None:
    site = Site("z", 1)
    twice = llama.rollout(QUESTIONS, CONFIG, [Add((site,), 1.0), Add((site,), 2.0)])
    once = llama.rollout(QUESTIONS, CONFIG, [Add((site,), 3.0)])
    for a, b in zip(twice, once, strict=True):
        assert distance(a.h, b.h) < 1e-3


@pytest.mark.parametrize(
    "site",
    [
        Site("z", 5),
        Site("z", -1),
        Site("z", 1, 2),
        Site("resid", 1),
        Site("resid", 1, 0),
        Site("resid", 1, 4),
        Site("k", 0, 3),
        Site("v", 0),
    ],
    ids=str,
)
def test_sites_that_do_not_exist_are_refused(llama: Engine, site: Site) -> None:
    with pytest.raises(InterventionError, match=r"layer|Index"):
        llama.rollout(QUESTIONS, CONFIG, [Add((site,))])


def test_editor_that_changes_a_shape_is_refused_and_leaves_no_hook(llama: Engine) -> None:
    class Broken:
        sites = (Site("resid", 1, 1),)

        def edit(self, site: Site, value: torch.Tensor) -> torch.Tensor:
            return value[:, :-1]

    def hooks() -> list[int]:
        return [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in llama.model.hf.modules()]

    before = hooks()
    with pytest.raises(InterventionError, match="shape"):
        llama.rollout(QUESTIONS, CONFIG, [Broken()])
    assert hooks() == before
