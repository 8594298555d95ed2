"""J-lenses: reading, fitting in one go, in two and in parts, files as others read them, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from codi_core import cli
from codi_core.engine.engine import Engine
from codi_core.errors import Cancelled, LensError
from codi_core.lenses.cards import hashes_of, read_card
from codi_core.lenses.fitted import jacobian_lenses
from codi_core.lenses.fitting import JacobianSpec, Sums, fit, load_sums, merged
from codi_core.lenses.jacobian import JacobianLens, Variant, parse_variant, save_jacobian
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.registry import load_lens
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import JacobianFit, drawn_questions, lens_menu, train_jlens
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.values.lens import JacobianCard
from codi_core.values.model import RolloutConfig
from tests.checkpoints import flip_a_bit

SPEC = JacobianSpec(n_questions=4, n_held_out=3, passes=3)
VARIANTS = tuple(map(parse_variant, ("local", "next-kv", "answer", "answer-z-odd", "text")))
QUESTIONS = [item.question for item in drawn_questions(SPEC.train_set, SPEC.n_questions, SPEC.seed)]


def quiet(*_: object) -> None:
    """Progress of no interest."""


@pytest.fixture(scope="module")
def sums(engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory) -> Sums:
    return fit(engines["llama"], SPEC, VARIANTS, QUESTIONS, tmp_path_factory.mktemp("sums") / "state.pt", quiet, quiet)


@pytest.fixture(scope="module")
def saved(engines: dict[str, Engine], sums: Sums, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the lens ``jlens:local``."""
    path = tmp_path_factory.mktemp("saved") / "local"
    ((lens, card),) = jacobian_lenses(engines["llama"], SPEC, [Variant("local")], sums, QUESTIONS, QUESTIONS[:2], quiet, quiet)
    save_jacobian(path, lens, card)
    return path


def test_fitted_lenses_are_listed_carded_and_read(workbench: Workbench, folder: str) -> None:
    made = train_jlens(workbench, folder, JacobianFit(SPEC, VARIANTS), "test", quiet)
    assert isinstance(made, list)
    names = [f"jlens:{variant.name}" for variant in VARIANTS]
    assert [option.name for option in lens_menu(workbench, folder, "test")] == ["logit", *names]
    assert [trained.folder for trained in made] == [workbench.settings.cache_dir / "jlens" / "tiny" / variant.name for variant in VARIANTS]
    seen = inspect(workbench, InspectRequest(folder, QUESTIONS[0], lenses=tuple(names), passes=4), "test")
    for trained in made:
        assert seen.lens_cards[trained.card.name].trained_on(QUESTIONS[0])
        card = read_card(trained.folder)
        for field in fields(JacobianCard):
            before, after = getattr(trained.card, field.name), getattr(card, field.name)
            assert np.allclose(before, after, atol=1e-6) if isinstance(before, np.ndarray) else before == after
    assert not list((workbench.settings.cache_dir / "jlens").glob(".sums*")), "sums of a finished fit are not kept"
    cards = {trained.card.name: trained.card for trained in made}
    assert cards["jlens:text"].indices == () and cards["jlens:answer-z-odd"].indices == (1,)
    assert cards["jlens:next-kv"].indices == tuple(range(3)) and isinstance(cards["jlens:local"], JacobianCard)
    assert "Jacobians of 4 rollouts" in cards["jlens:local"].recipe


def test_others_read_our_files(saved: Path, sums: Sums) -> None:
    """As anthropics/jacobian-lens and TransformerLens do: their keys, plain tensors, layer m = our depth m + 1."""
    expected = sums.mean(Variant("local"), SPEC.passes)
    for index in range(SPEC.passes + 1):
        data = torch.load(saved / f"jacobian_lens-{index}.pt", weights_only=True)
        assert data["source_layers"] == [0, 1] and data["n_prompts"] == 4 and data["d_model"] == 32
        for layer in data["source_layers"]:
            assert data["J"][layer].dtype == torch.float16
            torch.testing.assert_close(data["J"][layer].float(), expected[index, layer + 1], atol=2e-2, rtol=2e-3)


def test_reading_moves_each_row_by_the_j_of_its_index_and_no_scale_matters(engines: dict[str, Engine], sums: Sums) -> None:
    model = engines["llama"].model
    resid = torch.from_numpy(engines["llama"].rollout([QUESTIONS[0]], RolloutConfig())[0].resid)
    jacobians, index = sums.mean(Variant("answer"), SPEC.passes), torch.tensor([3, 0, 2, 3])
    rows = resid[index]
    read = JacobianLens("jlens:answer", jacobians).logits(model, rows, index)
    for row, place in enumerate(index.tolist()):
        torch.testing.assert_close(read[row, 1], model.unembed(jacobians[place, 1] @ rows[row, 1]), atol=1e-3, rtol=1e-3)
    larger = JacobianLens("jlens:answer", 50 * jacobians).logits(model, rows, index)
    torch.testing.assert_close(larger, read, atol=2e-2, rtol=2e-2)
    identity = JacobianLens("jlens:x", torch.eye(model.d_model).expand(1, model.n_layers + 1, -1, -1))
    torch.testing.assert_close(identity.logits(model, rows, index), LogitLens().logits(model, rows, index))
    beyond = JacobianLens("jlens:next", jacobians[:3]).transform(rows[:, 1], 1, torch.tensor([2, 2, 2, 9]))
    torch.testing.assert_close(beyond, rows[:, 1] @ jacobians[2, 1].T, atol=1e-4, rtol=1e-4)


def test_paths_add_up_and_pools_are_means(sums: Sums) -> None:
    whole = sums.mean(Variant("answer"), SPEC.passes)
    kv, z = (sums.mean(Variant("answer", path), SPEC.passes) for path in ("kv", "z"))
    torch.testing.assert_close(kv[:3] + z, whole[:3])
    torch.testing.assert_close(sums.mean(Variant("answer", pool="even"), SPEC.passes)[0], whole[2])
    assert sums.mean(Variant("next"), SPEC.passes).shape[0] == 3
    halves = [sums.mean(Variant("local"), SPEC.passes, (half,)) for half in (0, 1)]
    torch.testing.assert_close((halves[0] + halves[1]) / 2, sums.mean(Variant("local"), SPEC.passes))


def test_a_killed_fit_resumes_and_parts_add_up(engines: dict[str, Engine], sums: Sums, tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if done == 1:
            raise Cancelled("killed")

    def part(number: int, progress: Callable[[str, int, int], None] = quiet) -> Sums:
        state = tmp_path / f"{number}.pt"
        return fit(engines["llama"], SPEC, VARIANTS, QUESTIONS, state, progress, quiet, (number, 2))

    first = part(1)
    with pytest.raises(Cancelled):
        part(2, kill)
    first.save(tmp_path / "saved.pt")
    stages: list[int] = []
    again = fit(engines["llama"], SPEC, VARIANTS, QUESTIONS, tmp_path / "1.pt", lambda *at: stages.append(at[1]), quiet, (1, 2))
    assert stages == [] and again.done == 2, "it was finished"
    whole = merged([part(2), load_sums(tmp_path / "saved.pt")])
    assert whole.counts == sums.counts == [2, 2] and whole.identity == sums.identity
    for variant in VARIANTS:
        torch.testing.assert_close(whole.mean(variant, SPEC.passes), sums.mean(variant, SPEC.passes), atol=1e-4, rtol=1e-4)
    for wrong, says in (
        ([first, first], "each counts once"),
        ([first, replace(part(2), identity="x")], "one fit"),
    ):
        with pytest.raises(LensError, match=says):
            merged(wrong)
    with pytest.raises(LensError, match="hold local, and not text"):
        replace(whole, names=("local",), totals={"local": whole.totals["local"]}).mean(Variant("text"), SPEC.passes)


def test_the_command_line_fits_in_parts_and_merges(workbench: Workbench, folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--train-set", "means", "--held-out-set", "select", "--n", "2", "--n-held-out", "2"]
    cache = ["--cache-dir", str(workbench.settings.cache_dir)]
    command = ["train-jlens", "--model", folder, *sets, *cache, "--variant", "answer-kv", "--device", "cpu", "--json"]
    files = []
    for number in (1, 2):
        assert cli.main([*command, "--part", f"{number}/2"]) == 0
        files.append(json.loads(capsys.readouterr().out)["sums"])
    assert cli.main([*command, "--merge", *files]) == 0
    (made,) = json.loads(capsys.readouterr().out)["lenses"]
    assert made["name"] == "jlens:answer-kv" and made["held_out_kl"]["jlens"] > 0
    assert cli.main([*command, "--merge", files[0], files[0]]) == 2
    assert "each counts once" in capsys.readouterr().err
    assert cli.main([*command, "--variant", "answer-up"]) == 2
    assert "'answer-up' is no Jacobian" in capsys.readouterr().err


def _edit_json(path: Path, change: Callable[[dict[str, dict[str, str]]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _edit(folder: Path, change: Callable[[dict[str, dict[int, torch.Tensor]]], object]) -> None:
    data = torch.load(folder / "jacobian_lens-2.pt", weights_only=True)
    change(data)
    torch.save(data, folder / "jacobian_lens-2.pt")


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (lambda folder: _edit_json(folder / "codi.json", lambda data: data["model"].update(checkpoint="0")), "another model.*checkpoint 0"),
        (lambda folder: _edit(folder, lambda data: data["J"].update({0: torch.zeros(2, 2)})), "depth 1: 2 × 2"),
        (lambda folder: _edit(folder, lambda data: data["J"].pop(1)), "cannot be read"),
        (lambda folder: _edit(folder, lambda data: data["J"].update({9: torch.zeros(32, 32)})), "depth 10"),
        (lambda folder: _edit(folder, lambda data: data["J"][0].fill_(float("inf"))), "infinite"),
        (lambda folder: torch.save({"J": Path("x")}, folder / "jacobian_lens-2.pt"), "cannot be read"),
        (lambda folder: (folder / "jacobian_lens-2.pt").write_bytes(b"x"), "cannot be read"),
        (lambda folder: (folder / "jacobian_lens-2.pt").unlink(), "cannot be read"),
        (lambda folder: (folder / "codi.json").unlink(), "names the checkpoint"),
    ],
)  # fmt: skip
def test_broken_and_foreign_lenses_are_refused(
    saved: Path, engines: dict[str, Engine], settings: Settings, breaks: Callable[[Path], object], says: str
) -> None:
    model = engines["llama"].model
    with pytest.raises(LensError, match="train-jlens --variant local"):
        load_lens(model, "jlens:local", settings)
    folder = settings.cache_dir / "jlens" / model.spec.name / "local"
    shutil.copytree(saved, folder)
    load_lens(model, "jlens:local", settings)
    flip_a_bit(folder / "jacobian_lens-2.pt")
    with pytest.raises(LensError, match=r"jacobian_lens-2.pt is not what its card was written for"):
        load_lens(model, "jlens:local", settings)
    flip_a_bit(folder / "jacobian_lens-2.pt")
    breaks(folder)
    if (folder / "codi.json").is_file():
        _edit_json(folder / "codi.json", lambda data: data.update(files=hashes_of(folder)))
    with pytest.raises(LensError, match=says):
        load_lens(model, "jlens:local", settings)


@pytest.mark.parametrize("text", ["", "all", "local-z", "next-all-z", "text-all", "answer-", "sum", "local-3"])
def test_variants_that_are_none(text: str) -> None:
    with pytest.raises(LensError, match="is no Jacobian"):
        parse_variant(text)


def test_variants_are_called_by_what_they_are() -> None:
    for name in ("local", "local-odd", "next", "next-z", "answer-kv-all", "text"):
        assert parse_variant(name).name == name


def test_parts_and_held_out_questions_are_checked(workbench: Workbench, folder: str) -> None:
    for asked in (JacobianFit(SPEC, VARIANTS, (3, 2)), JacobianFit(replace(SPEC, n_questions=0), VARIANTS)):
        with pytest.raises(LensError, match="a part is one of them"):
            train_jlens(workbench, folder, asked, "test", quiet)
    with pytest.raises(LensError, match="held-out"):
        train_jlens(
            workbench, folder, JacobianFit(replace(SPEC, n_questions=200, n_held_out=200, held_out_set="means"), VARIANTS), "test", quiet
        )
