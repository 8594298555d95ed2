"""Figures of a stored sweep, from a made-up table: what stands where, in which sign, against which band."""

from __future__ import annotations

from functools import cache

import numpy as np
import plotly.graph_objects as go
import pytest

from codi_core.figures.claims import Mark, forest
from codi_core.figures.sweep_curves import curve, curve_column, dose_response, marginal_figure, marginals, sign_figure, signs
from codi_core.figures.sweeps import MEASURES, ViewOptions, by_pair, by_site, by_variant, facts, heatmaps, said, tops
from codi_core.values.sweep import Grid
from codi_core.values.verdict import p_text
from tests import sweep_tables

SMALL = {"randoms": 8, "shuffled": 2, "indices": (4, 5), "coefficients": (-1.0, 1.0), "pairs": ((1, 2), (1, 3), (2, 3))}


@cache
def grid(reading: str = "B-A") -> Grid:
    table = sweep_tables.table(sweep_tables.spec("post-kv", 500, **SMALL), lambda cell: 0.1 * cell.coefficient * (cell.b == 3), noise=0.001)
    return Grid(table, "kv-as-in-the-post", reading)  # type: ignore[arg-type]


def test_a_pair_in_the_other_order_or_reading_is_the_other_sign() -> None:
    code, text = grid(), grid("A-B")
    stored = code.rows[1, 3, 5, 1.0]
    assert code.at(1, 3, 5, 1.0) is code.at(3, 1, 5, -1.0) is stored
    found = [text.at(1, 3, 5, -1.0), text.at(3, 1, 5, 1.0)]
    assert [row["place"] for row in found if row is not None] == [stored["place"]] * 2
    assert code.at(1, 4, 5, 1.0) is None
    assert (code.called(stored), text.called(stored)) == ((1, 3, 5, 1.0), (1, 3, 5, -1.0))


def test_a_band_belongs_to_a_pair_a_site_and_a_size() -> None:
    own, other = grid().at(1, 2, 5, -1.0), grid().at(1, 3, 5, -1.0)
    assert own is not None and other is not None
    assert len(grid().band(own, "delta")) == 20 and set(grid().band(own, "delta")) == set(grid().band({**own, "coefficient": 1.0}, "delta"))
    assert not set(grid().band(own, "delta")) & set(grid().band(other, "delta"))
    assert not grid().band({**own, "coefficient": 2.0}, "delta").size


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("against", ["same", "all"])
def test_every_measure_is_painted(measure: str, against: str) -> None:
    options = ViewOptions(measure, against, "max")  # type: ignore[arg-type]
    panel = by_site(grid(), 1.0, options, tops(grid().rows.values(), options))
    assert panel.painted.values.shape == (3, 2)
    assert np.nanmin(panel.painted.level) >= 0
    assert np.nanmax(panel.painted.level) <= 1
    row = panel.found[1][1]
    assert row is not None
    assert (row["a"], row["b"], row["index"]) == (1, 3, 5)
    assert panel.texts[1][1] == said(row[options.column], options)


def test_too_few_directions_paint_no_percentile() -> None:
    few = sweep_tables.table(sweep_tables.spec("post-kv", 500, **{**SMALL, "randoms": 4}))
    own, options = Grid(few, "kv-as-in-the-post"), ViewOptions("Percentile")
    assert {text for line in by_site(own, 1.0, options, tops(own.rows.values(), options)).texts for text in line} == {"–"}


def test_sites_are_called_by_their_space() -> None:
    options = ViewOptions()
    assert by_site(grid(), 1.0, options, tops(grid().rows.values(), options)).columns == ("KV slot 4", "KV slot 5")
    names = {trace.name for trace in sign_figure(grid(), options, None).data if trace.name}
    assert names == {"KV slot 4", "KV slot 5"}


def test_cells_that_are_not_significant_or_too_small_step_back() -> None:
    options = ViewOptions(mask="max")
    panel = by_site(grid(), 1.0, options, tops(grid().rows.values(), options))
    assert panel.quiet.tolist() == [[True, True], [False, False], [False, False]]
    options = ViewOptions(least=10_000)
    panel = by_site(grid(), 1.0, options, tops(grid().rows.values(), options))
    assert panel.quiet.all()
    assert {text for line in panel.texts for text in line} == {"n<"}


def test_both_orders_of_a_pair_have_a_place_and_the_diagonal_none() -> None:
    options = ViewOptions()
    panel = by_pair(grid(), 5, 1.0, options, tops(grid().rows.values(), options))
    assert [panel.found[i][i] for i in range(3)] == [None] * 3
    assert panel.found[0][2] is grid().rows[1, 3, 5, 1.0]
    assert panel.found[2][0] is grid().rows[1, 3, 5, -1.0]
    assert panel.quiet[0, 0]


def test_variants_stand_side_by_side() -> None:
    options = ViewOptions()
    panel = by_variant({"one": grid(), "other": grid()}, 5, 1.0, options, tops(grid().rows.values(), options))
    assert panel.columns == ("one", "other")
    assert panel.found[0][0] is panel.found[0][1]


def test_what_hovering_says() -> None:
    lines = "\n".join(facts(grid().rows[1, 3, 5, 1.0]))
    for part in ("against 5 passes", "against all passes", "fixed", "percentile 100", "effective 300"):
        assert part in lines


def test_the_grids_leave_as_one_figure() -> None:
    options = ViewOptions(mask="max")
    panels = [by_site(grid(), c, options, tops(grid().rows.values(), options)) for c in (-1.0, 1.0)]
    figure = heatmaps(panels, "a <title>", "a condition")
    assert [trace.type for trace in figure.data] == ["heatmap", "scatter"] * 2
    assert np.isnan(figure.data[0].z).sum() == panels[0].quiet.sum()
    assert "&lt;title&gt;" in figure.layout.title.text


def test_curves_go_through_the_baseline() -> None:
    one = curve(grid(), 1, 3, 5, "delta", 0.0)
    assert one.x == (-1.0, 0.0, 1.0)
    assert one.value == pytest.approx((-10, 0, 10), abs=1), "points"
    assert one.band[1] == (0.0, 0.0, 0.0)
    figure = dose_response([one], one.name, "delta", 1.0)
    assert {trace.name for trace in figure.data} == {"Random and shuffled directions", "Baseline", "Steered"}
    assert curve_column(ViewOptions("z", "all")) == "delta_all"


def test_marginals_are_means_over_partners() -> None:
    table = marginals(grid(), 1.0, ViewOptions()).set_index(["side", "name", "index"])
    assert table.loc[("A", 1, 5), "pairs"] == 2
    assert table.loc[("A", 1, 5), "mean"] == pytest.approx(5, abs=0.5)
    assert table.loc[("B", 3, 5), "mean"] == pytest.approx(10, abs=0.5)
    assert isinstance(marginal_figure(grid(), 1.0, 5, ViewOptions()), go.Figure)


def test_signs_pair_every_cell_with_its_opposite() -> None:
    table = signs(grid(), ViewOptions(mask="max"))
    assert len(table) == 6
    helped = table[table["b"] == 3]
    assert (helped["plus"] > 0).all()
    assert (helped["minus"] < 0).all()
    assert helped["plus_clear"].all()
    figure = sign_figure(grid(), ViewOptions(), grid().rows[1, 3, 5, 1.0])
    assert max(trace.marker.size[0] for trace in figure.data if trace.mode == "markers") in (8, 13)


@pytest.mark.parametrize(("p", "text"), [(0.0001, "<.001"), (0.0123, ".012"), (1.0, "1"), (np.nan, "–")])
def test_p_values_in_words(p: float, text: str) -> None:
    assert p_text(p) == text


def test_a_forest_has_a_line_a_claim() -> None:
    figure = forest(["first <b>", "second"], {"code": [Mark(1, 0, 2, "note"), None], "text": [None, Mark(-1, -2, 0, "")]})
    assert list(figure.layout.yaxis.ticktext) == ["first &lt;b&gt;", "second"]
    assert [len(trace.x) for trace in figure.data] == [1, 1]
