"""Difference vectors read through lenses: identities of the grid, against the plainest computation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import DataError, LensError
from codi_core.lenses.differences import LinearPart, cosine_matrix, difference_grid, pairs
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.tuned import TunedLens, new_translators
from codi_core.models.model import CodiModel
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.differences import DifferenceRequest, read_differences
from codi_core.services.shared.workbench import Workbench
from codi_core.steering.means import collect_samples
from codi_core.values.vectors import MeanLatents, MeansSpec
from tests.checkpoints import load


@pytest.fixture(scope="module")
def model(folder: str) -> CodiModel:
    return load(Path(folder), lora_alpha=None)


@pytest.fixture(scope="module")
def means(model: CodiModel) -> MeanLatents:
    spec = MeansSpec(model.spec.key, load_eval_set("means", 12, 0)[0])
    return collect_samples(Engine(model), spec, load_eval_set("means", 12, 0)[1]).means()


@pytest.fixture(scope="module")
def tuned(model: CodiModel) -> TunedLens:
    lens = TunedLens("tuned:random", new_translators(model))
    torch.manual_seed(1)
    for parameter in lens.inner.layer_translators.parameters():
        parameter.data.normal_(0, 0.3)
    return lens


def test_each_cell_reads_its_own_difference(model: CodiModel, means: MeanLatents, tuned: TunedLens) -> None:
    grid = difference_grid(model, tuned, means)
    for a, b, depth in ((2, 5, 1), (5, 2, 0), (0, 6, model.n_layers)):
        vector = torch.from_numpy(means.resid[b, depth] - means.resid[a, depth])
        if depth < model.n_layers:
            vector = vector + tuned.inner[depth].weight @ vector
        probs = model.unembed(vector).softmax(-1)
        np.testing.assert_allclose(grid.top_probs[a, b, depth], probs.topk(10).values.detach(), rtol=1e-3)
        assert grid.norms[a, b, depth] == pytest.approx(np.linalg.norm(means.resid[b, depth] - means.resid[a, depth]), rel=1e-5)


def test_the_sign_turns_and_the_bias_is_an_option(model: CodiModel, means: MeanLatents, tuned: TunedLens) -> None:
    grid, turned = difference_grid(model, tuned, means), difference_grid(model, tuned, means, "A-B")
    np.testing.assert_array_equal(grid.top_ids[1, 4], turned.top_ids[4, 1])
    np.testing.assert_allclose(grid.norms, grid.norms.transpose(1, 0, 2))
    as_in_the_post = difference_grid(model, tuned, means, with_bias=True)
    assert (as_in_the_post.top_ids[1, 4, :-1] != grid.top_ids[1, 4, :-1]).any()
    np.testing.assert_array_equal(as_in_the_post.top_ids[1, 4, -1], grid.top_ids[1, 4, -1])


def test_for_the_logit_lens_the_linear_part_is_the_lens(model: CodiModel, means: MeanLatents) -> None:
    resid = torch.from_numpy(means.resid)
    index = torch.arange(len(resid))
    torch.testing.assert_close(LinearPart(LogitLens()).logits(model, resid, index), LogitLens().logits(model, resid, index))


def test_split_halves_agree_with_themselves(model: CodiModel, means: MeanLatents) -> None:
    same = difference_grid(model, LogitLens(), replace(means, halves=(means, means)))
    off_diagonal = ~np.eye(7, dtype=bool)
    np.testing.assert_allclose(same.split_half[off_diagonal][:, 1:], 1, rtol=1e-5)
    assert np.isnan(same.split_half[np.eye(7, dtype=bool)]).all()
    halves = difference_grid(model, LogitLens(), means).split_half[off_diagonal]
    assert (np.abs(halves[~np.isnan(halves)]) <= 1.0001).all()


@pytest.mark.parametrize("space", ["h", "z", "kv"])
def test_cosines_between_pairs(means: MeanLatents, space: str) -> None:
    matrix = cosine_matrix(means, space)  # type: ignore[arg-type]
    order = pairs(7)
    assert matrix.shape == (21, 21) and np.allclose(np.diag(matrix), 1) and np.allclose(matrix, matrix.T)
    latents = means.part(space).reshape(7, -1)  # type: ignore[arg-type]
    first, second = latents[3] - latents[1], latents[6] - latents[2]
    expected = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert matrix[order.index((1, 3)), order.index((2, 6))] == pytest.approx(expected, abs=1e-4)


def test_the_service_stores_its_means(workbench: Workbench, folder: str, model: CodiModel) -> None:
    request = DifferenceRequest(folder, n=8)
    counted: list[int] = []
    report = read_differences(workbench, request, "test", progress=lambda done, total: counted.append(done))
    assert counted == [8] and report.grid.n == 8
    again = read_differences(workbench, request, "test", progress=lambda done, total: counted.append(done))
    assert counted == [8]
    np.testing.assert_array_equal(again.grid.top_ids, report.grid.top_ids)
    assert report.cosines["resid"].shape == (model.n_layers + 1, 21, 21) and len(report.pairs) == 21
    with pytest.raises(LensError):
        read_differences(workbench, replace(request, lens="tuned:none"), "test")
    with pytest.raises(DataError):
        read_differences(workbench, replace(request, eval_set="nowhere"), "test")
