"""One row of LENSES, made here, is a lens wherever one is chosen: the command line's help, every page's menu, the services."""

from __future__ import annotations

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from torch import Tensor

from codi_core import cli
from codi_core.errors import LensError
from codi_core.lenses.base import Lens
from codi_core.lenses.registry import LENSES, LensKind
from codi_core.models.model import CodiModel
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.lenses import lens_menu
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from codi_core.ui.shell import calls
from tests.pages.conftest import Open
from tests.pages.test_differences_page import N
from tests.pages.test_inspect_page import labels, words
from tests.pages.test_steer_page import SMALL

NAMES = ["toy:shy", "toy:bold", "toy:broken"]
ABOUT = "The toy lens turns every residual around."


class ToyLens(Lens):
    def __init__(self, variant: str) -> None:
        self.name = f"toy:{variant}"
        self.scale = {"shy": -1.0, "bold": -3.0}[variant]

    def transform(self, resid: Tensor, depth: int, index: Tensor) -> Tensor:
        return self.scale * resid

    def linear(self, vector: Tensor, depth: int, index: Tensor) -> Tensor:
        return self.scale * vector


def load_toy(model: CodiModel, variant: str, settings: Settings) -> Lens:
    if variant == "broken":
        raise LensError("The toy is broken: take another.")
    return ToyLens(variant)


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    row = LensKind("Toy", ABOUT, load_toy, lambda model, settings: dict.fromkeys(("shy", "bold", "broken")), constant=True)
    monkeypatch.setitem(LENSES, "toy", row)
    calls._lens_menu.clear()


@pytest.mark.parametrize("command", ["lens", "steer", "detect"])
def test_the_help_names_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    assert f"toy:VARIANT: {ABOUT[:-1]}" in " ".join(capsys.readouterr().out.split())


def test_the_services_offer_and_read_it(settings: Settings) -> None:
    bench = Workbench(settings)
    try:
        assert [option.name for option in lens_menu(bench, "bundled-steps", "test")][-3:] == NAMES
        seen = inspect(bench, InspectRequest("bundled-steps", "How many are 2 and 3?", lenses=("logit", "toy:bold"), cell=(1, 0)), "test")
    finally:
        bench.close()
    grid = seen.grids["toy:bold"]
    assert grid.lens == "toy:bold"
    np.testing.assert_array_equal(grid.top_ids[:, -1], seen.grids["logit"].top_ids[:, -1])
    assert (grid.top_ids[:, :-1, 0] != seen.grids["logit"].top_ids[:, :-1, 0]).any()
    assert seen.here["toy:bold"].ids == (int(grid.top_ids[1, 0, 0]),)


def test_inspect_shows_it_beside_another(open_page: Open) -> None:
    app = open_page(lens=["logit", "toy:bold", "difference"])
    assert not app.exception
    assert not app.error
    kinds = next(group for group in app.button_group if group.key == "lens-kinds")
    assert kinds.options == ["Logit", "Toy", "Difference"]
    assert app.selectbox("lens-variant-toy").options == [name.partition(":")[2] for name in NAMES]
    assert labels(app) == ["Logit lens: top-1 token", "Toy lens: top-1 token", "Difference lens: top-1 token"]
    assert ABOUT in words(app).replace("\\", "")


def test_inspect_with_a_lens_that_cannot_be_read_lets_one_choose_another(open_page: Open) -> None:
    app = open_page(lens=["toy:broken"])
    assert [error.value.replace("\\", "") for error in app.error] == ["The toy is broken: take another."]
    app.selectbox("lens-variant-toy").select("shy").run()
    assert not app.error
    assert labels(app) == ["Toy lens: top-1 token"]


def grid_labels(app: AppTest) -> str:
    return json.dumps([json.loads(e.proto.json) for e in app.get("bidi_component")])


@pytest.mark.parametrize(
    ("page", "params", "said"),
    [
        ("steer", SMALL, "Steered: toy:shy lens"),
        ("differences", N, "toy:shy lens, linear part"),
        ("detect", {"n": "64"}, "Reading"),
    ],
)
def test_every_page_that_reads_one_lens_offers_it(open_page: Open, page: str, params: dict[str, str], said: str) -> None:
    app = open_page(page, lens="toy:shy", **params)
    assert not app.exception
    assert not app.error
    box = app.selectbox("lens-box")
    assert box.value == "toy:shy"
    assert box.options == ["logit", *NAMES]
    assert said == "Reading" or said in grid_labels(app) + words(app).replace("\\", "")


def test_the_model_page_tells_how_to_read_it(open_page: Open) -> None:
    assert ABOUT in words(open_page("model")).replace("\\", "")
