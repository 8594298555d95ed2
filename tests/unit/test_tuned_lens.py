"""Tuned lenses: the contract all lenses keep, the library's own format, training, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tuned_lens import nn as library

from codi_core.engine.engine import Engine
from codi_core.errors import Cancelled, LensError
from codi_core.keys import canonical
from codi_core.lenses.base import Lens
from codi_core.lenses.cards import hashes_of, lens_cards
from codi_core.lenses.latents import collect_latents, collect_text
from codi_core.lenses.logit import LogitLens
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.registry import load_lens
from codi_core.lenses.training import LensTrainSpec, parse_indices, train_translators
from codi_core.lenses.tuned import TunedLens, new_translators, read_lens_folder, save_lens
from codi_core.models.model import CodiModel
from codi_core.problems.generate import generate
from codi_core.settings import Settings
from codi_core.values.lens import TunedCard
from codi_core.values.model import Rollout, RolloutConfig
from tests.checkpoints import flip_a_bit, in_transformers, load, tensors_of, write

TRAIN = [problem.question for problem in generate("means", 24)]
HELD_OUT = [problem.question for problem in generate("select", 8)]
SPEC = LensTrainSpec(steps=30, batch=32, lr=5e-3)
INDEX = torch.arange(7)


def quiet(*_: object) -> None:
    """Progress and cancellation of no interest."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> CodiModel:
    return load(write(tmp_path_factory.mktemp("tuned") / "tiny", tensors_of(lora=False)))


@pytest.fixture(scope="module")
def rollout(model: CodiModel) -> Rollout:
    return Engine(model).rollout([HELD_OUT[0]], RolloutConfig())[0]


@pytest.fixture(scope="module")
def trained(model: CodiModel, tmp_path_factory: pytest.TempPathFactory) -> tuple[TunedLens, TunedCard]:
    return train_translators(Engine(model), SPEC, TRAIN, HELD_OUT, tmp_path_factory.mktemp("state") / "state.pt", quiet, quiet)


@pytest.fixture
def saved(settings: Settings, model: CodiModel, trained: tuple[TunedLens, TunedCard]) -> Path:
    """Folder of the lens ``tuned:all`` where it is looked for."""
    folder = settings.cache_dir / "lenses" / model.spec.name / "all"
    save_lens(folder, *trained)
    return folder


@pytest.fixture(params=["logit", "tuned:all"])
def any_lens(request: pytest.FixtureRequest, model: CodiModel, settings: Settings, saved: Path) -> Lens:
    return load_lens(model, request.param, settings)


def test_the_last_depth_of_any_lens_is_the_models_output(any_lens: Lens, model: CodiModel, rollout: Rollout) -> None:
    logits = any_lens.logits(model, torch.from_numpy(rollout.resid), INDEX)
    torch.testing.assert_close(logits[:, -1], model.lm_head(torch.from_numpy(rollout.h)), atol=1e-5, rtol=1e-5)
    assert (lens_grid(model, any_lens, rollout.resid).kl[:, -1] == 0).all()


def test_linear_is_what_any_lens_does_to_a_difference(any_lens: Lens, model: CodiModel, rollout: Rollout) -> None:
    a, b, here = torch.from_numpy(rollout.resid[2]), torch.from_numpy(rollout.resid[5]), torch.tensor([2])
    for depth in range(model.n_layers):
        pair = [any_lens.transform(resid[depth][None], depth, here) for resid in (a, b)]
        torch.testing.assert_close(any_lens.linear((b - a)[depth][None], depth, here), pair[1] - pair[0], atol=1e-5, rtol=1e-4)


def test_translators_that_change_nothing_are_the_logit_lens(model: CodiModel, rollout: Rollout) -> None:
    lens = TunedLens("tuned:new", new_translators(model))
    resid = torch.from_numpy(rollout.resid)
    torch.testing.assert_close(lens.logits(model, resid, INDEX), LogitLens().logits(model, resid, INDEX))


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_library_loads_our_lens_and_reads_the_same(family: str, tmp_path: Path, trained: tuple[TunedLens, TunedCard]) -> None:
    model = load(write(tmp_path / "model", tensors_of(family, lora=False), family))
    lens = TunedLens("tuned:x", new_translators(model))
    torch.manual_seed(0)
    for parameter in lens.inner.layer_translators.parameters():
        parameter.data.normal_(0, 0.3)
    save_lens(tmp_path / "lens", lens, replace(trained[1], model=model.spec))
    theirs = library.TunedLens.from_model_and_pretrained(in_transformers(model), str(tmp_path / "lens"), weights_only=True)
    resid = torch.from_numpy(Engine(model).rollout([HELD_OUT[0]], RolloutConfig())[0].resid)
    ours = read_lens_folder(tmp_path / "lens", model).logits(model, resid, INDEX)
    for depth in range(model.n_layers):
        torch.testing.assert_close(ours[:, depth], theirs(resid[:, depth], depth), atol=1e-5, rtol=1e-5)


def test_training_brings_every_depth_closer_to_the_output(model: CodiModel, trained: tuple[TunedLens, TunedCard]) -> None:
    card = trained[1]
    assert card.kl.shape == card.kl_plain.shape == card.agree_plain.shape == (7, model.n_layers + 1)
    assert (card.kl[:, :-1].mean(0) < card.kl_plain[:, :-1].mean(0)).all()
    assert (card.kl[:, -1] == 0).all() and (card.agree[:, -1] == 1).all()
    assert card.curve[-1][0] == SPEC.steps and card.curve[-1][2] < card.curve[0][2]
    assert card.n_latents == len(TRAIN) * 7 and card.trained_on(TRAIN[0]) and not card.trained_on(HELD_OUT[0])


def test_a_killed_run_resumes_to_the_same_lens(model: CodiModel, trained: tuple[TunedLens, TunedCard], tmp_path: Path) -> None:
    def kill(stage: str, done: int, total: int) -> None:
        if stage == "training" and done > SPEC.steps // 2:
            raise Cancelled("killed")

    arguments = (Engine(model), SPEC, TRAIN, HELD_OUT, tmp_path / "state.pt")
    with pytest.raises(Cancelled):
        train_translators(*arguments, kill, quiet)
    stages: list[int] = []
    lens, card = train_translators(*arguments, lambda stage, done, total: stages.append(done) if stage == "training" else None, quiet)
    assert stages[0] > SPEC.steps // 2
    assert card.curve == trained[1].curve
    for ours, theirs in zip(lens.inner.parameters(), trained[0].inner.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_cards_survive_saving(saved: Path, model: CodiModel, settings: Settings, trained: tuple[TunedLens, TunedCard]) -> None:
    (card,) = lens_cards(model, settings, "tuned")
    for field in fields(TunedCard):
        before, after = getattr(trained[1], field.name), getattr(card, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_allclose(after, before, atol=1e-6)
        else:
            assert after == before


def test_text_positions_are_the_prompts_own_residuals(model: CodiModel) -> None:
    engine = Engine(model)
    found = collect_text(engine, TRAIN[:3], 0, quiet, quiet)
    assert found.shape == (3 * 7, model.n_layers + 1, model.d_model)
    assert not any(block._forward_hooks or block._forward_pre_hooks for block in model.blocks)
    ids = torch.tensor([model.build_prompt(TRAIN[0])])
    states = in_transformers(model)(inputs_embeds=model.embed(ids), output_hidden_states=True, use_cache=False).hidden_states
    for position in found[:7]:
        distances = torch.stack([(states[depth][0] - position[depth]).abs().amax(-1) for depth in range(model.n_layers)])
        assert int((distances.amax(0) < 1e-4).sum()) == 1  # the whole column lies at one position of the prompt


def test_latents_are_those_of_a_rollout(model: CodiModel) -> None:
    engine = Engine(model)
    found = collect_latents(engine, TRAIN[:2], (2, 4), quiet, quiet)
    expected = engine.rollout(TRAIN[:2], RolloutConfig())[1].resid[[2, 4]]
    torch.testing.assert_close(found[1], torch.from_numpy(expected), atol=1e-4, rtol=1e-4)


def test_a_lens_can_be_trained_on_text(model: CodiModel, tmp_path: Path) -> None:
    spec = replace(SPEC, indices="text", steps=2)
    _, card = train_translators(Engine(model), spec, TRAIN, HELD_OUT, tmp_path / "state.pt", quiet, quiet)
    assert card.name == "tuned:text" and card.indices == () and card.kl.shape[0] == 7


def test_index_sets() -> None:
    assert [parse_indices(text, 6) for text in ("all", "odd", "even", "text", "3", "5+3", "3+3")] == [
        (0, 1, 2, 3, 4, 5, 6), (1, 3, 5), (2, 4, 6), (), (3,), (3, 5), (3,),
    ]  # fmt: skip
    assert LensTrainSpec(indices="5+3").variant == "3+5"
    assert LensTrainSpec(indices="10+3", passes=10).variant == "3+10"
    assert [parse_indices(text, 10)[-1] for text in ("all", "odd", "even")] == [10, 9, 10]


def test_named_sets_follow_the_passes_of_the_model(model: CodiModel, tmp_path: Path) -> None:
    spec = replace(SPEC, indices="even", passes=10, steps=2)
    _, card = train_translators(Engine(model), spec, TRAIN[:4], HELD_OUT[:2], tmp_path / "state.pt", quiet, quiet)
    assert card.name == "tuned:even" and card.indices == (2, 4, 6, 8, 10) and card.kl.shape[0] == card.agree.shape[0] == 11
    assert card.n_latents == 4 * 5


def test_six_passes_leave_the_keys_of_before_there_was_a_choice() -> None:
    assert "passes" not in canonical(LensTrainSpec()) and canonical(LensTrainSpec(passes=4))["passes"] == 4


@pytest.mark.parametrize("text", ["", "7", "-1", "3+", "odd+2", "3,5", "½"])
def test_index_sets_that_are_none(text: str) -> None:
    with pytest.raises(LensError, match="names no indices"):
        parse_indices(text, 6)
    with pytest.raises(LensError, match="no index in 'even' with 1 passes"):
        parse_indices("even", 1)


def _edit_json(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def _signed(folder: Path) -> None:
    """The card speaks of the files as they are: something else is wrong with them."""
    card = folder / "codi.json"
    if card.is_file() and card.read_text() != "[]":
        _edit_json(card, lambda data: data.update(files=hashes_of(folder)))


@pytest.mark.parametrize("name", ["params.pt", "config.json"])
def test_one_changed_byte_is_found_by_name(saved: Path, model: CodiModel, settings: Settings, name: str) -> None:
    flip_a_bit(saved / name)
    with pytest.raises(LensError, match=f"{name} is not what its card was written for.*train-lens"):
        load_lens(model, "tuned:all", settings)
    flip_a_bit(saved / name)
    assert load_lens(model, "tuned:all", settings).name == "tuned:all"


def test_a_lens_of_before_there_were_hashes_opens(saved: Path, model: CodiModel, settings: Settings) -> None:
    _edit_json(saved / "codi.json", lambda data: data.pop("files"))
    assert load_lens(model, "tuned:all", settings).name == "tuned:all"


def test_a_lens_appears_whole_or_not_at_all(saved: Path, model: CodiModel, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    lens = read_lens_folder(saved, model)
    assert isinstance(lens.card, TunedCard)
    before = {path.name: path.read_bytes() for path in saved.iterdir()}

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("codi_core.lenses.cards.write_card", dies)
    with pytest.raises(KeyboardInterrupt):
        save_lens(saved, lens, lens.card)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before
    monkeypatch.undo()
    save_lens(saved, lens, lens.card)
    assert [path.name for path in saved.parent.iterdir()] == [saved.name] and load_lens(model, "tuned:all", settings).name == lens.name


def _of_another_checkpoint(folder: Path) -> None:
    _edit_json(folder / "codi.json", lambda data: data["model"].update(checkpoint="0" * 64))  # type: ignore[attr-defined]


def _of_another_size(folder: Path) -> None:
    _edit_json(folder / "config.json", lambda data: data.update(d_model=64))


def _with_misshapen_tensors(folder: Path) -> None:
    state = torch.load(folder / "params.pt", weights_only=True)
    torch.save({name: tensor[:-1] for name, tensor in state.items()}, folder / "params.pt")


def _with_nan(folder: Path) -> None:
    state = torch.load(folder / "params.pt", weights_only=True)
    torch.save({name: tensor * float("nan") for name, tensor in state.items()}, folder / "params.pt")


def _with_code(folder: Path) -> None:
    torch.save({"0.weight": Path("x")}, folder / "params.pt")


def _truncated(folder: Path) -> None:
    (folder / "params.pt").write_bytes((folder / "params.pt").read_bytes()[:1000])


@pytest.mark.parametrize(
    ("breaks", "says"),
    [
        (_of_another_checkpoint, "another model.*checkpoint 000000000000"),
        (_of_another_size, "d_model 64"),
        (_with_misshapen_tensors, "does not fit"),
        (_with_nan, "NaN"),
        (_with_code, "cannot be read"),
        (_truncated, "cannot be read"),
        (lambda folder: (folder / "codi.json").unlink(), "names the checkpoint"),
        (lambda folder: (folder / "codi.json").write_text("[]"), "cannot be read"),
        (lambda folder: (folder / "params.pt").unlink(), "cannot be read"),
    ],
)
def test_broken_and_foreign_lenses_are_refused(
    saved: Path, model: CodiModel, settings: Settings, breaks: Callable[[Path], object], says: str
) -> None:
    breaks(saved)
    _signed(saved)
    assert lens_cards(model, settings, "tuned") == [] or not says.startswith(("another", "names"))
    with pytest.raises(LensError, match=says):
        load_lens(model, "tuned:all", settings)


@pytest.mark.parametrize("name", ["tuned:none", "tuned", "tuned:", "tuned:../all", "tuned:/etc", "other"])
def test_lenses_that_do_not_exist(saved: Path, model: CodiModel, settings: Settings, name: str) -> None:
    shutil.copytree(saved, saved.parent.parent / "all")
    with pytest.raises(LensError):
        load_lens(model, name, settings)
