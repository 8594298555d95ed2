"""Geometry of latents: components are the steering source's, shares and halves are sane, what cannot be asked for says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codi_core.errors import CodiError
from codi_core.services.geometry import SPACES, GeometryRequest, answered_right, component_method, explained_contrast, geometry
from codi_core.services.shared.requests import MeansRequest, VectorRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.vectors import vector_info
from codi_core.settings import Settings
from codi_core.steering.vectors import Component
from codi_core.values.latents import GeometrySpace
from tests.checkpoints import tensors_of, write

MEANS, PASSES = MeansRequest(n=16), 3


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> GeometryRequest:
    folder = write(tmp_path_factory.mktemp("geometry") / "model", tensors_of(lora=False))
    return GeometryRequest(str(folder), means=MEANS, passes=PASSES)


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu"))
    yield bench
    bench.close()


@pytest.mark.parametrize("space", SPACES)
def test_components_are_what_steering_pushes_along(workbench: Workbench, request_: GeometryRequest, space: GeometrySpace) -> None:
    asked = replace(request_, space=space, layer=2 if space == "resid" else None)
    found = geometry(workbench, asked, "me")
    count = len(found.explained.value)
    assert found.scores.shape == (16, PASSES + 1, count) and found.means.passes == PASSES
    assert (np.diff(found.explained.value) <= 1e-6).all() and 0 < found.explained.value.sum() <= 1 + 1e-5
    assert (found.explained.low <= found.explained.value + 1e-6).all() and (found.explained.value <= found.explained.high + 1e-6).all()
    assert ((found.split_half >= 0) & (found.split_half <= 1 + 1e-5)).all()
    np.testing.assert_allclose(np.diagonal(found.mean_cosines[0]), 1, atol=1e-5)
    assert bool(found.tokens) == (space == "z")

    method: Any = component_method(asked, 1, 1)
    vector = vector_info(workbench, VectorRequest(asked.model, Component(1), method.where, MEANS, PASSES), "me").vector
    part = vector.values[0 if space == "k" else 1] if space in ("k", "v") else vector.values
    spread = float(np.sqrt(np.square(found.scores[:, 1:, 0]).sum() / (16 * PASSES - 1)))
    assert np.linalg.norm(part) == pytest.approx(spread, rel=1e-3), "one standard deviation along the component"


def test_without_index_means_nothing_lies_between_indices(workbench: Workbench, request_: GeometryRequest) -> None:
    whole = geometry(workbench, request_, "me")
    within = geometry(workbench, replace(request_, centre="index"), "me")
    assert np.abs(within.by_index.value).max() < 1e-5 < whole.by_index.value[0]
    np.testing.assert_allclose(within.scores.mean(0), 0, atol=1e-4)
    assert component_method(replace(request_, centre="index"), 1, 1) is None
    assert component_method(replace(request_, space="k", layer=1), 1, 1) is None


def test_what_is_stored_is_what_was_computed_bit_for_bit(workbench: Workbench, request_: GeometryRequest) -> None:
    asked = replace(request_, means=MeansRequest(n=12))
    computed = geometry(workbench, asked, "me")
    shutil.rmtree(workbench.settings.cache_dir / "means")
    stored = geometry(workbench, asked, "me")
    assert not (workbench.settings.cache_dir / "means").exists(), "nothing was rolled out"
    own, again = ({name: each for name, each in asdict(found).items() if name != "questions"} for found in (computed, stored))
    assert stored.questions == computed.questions
    np.testing.assert_equal(again, own)


def test_a_layer_is_a_part_of_the_cache(workbench: Workbench, request_: GeometryRequest) -> None:
    every, one = (geometry(workbench, replace(request_, space="v", layer=layer), "me") for layer in (None, 1))
    assert every.dimensions == 3 * one.dimensions


def test_right_and_wrong_are_of_the_same_questions(workbench: Workbench, request_: GeometryRequest) -> None:
    assert answered_right(workbench, request_, "me").shape == (16,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"space": "logits"}, "choose among z, h, k, v, resid"),
        ({"passes": 0}, "at least one pass"),
        ({"space": "resid"}, "needs a layer"),
        ({"space": "z", "layer": 1}, "has no layers"),
        ({"space": "k", "layer": 9}, "Layer 9 does not exist"),
        ({"means": MeansRequest(n=1)}, "take more questions"),
        ({"means": MeansRequest("nonsense")}, "neither an eval set"),
    ],
)
def test_what_cannot_be_asked_for_says_why(workbench: Workbench, request_: GeometryRequest, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CodiError, match=message):
        geometry(workbench, replace(request_, **change), "me")


def test_a_contrast_with_itself_is_nothing_and_with_another_model_the_difference_of_the_shares(
    workbench: Workbench, request_: GeometryRequest, tmp_path: Path
) -> None:
    own = geometry(workbench, request_, "me")
    same = explained_contrast(own, own)
    assert not same.difference.value.any() and not same.difference.high.any() and (same.adjusted == 1).all()
    other = replace(request_, model=str(write(tmp_path / "other", tensors_of(lora=False, seed=3))))
    control = geometry(workbench, other, "me")
    found = explained_contrast(own, control)
    expected = own.explained.value - control.explained.value
    np.testing.assert_allclose(found.difference.value, expected, atol=1e-5)
    assert (found.difference.low <= expected + 1e-5).all() and (expected - 1e-5 <= found.difference.high).all()
