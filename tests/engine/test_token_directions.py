"""Steering by token directions: what is added, taken out and exchanged, that a clamp holds, and what has no direction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from codi_core.engine.engine import Engine
from codi_core.errors import InterventionError, LensError
from codi_core.evaluation.prepared import Plan, PreparedSet
from codi_core.lenses.fitting import JacobianSpec
from codi_core.lenses.jacobian import parse_variant, read_jacobian
from codi_core.services.lenses import JacobianFit, train_jlens
from codi_core.services.shared.directions import condition_of, token_directions
from codi_core.services.shared.requests import MeansRequest, SteerRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.steer import steer
from codi_core.steering.context import Directions
from codi_core.steering.edits import Edit
from codi_core.steering.methods import Method
from codi_core.steering.token import TokenEdit
from tests.engine.steering import CONFIG, EVALUATED, PASSES, QUESTIONS, condition, directions_of, made_up

STEER, ABLATE, SWAP = (TokenEdit("8", (2,), 2, do, "3") for do in ("steer", "ablate", "swap"))


@pytest.fixture(scope="module")
def bench(engines: dict[str, Engine]) -> tuple[PreparedSet, Directions]:
    return PreparedSet(engines["llama"], QUESTIONS, CONFIG), directions_of(engines["llama"])


def residuals(bench: tuple[PreparedSet, Directions], *methods: Method) -> Tensor:
    """``[row index depth d_model]`` of the first batch."""
    prepared, directions = bench
    with prepared.engine.exclusively():
        edits = prepared.edits_of(0, [condition(prepared.engine, *methods)], directions, lambda: None)
        _, latents = prepared.think_on(0, edits, Plan(0, 0, PASSES, 1), record=True)
    assert latents is not None and latents.resid is not None
    return latents.resid.clone()


def edits_of(bench: tuple[PreparedSet, Directions], method: Method) -> tuple[Edit, ...]:
    with bench[0].engine.exclusively():
        return bench[0].edits_of(0, [condition(bench[0].engine, method)], bench[1], lambda: None)[0]


def basis(engine: Engine, depth: int = 2) -> Tensor:
    return torch.from_numpy(made_up(engine, "answer", 2, depth, ["8", "3"]))


def test_steering_adds_the_direction_as_long_as_what_stands_there(bench: tuple[PreparedSet, Directions]) -> None:
    added = (residuals(bench, STEER) - residuals(bench))[:, 2, 2]
    unit = basis(bench[0].engine)[0] / basis(bench[0].engine)[0].norm()
    length = np.linalg.norm(bench[1].samples.resid[:, 2, 2], axis=1).mean()
    torch.testing.assert_close(added, (float(length) * unit).expand_as(added), atol=1e-3, rtol=1e-3)


def test_ablating_leaves_nothing_along_the_direction_and_the_rest_alone(bench: tuple[PreparedSet, Directions]) -> None:
    before, after = residuals(bench)[:, 2, 2], residuals(bench, ABLATE)[:, 2, 2]
    unit = basis(bench[0].engine)[0] / basis(bench[0].engine)[0].norm()
    assert (after @ unit).abs().max() < 1e-4 * before.norm(dim=1).max()
    torch.testing.assert_close(after, before - (before @ unit)[:, None] * unit, atol=1e-4, rtol=1e-4)


def test_a_swap_exchanges_coordinates_at_every_depth_and_twice_is_once(bench: tuple[PreparedSet, Directions]) -> None:
    """At two depths: a live exchange at the second would undo the first."""
    before = residuals(bench)
    after = residuals(bench, TokenEdit("8", (2,), 1, "swap", "3"), SWAP)
    for depth in (1, 2):
        inverse = torch.linalg.pinv(basis(bench[0].engine, depth))
        torch.testing.assert_close(after[:, 2, depth] @ inverse, (before[:, 2, depth] @ inverse).flip(-1), atol=1e-3, rtol=1e-3)
    (edit,) = edits_of(bench, SWAP)
    once = edit.apply(before[:, 2, 2])
    torch.testing.assert_close(edit.apply(once), once, atol=1e-4, rtol=1e-4)


def test_random_directions_have_the_lengths_and_the_angle_of_the_true_ones(bench: tuple[PreparedSet, Directions]) -> None:
    true = basis(bench[0].engine)
    for seed in (0, 1):
        turned = SWAP.control(seed)._turned(true, 2)
        torch.testing.assert_close(turned @ turned.T, true @ true.T, atol=1e-3, rtol=1e-3)
        assert (torch.nn.functional.cosine_similarity(turned, true) < 0.9).all()


def test_what_has_no_direction_is_refused(bench: tuple[PreparedSet, Directions], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InterventionError, match="have one direction"):
        edits_of(bench, TokenEdit("8", (2,), 2, "swap", "8"))
    monkeypatch.setattr(bench[1], "_tokens", {})
    monkeypatch.setattr(bench[1], "_token_directions", lambda reads, index, depth, tokens: np.zeros((len(tokens), 32), np.float32))
    with pytest.raises(InterventionError, match="nothing leads to answer"):
        edits_of(bench, STEER)
    monkeypatch.setattr(bench[1], "_token_directions", None)
    with pytest.raises(InterventionError, match="made from lenses"):
        edits_of(bench, STEER)


def test_services_take_directions_from_the_lens_that_is_there(workbench: Workbench, folder: str) -> None:
    means = MeansRequest(n=12)
    request = SteerRequest(folder, QUESTIONS[0].question, (TokenEdit("8", (2,), 2),), means=means)
    with pytest.raises(LensError, match="train-jlens"):
        steer(workbench, request, "test")
    spec = JacobianSpec(n_questions=2, n_held_out=2)
    made = train_jlens(workbench, folder, JacobianFit(spec, (parse_variant("answer-all"),)), "test", lambda *_: None)
    assert not isinstance(made, Path)
    steer(workbench, request, "test")

    def check(engine: Engine, _: object) -> None:
        condition = condition_of(workbench, engine, EVALUATED, CONFIG, request.interventions, means)
        assert condition.lenses == (made[0].card.key,) and not condition.baseline.lenses
        jacobian = read_jacobian(made[0].folder, engine.model).jacobians[0, 2].float()
        (token,) = engine.model.tokenizer("8", add_special_tokens=False)["input_ids"]
        expected = engine.model.output_rows(torch.tensor([token])) @ jacobian
        found = token_directions(workbench, engine, "answer", 2, 2, [f"id:{token}"])
        torch.testing.assert_close(torch.from_numpy(found), expected)
        with pytest.raises(InterventionError, match="no single token"):
            token_directions(workbench, engine, "logit", 2, 2, ["perpendicular"])

    workbench.run(folder, check, "test")
