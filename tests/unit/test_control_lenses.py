"""The doubles that a J-lens is measured against: as strong as it is, and knowing nothing; and how the document is put together."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks import instruments
from benchmarks.control_lenses import other_indices, random_alike
from benchmarks.token_swaps import best_place, successes
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


def test_the_document_keeps_the_sections_of_models_that_are_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "instruments.md"
    monkeypatch.setattr(instruments, "DOCUMENT", document)
    monkeypatch.setattr(instruments, "section", lambda _, model: iter([f"\n### {model}\n", "new"]))
    own = {"a": "\n### a\n\n1\n\n### a beside its pause twin, a-pause\n\n2\n", "b": "\n### b\n\n3\n"}
    document.write_text(instruments.INTRO + "".join(own.values()), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["instruments", "b", "c"])
    instruments.main()
    assert document.read_text(encoding="utf-8") == instruments.INTRO + own["a"] + "\n### b\n\nnew\n\n### c\n\nnew\n"


def test_the_best_swap_is_counted_over_questions_and_random_ones() -> None:
    rows = {("logit", "latent 1"): [["unchanged", "swapped"]] * 2, ("local", "latent 2"): [["swapped", "no number"], ["unchanged"] * 2]}
    assert best_place(([], rows)) == ("local", "latent 2") and successes(([], rows), ("local", "latent 2")) == (0.5, 0.0)
    assert best_place(([], {})) is None
