"""What holds for every row of LENSES, on every lens that ships with a model: a new row is tested here without being named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from codi_core.engine.engine import Engine
from codi_core.errors import LensError
from codi_core.lenses.base import Lens
from codi_core.lenses.readout import lens_grid
from codi_core.lenses.registry import DEFAULT_LENS, LENSES, lens_options, load_lens
from codi_core.models.load import ModelRequest, load_model
from codi_core.problems.generate import team_prompt
from codi_core.settings import Settings
from codi_core.values.lens import LensOption
from codi_core.values.model import Rollout, RolloutConfig

SETTINGS = Settings(device="cpu", dtype="float32", threads=1)
MODEL = "bundled-steps"
INDEX = torch.arange(7)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(load_model(ModelRequest(MODEL), SETTINGS))


@pytest.fixture(scope="module")
def rollout(engine: Engine) -> Rollout:
    return engine.rollout([team_prompt().question], RolloutConfig())[0]


@pytest.fixture(params=LENSES)
def options(request: pytest.FixtureRequest, engine: Engine) -> list[LensOption]:
    """The lenses of one kind that fit the model: its variants, or itself."""
    return [option for option in lens_options(engine.model, SETTINGS) if option.kind == request.param]


@pytest.fixture
def lenses(options: list[LensOption], engine: Engine) -> list[Lens]:
    return [load_lens(engine.model, option.name, SETTINGS) for option in options]


@pytest.mark.parametrize("kind", LENSES)
def test_a_row_says_what_a_menu_and_the_help_need(kind: str) -> None:
    row = LENSES[kind]
    assert kind == kind.lower() and kind.isidentifier() and kind != "difference", "it stands in links, where 'difference' is taken"
    assert row.label.strip() and row.about.strip().endswith(".") and ". " not in row.about
    assert len({row.label for row in LENSES.values()}) == len(LENSES)
    assert not row.command or row.variants, "what a command makes is a variant"


def test_the_default_comes_first_and_needs_nothing(engine: Engine) -> None:
    assert next(iter(LENSES)) == DEFAULT_LENS
    assert lens_options(engine.model, SETTINGS)[0].name == DEFAULT_LENS
    assert LENSES[DEFAULT_LENS].variants is None


def test_every_kind_ships_with_a_lens_and_every_option_loads_by_its_name(options: list[LensOption], lenses: list[Lens]) -> None:
    assert options
    assert [lens.name for lens in lenses] == [option.name for option in options]
    for lens, option in zip(lenses, options, strict=True):
        assert (lens.card is None) == (option.card is None)
        assert lens.card is None or (lens.card.name, lens.card.key) == (option.name, option.card.key if option.card else "")


def test_the_last_depth_of_any_lens_is_the_models_own_output(lenses: list[Lens], engine: Engine, rollout: Rollout) -> None:
    own = engine.model.lm_head(torch.from_numpy(rollout.h))  # h is what the model itself puts into its head
    for lens in lenses:
        torch.testing.assert_close(lens.logits(engine.model, torch.from_numpy(rollout.resid), INDEX)[:, -1], own, atol=1e-4, rtol=1e-4)
        assert (lens_grid(engine.model, lens, rollout.resid).kl[:, -1] == 0).all()


def test_linear_is_what_any_lens_does_to_a_difference(options: list[LensOption], lenses: list[Lens], rollout: Rollout) -> None:
    a, b, here = torch.from_numpy(rollout.resid[5]), torch.from_numpy(rollout.resid[2]), torch.tensor([5])
    for lens, option in zip(lenses, options, strict=True):
        adds = False
        for depth in range(len(a) - 1):
            read = [lens.transform(resid[depth][None], depth, here) for resid in (a, b)]
            torch.testing.assert_close(lens.linear((a - b)[depth][None], depth, here), read[0] - read[1], atol=1e-4, rtol=1e-3)
            adds |= bool((lens.transform(torch.zeros_like(a[depth][None]), depth, here) != 0).any())
        assert adds == option.constant, "the row says whether a constant is added"


def test_cards_are_of_this_model_and_hold_every_cell(options: list[LensOption], engine: Engine, rollout: Rollout) -> None:
    for card in (option.card for option in options if option.card):
        assert card.model.checkpoint == engine.model.spec.checkpoint
        shape = rollout.resid.shape[:2]
        assert all(values.shape == shape and np.isfinite(values).all() for values in (card.kl, card.kl_plain, card.agree, card.agree_plain))
        assert (card.kl[:, -1] == 0).all() and (card.agree[:, -1] == 1).all(), "the last depth is the output"


def test_a_lens_of_another_checkpoint_is_neither_offered_nor_loaded(options: list[LensOption], engine: Engine) -> None:
    other = replace(engine.model, spec=replace(engine.model.spec, checkpoint="0" * 64))
    offered = {option.name for option in lens_options(other, SETTINGS)}
    for option in options:
        if option.card:
            assert option.name not in offered
            with pytest.raises(LensError, match="another model"):
                load_lens(other, option.name, SETTINGS)
        else:
            assert load_lens(other, option.name, SETTINGS).name == option.name


@pytest.mark.parametrize("kind", LENSES)
@pytest.mark.parametrize("variant", ["none-such", "../all", "/etc", "<b>"])
def test_variants_that_do_not_exist_are_refused_by_name(kind: str, variant: str, engine: Engine) -> None:
    with pytest.raises(LensError, match=f"{kind}"):
        load_lens(engine.model, f"{kind}:{variant}", SETTINGS)
