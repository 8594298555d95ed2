"""Jacobians of rollouts: what they must be where that is known, and what pushing a cell a little does to the cells they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from codi_core.engine.editors import Editor, Site, edits_by_site
from codi_core.engine.engine import Engine
from codi_core.engine.gradients import unroll
from codi_core.engine.taps import Recording
from codi_core.errors import LensError, MemoryLimitError
from codi_core.lenses import fitting
from codi_core.lenses.fitting import jacobians
from codi_core.models.model import CodiModel

PASSES = 3
NAMES = ("local", "next", "next-z", "answer", "answer-z", "text")
QUESTION = "Tom has 3 apples and buys 4 more. How many apples has he now?"


@pytest.fixture(scope="module")
def found(engines: dict[str, Engine]) -> dict[str, dict[str, Tensor]]:
    """By family."""
    return {family: jacobians(engine, engine.model.build_prompt(QUESTION), PASSES, NAMES) for family, engine in engines.items()}


@pytest.fixture(params=["llama", "gpt2"])
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_differentiated_rollout_is_the_engines(engines: dict[str, Engine], family: str) -> None:
    engine = engines[family]
    resid, answer = run(engine)
    with engine.differentiably():
        unrolled = unroll(engine, engine.model.build_prompt(QUESTION), PASSES, 2)
    for index, cells in enumerate(unrolled.resid):
        for depth, cell in enumerate(cells):
            torch.testing.assert_close(cell[1, 0].detach(), resid[index, depth], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(unrolled.answer[0, 0].detach(), answer, atol=1e-4, rtol=1e-4)
    assert not any(parameter.requires_grad for parameter in engine.model.hf.parameters())


def test_what_leads_nowhere_is_zero_and_what_stays_is_the_identity(found: dict[str, dict[str, Tensor]], family: str) -> None:
    by_name = found[family]
    eye = torch.eye(by_name["local"].shape[-1])
    assert all(torch.equal(jacobian, eye) for jacobian in by_name["local"][:, -1])
    torch.testing.assert_close(by_name["text"][0, -1], eye, atol=1e-6, rtol=0)
    assert (by_name["answer"][PASSES, -1] == 0).all(), "the last index is read through its slot only, which lies below the last depth"
    assert (by_name["answer"][PASSES, :-1].flatten(1).norm(dim=1) > 0).all()
    assert (by_name["answer-z"][PASSES] == 0).all() and (by_name["next"][PASSES] == 0).all(), "the last latent is never fed back"
    for name in ("next", "answer"):
        through_kv = by_name[name] - by_name[f"{name}-z"]
        assert through_kv[:, -1].abs().max() < 1e-6 * max(1, by_name[name].abs().max()), "the last depth writes no keys and no values"
        assert through_kv[:PASSES, :-1].flatten(2).norm(dim=2).min() > 0


def test_next_is_local_from_depth_0_after_the_projection(
    found: dict[str, dict[str, Tensor]], engines: dict[str, Engine], family: str
) -> None:
    model = engines[family].model
    resid, _ = run(engines[family])
    for index in range(PASSES):
        last = resid[index, -1].clone()
        projected = torch.autograd.functional.jacobian(lambda state: model.project(model.final_norm(state)), last)
        expected = found[family]["local"][index + 1, 0] @ projected
        torch.testing.assert_close(found[family]["next"][index, -1], expected, atol=1e-5, rtol=1e-4)


def test_rows_at_once_change_nothing(found: dict[str, dict[str, Tensor]], engines: dict[str, Engine]) -> None:
    engine = engines["llama"]
    again = jacobians(engine, engine.model.build_prompt(QUESTION), PASSES, NAMES, rows=engine.model.d_model * 2 // 3)
    for name, expected in found["llama"].items():
        torch.testing.assert_close(again[name], expected, atol=1e-3, rtol=1e-3)


@dataclass
class Push:
    """Adds a vector at one cell."""

    site: Site
    vector: Tensor

    @property
    def sites(self) -> tuple[Site, ...]:
        return (self.site,)

    def edit(self, site: Site, value: Tensor) -> Tensor:
        return value + self.vector


@dataclass
class Hold:
    """Puts back what stood somewhere without the push."""

    values: dict[Site, Tensor]

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(self.values)

    def edit(self, site: Site, value: Tensor) -> Tensor:
        return self.values[site]


class Watch(Hold):
    """Keeps what stands somewhere."""

    def edit(self, site: Site, value: Tensor) -> Tensor:
        self.values[site] = value.clone()
        return value


def run(engine: Engine, editors: Sequence[Editor] = ()) -> tuple[Tensor, Tensor]:
    """``[index depth d_model]``, and depth L where the answer is predicted ``[d_model]``."""
    model = engine.model
    with engine.exclusively():
        cache = engine.open_cache(engine.prefill([model.build_prompt(QUESTION)]))
        latents = engine.think(cache, PASSES, edits_by_site(editors, PASSES, model.n_layers), record=True)
        for token in model.after_latents:
            with Recording(model.blocks) as recording:
                engine.forward(cache, model.embed(torch.tensor([[token]])))
    assert latents.resid is not None
    return latents.resid[0].clone(), recording.depths[-1][0, 0].clone()


def held(engine: Engine, index: int, path: str) -> list[Editor]:
    """What closes the other path out of an index."""
    sites = (
        [Site(point, index, layer) for point in ("k", "v") for layer in range(engine.model.n_layers)] if path == "z" else [Site("z", index)]
    )
    watch = Watch(dict.fromkeys(sites, torch.empty(0)))
    run(engine, [watch])
    return [Hold(watch.values)]


@pytest.mark.parametrize(
    ("name", "path"), [("local", ""), ("next", ""), ("next", "z"), ("next", "kv"), ("answer", ""), ("answer", "z"), ("answer", "kv")]
)
def test_a_push_through_an_editor_moves_what_the_jacobian_says(
    found: dict[str, dict[str, Tensor]], engines: dict[str, Engine], family: str, name: str, path: str
) -> None:
    """Central differences, with the other path held: the paths are computed without it."""
    engine, index, depth = engines[family], 1, 1
    vector = torch.randn(engine.model.d_model, generator=torch.Generator().manual_seed(0))
    editors = held(engine, index, path) if path else []
    step, ends = 0.003, []
    for sign in (1, -1):
        resid, answer = run(engine, [Push(Site("resid", index, depth), sign * step * vector), *editors])
        ends.append({"local": resid[index, -1], "next": resid[index + 1, -1], "answer": answer}[name])
    measured = (ends[0] - ends[1]) / (2 * step)
    whole, through_z = found[family][name], found[family].get(f"{name}-z", torch.zeros(()))
    expected = ({"": whole, "z": through_z}.get(path, whole - through_z))[index, depth] @ vector
    assert (measured - expected).norm() < 1e-2 * expected.norm()


def test_text_is_summed_over_targets_and_averaged_over_sources(found: dict[str, dict[str, Tensor]], engines: dict[str, Engine]) -> None:
    model = engines["llama"].model
    ids = model.build_prompt(QUESTION)[:-1]
    skipped = fitting.SKIPPED[len(ids) >= fitting.ENOUGH_TOKENS]
    valid = range(skipped, len(ids) - 1)
    vector = torch.randn(model.d_model, generator=torch.Generator().manual_seed(1))
    step, moved = 0.003, torch.zeros(model.d_model)
    for source in valid:
        ends = [last_depth(model, ids, source, sign * step * vector)[valid.start : valid.stop].sum(0) for sign in (1, -1)]
        moved += (ends[0] - ends[1]) / (2 * step) / len(valid)
    expected = found["llama"]["text"][0, 0] @ vector
    assert (moved - expected).norm() < 1e-2 * expected.norm()


@torch.no_grad()
def last_depth(model: CodiModel, ids: list[int], position: int, push: Tensor) -> Tensor:
    inputs = model.embed(torch.tensor([ids])).clone()
    inputs[0, position] += push
    with Recording(model.blocks) as recording:
        model.body(inputs)
    return recording.depths[-1][0]


def test_memory_that_is_not_there_is_named(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engines["llama"]
    rows_tried = []

    def too_large(*args: object) -> dict[str, Tensor]:
        rows_tried.append(args[-1])
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(fitting, "jacobians", too_large)
    with pytest.raises(MemoryLimitError, match="single row"):
        fitting._in_memory(engine, [1, 2], PASSES, NAMES, 8)
    assert rows_tried == [8, 4, 2, 1]
    monkeypatch.setattr(fitting, "available_memory", lambda device: 1_000)
    with pytest.raises(MemoryLimitError, match=r"answer, local.* are free"):
        fitting._check_memory(("answer", "local"), PASSES, engine.model)


def test_a_prompt_that_is_too_short_for_text_is_refused(engines: dict[str, Engine]) -> None:
    with pytest.raises(LensError, match="too short"):
        jacobians(engines["llama"], [5, 6, 7, 8], PASSES, ["text"])
