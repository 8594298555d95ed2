"""A cell as a sum of token directions: what was planted is found, no memory is named before any is taken, and the command line."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

from codi_core.cli import main
from codi_core.engine.engine import Engine
from codi_core.errors import InputError, LensError, MemoryLimitError
from codi_core.lenses import sparse as sparse_module
from codi_core.lenses.base import Lens
from codi_core.lenses.jacobian import JacobianLens
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.sparse import decompose, dictionary, random_shares
from codi_core.models.model import CodiModel
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sparse import SparseRequest, sparse, sparse_command

PROMPT = "Tom has 3 apples and buys 4 more."
ATOMS = torch.nn.functional.normalize(torch.randn(200, 64, generator=torch.Generator().manual_seed(0)), dim=1)


class Shifted(Lens):
    """A lens that says nothing of directions."""

    name = "shifted"

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        return resid + 1

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        return vector


def test_planted_directions_are_found_with_their_weights() -> None:
    found = decompose(ATOMS, 3 * ATOMS[5] + 2 * ATOMS[17], 2)
    length = float((3 * ATOMS[5] + 2 * ATOMS[17]).norm())
    assert found.chosen == (5, 17) and found.share == pytest.approx(1, abs=1e-6) == found.projection
    assert found.weights * length == pytest.approx([3, 2], abs=1e-4)
    assert max(random_shares(ATOMS, 2, range(8))) < 0.6 and random_shares(ATOMS, 2, range(3)) == random_shares(ATOMS, 2, range(3))


def test_only_positive_weights_and_more_directions_never_explain_less() -> None:
    basis = torch.eye(8)
    found = decompose(basis, 2 * basis[1] - basis[3], 5)
    assert found.chosen == (1,) and found.share == pytest.approx(0.8) == found.projection, "nothing else correlates"
    vector = torch.randn(64, generator=torch.Generator().manual_seed(1))
    each = [decompose(ATOMS, vector, k) for k in (1, 4, 16)]
    assert each[0].share < each[1].share < each[2].share <= each[2].projection <= 1
    assert all((one.weights >= 0).all() for one in each)
    scaled = decompose(ATOMS, 7 * vector, 4)
    assert scaled.chosen == each[1].chosen and scaled.weights == pytest.approx(each[1].weights, abs=1e-5), "weights are shares of a length"
    assert decompose(ATOMS, torch.zeros(64), 4).chosen == () and decompose(ATOMS, torch.zeros(64), 4).share == 0


def test_directions_are_those_of_the_lens_whatever_its_scale(engines: dict[str, Engine]) -> None:
    model = engines["llama"].model
    jacobians = torch.randn(2, model.n_layers + 1, model.d_model, model.d_model, generator=torch.Generator().manual_seed(2))
    plain = dictionary(model, LogitLens(), 1, 2)
    own, scaled = (dictionary(model, JacobianLens("jlens:local", c * jacobians), 1, 2) for c in (1, 5))
    assert plain.shape == (model.vocab_size, model.d_model) and torch.allclose(plain.norm(dim=1), torch.ones(len(plain)), atol=1e-5)
    torch.testing.assert_close(own, scaled)
    rows = model.output_rows(torch.arange(model.vocab_size))
    torch.testing.assert_close(own, torch.nn.functional.normalize(rows @ jacobians[1, 2], dim=1))
    with pytest.raises(LensError, match="no token directions"):
        dictionary(model, Shifted(), 1, 2)


def test_no_memory_for_the_dictionary_is_named_before_it_is_made(engines: dict[str, Engine], monkeypatch: pytest.MonkeyPatch) -> None:
    model = engines["llama"].model
    monkeypatch.setattr(sparse_module, "available_memory", lambda device: 1_000)
    monkeypatch.setattr(CodiModel, "output_rows", lambda *args: pytest.fail("nothing is made"))
    needed = 3 * model.vocab_size * model.d_model * 4
    with pytest.raises(MemoryLimitError, match=rf"needs {needed:,} bytes.*1,000 free.*smaller model"):
        dictionary(model, LogitLens(), 1, 2)


def test_a_cell_of_a_prompt_beside_random_vectors(workbench: Workbench, folder: str) -> None:
    found = sparse(workbench, SparseRequest(folder, PROMPT, 1, 2, k=4, passes=2), "test")
    assert 0 < len(found.tokens) <= 4 and 0 < found.share <= found.projection <= 1 and len(found.random) == 8
    weights = [top.weight for top in found.tokens]
    assert weights == sorted(weights, reverse=True) and min(weights) > 0
    for request, says in (
        (SparseRequest(folder, PROMPT, 9, 2, passes=2), "no cell 9.2"),
        (SparseRequest(folder, PROMPT, 1, 2, k=99), "1 to 25"),
    ):
        with pytest.raises(InputError, match=says):
            sparse(workbench, request, "test")


def test_the_command_line(folder: str, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    words = sparse_command(SparseRequest(folder, PROMPT, 1, 2, k=3, passes=2)).split(" ")[3:4]
    words += ["--prompt", PROMPT, "--k", "3", "--model", folder, "--device", "cpu", "--cache-dir", str(tmp_path), "--passes", "2"]
    assert main([*words, "--cell", "1.2", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["random"]) == 8
    assert main([*words, "--cell", "1.2"]) == 0 and "Of random vectors" in capsys.readouterr().out
    assert main([*words, "--cell", "here"]) == 2 and "write index.depth" in capsys.readouterr().err
