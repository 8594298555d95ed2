"""The doubles that a J-lens is measured against: as strong as it is, and knowing nothing."""

from __future__ import annotations

import torch

from benchmarks.control_lenses import other_indices, random_alike
from codi_core.lenses.jacobian import JacobianLens

LENS = JacobianLens("jlens:local", torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)))


def test_a_random_double_has_the_singular_values_and_other_directions() -> None:
    double = random_alike(LENS)
    own, theirs = (torch.linalg.svdvals(lens.jacobians) for lens in (LENS, double))
    torch.testing.assert_close(own, theirs)
    alike = torch.nn.functional.cosine_similarity(LENS.jacobians.flatten(2), double.jacobians.flatten(2), dim=-1)
    assert alike.abs().max() < 0.6 and double.jacobians.shape == LENS.jacobians.shape
    assert torch.equal(double.jacobians, random_alike(LENS).jacobians)
    assert not torch.equal(double.jacobians, random_alike(LENS, 1).jacobians)


def test_every_latent_is_read_with_the_j_of_another_index_and_bot_with_its_own() -> None:
    found = other_indices(LENS)
    assert found is not None
    assert [next(at for at in range(4) if torch.equal(one, LENS.jacobians[at])) for one in found.jacobians] == [0, 2, 3, 1]
    assert other_indices(JacobianLens("jlens:next-all", LENS.jacobians[:1])) is None, "pooled"
