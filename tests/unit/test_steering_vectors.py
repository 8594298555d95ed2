"""Means, directions and their controls on made-up latents: identities, not numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from codi_core.errors import InterventionError
from codi_core.problems.clusters import check_disjoint
from codi_core.steering.means import LatentSamples, chosen_questions
from codi_core.steering.rotary import Rotation
from codi_core.steering.vectors import Component, Content, Difference, Random, Shuffled, Source, VectorSpace, norm_matrix, site_norms
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.vectors import MeansSpec

N, INDICES, LAYERS, HEADS, D_HEAD, D_MODEL = 40, 7, 3, 2, 4, 10
PLACES = [VectorSpace("z"), VectorSpace("h"), VectorSpace("resid", 2), VectorSpace("kv"), VectorSpace("kv", raw=True)]


def question(number: int, triple: tuple[int, ...] | None = None, template: str = "") -> Question:
    return Question(
        f"q{number}", f"What is {number}?", 1.0, template or f"group/t{number}/add/0", triple or (number, 1), (float(number % 4), 1.0)
    )


@pytest.fixture(scope="module")
def samples() -> LatentSamples:
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        drift = rng.standard_normal((1, INDICES, *shape))
        return (drift + 0.3 * rng.standard_normal((N, INDICES, *shape))).astype(np.float32)

    kv = (LAYERS, HEADS, D_HEAD)
    return LatentSamples(
        spec=MeansSpec("model", EvalSetSpec("means", N, 0, "digest")),
        questions=tuple(question(number) for number in range(N)),
        positions=rng.integers(5, 30, N),
        h=draw(D_MODEL),
        z=draw(D_MODEL),
        resid=draw(LAYERS + 1, D_MODEL),
        keys=draw(*kv),
        raw_keys=draw(*kv),
        values=draw(*kv),
    )


def vector(samples: LatentSamples, source: Source, where: VectorSpace) -> np.ndarray:
    return source.vector(samples, samples.means(), where).values


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_means_of_halves_average_to_the_mean(samples: LatentSamples, where: VectorSpace) -> None:
    means = samples.means()
    first, second = means.halves
    assert first.n + second.n == means.n == N
    whole = (first.n * first.part(where.space, where.layer, where.raw) + second.n * second.part(where.space, where.layer, where.raw)) / N
    np.testing.assert_allclose(means.part(where.space, where.layer, where.raw), whole, atol=1e-6)


def test_no_triple_is_in_both_halves(samples: LatentSamples) -> None:
    pairs = replace(samples, questions=tuple(question(number, (number // 2, 1)) for number in range(N)))
    both = replace(pairs, z=np.repeat(np.arange(N)[:, None, None] // 2, INDICES, 1).astype(np.float32))
    first, second = both.means().halves
    triples = np.arange(N) // 2
    assert float(first.z[0, 0]) == triples[triples % 2 == 0].mean() and float(second.z[0, 0]) == triples[triples % 2 == 1].mean()


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_differences_turn_with_their_sign_and_add_up(samples: LatentSamples, where: VectorSpace) -> None:
    means = samples.means()
    ab, ba = (Difference(1, 4, sign).vector(samples, means, where) for sign in ("A-B", "B-A"))
    np.testing.assert_array_equal(ab.values, -ba.values)
    swapped = Difference(4, 1).vector(samples, means, where)
    np.testing.assert_array_equal(ab.values, swapped.values)
    path = Difference(1, 2).vector(samples, means, where) + Difference(2, 4).vector(samples, means, where)
    np.testing.assert_allclose(path.values, ba.values, atol=1e-6)
    assert (ba - ba).norms == tuple(0.0 for _ in ba.norms)
    assert (2 * ba).norms == pytest.approx([2 * norm for norm in ba.norms])
    assert ba.cosine(ab) == pytest.approx(-1)
    assert ba.split_half is not None and ba.split_half > 0.8
    np.testing.assert_allclose(norm_matrix(means, where)[..., 1, 4], ba.norms if where.space == "kv" else ba.norms[0], rtol=1e-5)
    assert all(norm > 0 for norm in site_norms(samples, where, 3))


def test_vectors_of_other_models_and_sites_do_not_mix(samples: LatentSamples) -> None:
    z, h = (Difference(1, 4).vector(samples, samples.means(), where) for where in (VectorSpace("z"), VectorSpace("h")))
    with pytest.raises(InterventionError, match="different sites"):
        _ = z + h
    with pytest.raises(InterventionError, match="model"):
        _ = z - replace(z, model_key="another")


CONTROLS = [
    Random(Difference(1, 4)),
    Random(Difference(1, 4), 0, "covariance"),
    Shuffled(1, 4),
    Random(Component(2)),
    Random(Content(2, 3.0)),
]


@pytest.mark.parametrize("where", PLACES, ids=str)
@pytest.mark.parametrize("control", CONTROLS, ids=str)
def test_controls_are_as_long_as_what_they_stand_for(samples: LatentSamples, control: Random | Shuffled, where: VectorSpace) -> None:
    target = control.like if isinstance(control, Random) else Difference(control.a, control.b)
    wanted = target.vector(samples, samples.means(), where)
    found = control.vector(samples, samples.means(), where)
    assert found.norms == pytest.approx(wanted.norms, rel=1e-5)
    again = control.vector(samples, samples.means(), where)
    np.testing.assert_array_equal(found.values, again.values)
    other = replace(control, seed=control.seed + 1).vector(samples, samples.means(), where)
    assert abs(found.cosine(other)) < 0.99


def test_norm_matched_directions_match_in_every_head_of_every_layer(samples: LatentSamples) -> None:
    where = VectorSpace("kv")
    wanted, found = vector(samples, Difference(1, 4), where), vector(samples, Random(Difference(1, 4), 9), where)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), np.linalg.norm(wanted, axis=-1), rtol=1e-5)


def test_covariance_matched_directions_stay_where_latents_vary(samples: LatentSamples) -> None:
    flat = replace(samples, z=samples.z * (np.arange(D_MODEL) < 3))
    found = vector(flat, Random(Difference(1, 4), 0, "covariance"), VectorSpace("z"))
    assert not found[3:].any() and found[:3].all()


def test_shuffling_steps_loses_their_order(samples: LatentSamples) -> None:
    true = Difference(1, 4).vector(samples, samples.means(), VectorSpace("z"))
    cosines = [abs(true.cosine(Shuffled(1, 4, seed).vector(samples, samples.means(), VectorSpace("z")))) for seed in range(20)]
    assert np.mean(cosines) < 0.7


@pytest.mark.parametrize("where", PLACES, ids=str)
def test_components_are_orthogonal_and_one_deviation_long(samples: LatentSamples, where: VectorSpace) -> None:
    first, second = (Component(rank).vector(samples, samples.means(), where) for rank in (1, 2))
    parts = (
        [(a.ravel(), b.ravel()) for a, b in zip(first.values, second.values, strict=True)]
        if where.space == "kv"
        else [(first.values, second.values)]
    )
    data = where.samples(samples)[:, 1:]
    for number, (a, b) in enumerate(parts):
        assert abs(a @ b) < 1e-3 * np.linalg.norm(a) * np.linalg.norm(b)
        rows = (data[:, :, number] if where.space == "kv" else data).reshape(N * (INDICES - 1), -1)
        along = (rows - rows.mean(0)) @ a / np.linalg.norm(a)
        assert along.std(ddof=1) == pytest.approx(np.linalg.norm(a), rel=1e-3)
    assert first.norms > second.norms
    with pytest.raises(InterventionError, match="does not exist"):
        Component(10_000).vector(samples, samples.means(), where)


def test_content_is_the_mean_over_the_prompts_with_that_value(samples: LatentSamples) -> None:
    found = Content(3, 2.0).vector(samples, samples.means(), VectorSpace("z"))
    rows = [number for number in range(N) if number % 4 == 2]
    np.testing.assert_allclose(found.values, samples.z[rows, 3].mean(0) - samples.z[:, 3].mean(0), atol=1e-5)
    assert found.n == len(rows)
    np.testing.assert_allclose(vector(samples, Content(3, 1.0, -1), VectorSpace("z")), 0, atol=1e-6)  # every answer is 1
    with pytest.raises(InterventionError, match="frequent values are"):
        Content(3, 77.0).vector(samples, samples.means(), VectorSpace("z"))


@pytest.mark.parametrize("source", [Difference(1, 7), Difference(-1, 2), Content(9, 1.0), Difference(2, 2)])
def test_indices_that_do_not_exist_are_named(samples: LatentSamples, source: Source) -> None:
    with pytest.raises(InterventionError, match=r"does not exist|is zero"):
        source.vector(samples, samples.means(), VectorSpace("z"))


def test_rotation_is_undone_exactly_and_keeps_lengths() -> None:
    angles = torch.randn(5, D_HEAD // 2).repeat(1, 2)
    keys = torch.randn(5, D_HEAD)
    turned = Rotation(angles.cos(), angles.sin())
    torch.testing.assert_close(turned.undo(turned.apply(keys)), keys)
    torch.testing.assert_close(turned.apply(keys).norm(dim=-1), keys.norm(dim=-1))
    rounded = Rotation(angles.cos().bfloat16().float(), angles.sin().bfloat16().float())
    torch.testing.assert_close(rounded.undo(rounded.apply(keys)), keys)


def test_overlaps_are_named_by_kind() -> None:
    means = [question(1), question(2)]
    check_disjoint(means, [question(3), question(4)])
    with pytest.raises(InterventionError, match="1 question "):
        check_disjoint(means, [question(2)])
    with pytest.raises(InterventionError, match=r"1 triple \(group:\(2, 1\)\)"):
        check_disjoint(means, [replace(question(5, (2, 1)), template="group/other")])
    with pytest.raises(InterventionError, match="1 template"):
        check_disjoint(means, [question(5, (9, 9), "group/t1/add/0")])
    check_disjoint(means, [question(5, (2, 1), "rate/other/add/0")])  # a triple of another family is another problem
    check_disjoint([Question("1", "a?", 1, "", (), ())], [Question("1", "b?", 1, "", (), ())])  # rows of files stand for themselves


def test_only_addition_keeps_addition(samples: LatentSamples) -> None:
    mixed = [question(1), question(2, template="group/t/sub/0")]
    assert chosen_questions(replace(samples.spec, only="addition"), mixed) == (mixed[0],)
    with pytest.raises(InterventionError, match="addition-first"):
        chosen_questions(replace(samples.spec, only="addition"), mixed[1:])
