"""The Heatmaps page on a stored sweep whose model is not even there: grids, figures, masks, readings, one cell in full."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from codi_core.cli import make_parser
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.values.sweep import SweepTable
from tests import sweep_tables
from tests.pages.conftest import Open
from tests.pages.test_inspect_page import words

ABSENT = "codi-llama1b"
SMALL = {"randoms": 8, "shuffled": 2, "indices": (4, 5), "coefficients": (-1.0, -0.5, 0.5, 1.0)}


@pytest.fixture(scope="module")
def stored(package_environment: None) -> SweepTable:
    """Made-up answers of a model whose files are not on this machine: A2−B4 helps."""
    model = replace(sweep_tables.MODEL, name=ABSENT)
    spec = sweep_tables.spec("post-kv", 100, model, **SMALL)
    table = sweep_tables.store_made_up(Store(Settings.from_env()), spec, lambda cell: 0.3 * cell.coefficient * ((cell.a, cell.b) == (2, 4)))
    st.cache_resource.clear()
    return table


def grids(app: AppTest) -> list[dict[str, Any]]:
    return [json.loads(e.proto.json) for e in app.get("bidi_component") if e.proto.component_name == "codi_heatgrid"]


def shown(app: AppTest) -> str:
    """Everything said on the page, as one reads it."""
    return (words(app) + "\n".join(element.proto.body for element in app.get("html"))).replace("\\", "")


def test_a_grid_is_there_without_any_model(open_page: Open, stored: SweepTable) -> None:
    app = open_page("heatmaps", model=ABSENT)
    assert not app.exception
    assert not app.error
    assert len(grids(app)) == 1, shown(app)
    (grid,) = grids(app)
    assert (len(grid["rows"]), len(grid["columns"])) == (15, 2)
    assert grid["rows"][0]["label"] == "A1−B2"
    on_screen = stored.cells[stored.cells["role"] == "cell"].query("coefficient == 0.5")
    best = on_screen[on_screen["delta"] == on_screen["delta"].max()].iloc[0]
    assert f"A{best['a']}−B{best['b']} at KV slot {best['index']}, α = +0.5" in shown(app), "the largest effect on screen is chosen"
    assert "are not on this machine" in shown(app)
    assert any("codi_core info" in code.value for code in app.code)
    assert not [button for button in app.button if button.key == "sweep-again"]


def test_a_cell_of_the_link_in_full(open_page: Open, stored: SweepTable) -> None:
    app = open_page("heatmaps", model=ABSENT, pick="2,4,5,1", alpha="1,0.5")
    assert not app.error
    assert len(grids(app)) == 2
    assert grids(app)[1]["chosen"] is not None
    assert "A2−B4 at KV slot 5, α = +1" in shown(app)
    assert "at index 5. In the posts' code" in shown(app).replace("\\", "")
    for fact in ("fixed", "only in form", "effective n", "random directions", "Against all 6 passes", "Holm", "dose", "Steered: "):
        assert fact in shown(app)
    command = next(code.value for code in app.code if "eval" in code.value.split())
    make_parser().parse_args(shlex.split(command)[3:])


def test_the_other_reading_is_the_other_sign(open_page: Open, stored: SweepTable) -> None:
    code, text = (
        grids(open_page("heatmaps", model=ABSENT, alpha=alpha, reading=reading))[0] for alpha, reading in (("1", "B-A"), ("-1", "A-B"))
    )
    assert [[cell["text"] for cell in row] for row in code["cells"]] == [[cell["text"] for cell in row] for row in text["cells"]]


@pytest.mark.parametrize(("view", "count"), [("pairs", 2), ("dose", 0), ("marginals", 0), ("signs", 0)])
def test_every_view_is_drawn(open_page: Open, stored: SweepTable, view: str, count: int) -> None:
    app = open_page("heatmaps", model=ABSENT, view=view, mask="holm", measure="Gold margin", against="all")
    assert not app.exception
    assert not app.error
    assert len(grids(app)) == count
    assert len(app.get("plotly_chart")) == (1 if count else 2), "the chosen cell has its curve"


def test_masks_and_small_n_step_back(open_page: Open, stored: SweepTable) -> None:
    (grid,) = grids(open_page("heatmaps", model=ABSENT, mask="max", alpha="1"))
    quiet = sum(cell["edge"] == "quiet" for row in grid["cells"] for cell in row)
    assert 0 < quiet < 30
    (grid,) = grids(open_page("heatmaps", model=ABSENT, least="90000"))
    assert {cell["text"] for row in grid["cells"] for cell in row} == {"n<"}


def test_without_a_sweep_the_command_is_there(open_page: Open, stored: SweepTable, tiny: Path) -> None:
    app = open_page("heatmaps")
    assert not app.error
    assert any("codi_core sweep" in code.value and str(tiny) in code.value for code in app.code)
    assert ABSENT.replace("-", "\\-") in words(app), "whose sweeps there are"


def test_colours_run_over_what_is_shown_or_over_the_whole_sweep(open_page: Open, stored: SweepTable) -> None:
    cells = stored.cells[stored.cells["role"] == "cell"]
    most = {str(size): float(cells[cells["coefficient"].abs() <= size]["delta"].abs().max()) for size in (0.5, 1.0)}
    assert most["0.5"] < most["1.0"]
    for asked, size in (({}, "0.5"), ({"scale": "sweep"}, "1.0")):
        app = open_page("heatmaps", model=ABSENT, view="sites", alpha="-0.5,0.5", **asked)
        ticks = grids(app)[-1]["legend"]["ticks"]
        assert ticks[-1] == [1.0, f"+{100 * most[size]:.1f}"]
    assert all(cell["fill"].startswith("light-dark(") for row in grids(app)[0]["cells"] for cell in row)
