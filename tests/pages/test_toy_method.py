"""A method costs one file and one row: a toy one, made here, is found wherever methods are offered, measured and drawn."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import pytest
import streamlit as st
import torch
from streamlit.testing.v1 import AppTest

from codi_core.cli import main
from codi_core.models.model import CodiModel
from codi_core.settings import Settings
from codi_core.steering.context import BatchContext, Directions, need
from codi_core.steering.contract import Variant
from codi_core.steering.edits import Edit
from codi_core.steering.flags import methods_of
from codi_core.steering.limits import check_coefficient, check_indices
from codi_core.steering.methods import METHODS
from codi_core.steering.options import COEFFICIENT, INDICES, option
from codi_core.steering.vectors import Control, VectorSpace
from codi_core.store import Store
from codi_core.sweeps.presets import variants
from codi_core.values.arrays import Floats
from codi_core.values.reach import Reach, reach
from codi_core.values.vectors import Space
from tests import sweep_tables
from tests.pages.conftest import Open
from tests.pages.test_heatmaps_page import ABSENT, grids
from tests.pages.test_inspect_page import words
from tests.pages.test_steer_page import SMALL, html, sent


@dataclass(frozen=True)
class Stretch:
    """Adds coefficient · the mean latent of the index, or of a random direction as long."""

    kind: ClassVar[str] = "stretch"
    label: ClassVar[str] = "Stretch"
    coefficient: float = field(metadata=COEFFICIENT)
    indices: tuple[int, ...] = field(metadata=INDICES)
    seed: int = field(default=-1, metadata=option("Draw", "−1: along the mean latent; otherwise in a random direction.", shown="more"))

    needs_means: ClassVar[bool] = True
    space: ClassVar[Space] = "z"
    where: ClassVar[VectorSpace] = VectorSpace("z")

    @property
    def coefficients(self) -> dict[str, float]:
        return {"coefficient": self.coefficient}

    def with_coefficient(self, coefficient: float) -> Stretch:
        return replace(self, coefficient=coefficient)

    def passes(self, passes: int) -> int:
        return passes

    @property
    def first_pass(self) -> int:
        return min(self.indices) + 1

    first_slot = first_pass

    def check(self, model: CodiModel, passes: int) -> None:
        check_coefficient(self.coefficient)
        check_indices(self.indices, passes, self.space)

    def vector(self, directions: Directions, index: int) -> Floats:
        mean: Floats = directions.means.z[index]
        if self.seed < 0:
            return mean
        drawn = np.random.default_rng(self.seed).standard_normal(mean.shape).astype(np.float32)
        return drawn * np.linalg.norm(mean) / np.linalg.norm(drawn)

    def edits(self, rows: BatchContext, directions: Directions | None) -> tuple[Edit, ...]:
        vectors = {index: torch.from_numpy(self.vector(need(directions), index)).to(rows.model.device) for index in self.indices}
        return tuple(Edit("z", index, self.coefficient * vector[None]) for index, vector in vectors.items())

    def reach(self, shape: tuple[int, int]) -> Reach:
        return reach(shape, self.space, self.indices)

    def control(self, seed: int, how: Control = "random") -> Stretch:
        return replace(self, seed=max(self.seed, 0) + seed + 1)

    def doses(self, directions: Directions, index: int) -> dict[str, float]:
        sites = np.linalg.norm(directions.samples.z[:, index], axis=1)
        return {"dose": abs(self.coefficient) * float(np.linalg.norm(self.vector(directions, index)) / sites.mean())}

    @classmethod
    def variants(cls, layers: int) -> dict[str, Variant]:
        return {"stretch-continue": Variant("Along the mean latent", "stretch →", lambda a, b, index, c: cls(c, (index,)))}


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, Stretch.kind, Stretch)


def test_the_command_line_explains_it(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("eval", "compare", "steer", "bundle"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        said = " ".join(capsys.readouterr().out.split())
        assert "stretch: Stretch" in said
        assert "seed= Draw. −1: along the mean latent" in said


def test_the_form_offers_it_with_its_fields(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer="kv source=difference a=2 b=4 coefficient=1 indices=3")
    assert "Stretch" in app.button_group("steer-kind").options
    app.button_group("steer-kind").set_value("stretch").run(timeout=240)
    assert not app.exception and not app.error
    assert app.query_params["steer"] == "stretch coefficient=1 indices=3"
    assert app.number_input("steer-field-seed").label == "Draw"
    app.number_input("steer-field-seed").set_value(5).run(timeout=240)
    assert methods_of(app.query_params["steer"]) == (Stretch(1.0, (3,), 5),)


def test_the_page_shows_its_dose_its_reach_and_its_random_band(open_page: Open) -> None:
    app = open_page("steer", **{**SMALL, "controls": "3"}, steer="stretch coefficient=2 indices=3")
    assert not app.exception and not app.error
    assert "3 of 3 random directions" in words(app) and "percentile" in html(app)
    (caption,) = (caption.value for caption in app.caption if "‖αv‖" in caption.value)
    assert 0 < float(caption.split("dose ")[1].split()[0]) < 4
    steered = sent(app, "heatgrid")[1]
    assert "Steered" in steered["label"]
    assert steered["cells"][-1][4]["edge"] == "site left", "z3 enters index 4 as its embedding"


def test_its_coefficient_0_is_the_baseline(open_page: Open) -> None:
    app = open_page("steer", **SMALL, steer="stretch coefficient=0 indices=3")
    assert "identical to the baseline, bit for bit" in words(app)
    assert "Identical to the baseline on all 12 questions, bit for bit." in html(app)


def test_sweeps_know_its_variants_and_give_it_controls_of_its_own() -> None:
    assert variants()["stretch-continue"].title == "Along the mean latent"
    axes = {"variants": ("stretch-continue",), "pairs": ((1, 2),), "indices": (3, 6), "coefficients": (-1.0, 1.0)}
    spec = sweep_tables.spec("corrected-kv", **axes, randoms=10, shuffled=2)
    roles = [cell.role for cell in spec.cells()]
    assert (roles.count("cell"), roles.count("random"), roles.count("shuffled")) == (2, 20, 0), "it has no steps to shuffle"
    assert len({cell.condition.key for cell in spec.cells()}) == len(roles)
    assert spec.refused() and spec.refused()[0].startswith("Along the mean latent, index 6:")


@pytest.fixture
def stored(package_environment: None) -> Iterator[None]:
    """A made-up sweep of a model whose files are not on this machine."""
    store = Store(Settings.from_env())
    spec = sweep_tables.spec(
        "corrected-kv",
        40,
        replace(sweep_tables.MODEL, name=ABSENT),
        variants=("kv-continue", "stretch-continue"),
        pairs=((1, 2), (2, 4)),
        indices=(4, 5),
        coefficients=(0.5,),
        randoms=2,
        shuffled=1,
    )
    sweep_tables.store_made_up(store, spec)
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    shutil.rmtree(store.path("sweeps", spec.key))


def test_the_heatmaps_name_it_on_their_axis(open_page: Open, stored: None) -> None:
    app: AppTest = open_page("heatmaps", model=ABSENT, sweep="corrected-kv", view="variants")
    assert not app.exception
    assert [column["label"] for column in grids(app)[0]["columns"]] == ["kv →", "stretch →"]
    assert app.selectbox("url-variant").options == ["Keys and values, all passes", "Along the mean latent"]
    assert json.dumps(grids(app)[0]).count("stretch") > 0
