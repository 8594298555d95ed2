"""The table's numbers are those of a single condition."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from codi_core.evaluation import stats
from codi_core.problems.clusters import clusters_of
from codi_core.problems.evalsets import load_eval_set
from codi_core.sweeps.table import CONTROLS, cells_of, ranked
from tests.sweep_tables import spec

EVAL_SET, QUESTIONS = load_eval_set("templates", 60, 0)
GRID = spec("post-kv", n=60, indices=(5, 6), coefficients=(-1.0, 1.0), randoms=8, shuffled=2)
RNG = np.random.default_rng(0)
CORRECT = RNG.uniform(size=(60, len(GRID.cells()))) < 0.6
MARGIN = RNG.normal(size=CORRECT.shape).astype(np.float16)
PASSES = [cell.condition.passes for cell in GRID.cells()]


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    return cells_of(GRID, QUESTIONS, CORRECT, MARGIN)


def close(value: float) -> object:
    return pytest.approx(value, rel=1e-5, abs=1e-6)  # columns are float32


@pytest.mark.parametrize("index", [5, 6])
def test_against_the_same_and_against_all_passes(cells: pd.DataFrame, index: int) -> None:
    row = cells[(cells["role"] == "cell") & (cells["index"] == index)].iloc[7]
    clusters = clusters_of(QUESTIONS)
    for suffix, passes in (("", index), ("_all", 6)):
        expected = stats.compare(CORRECT[:, PASSES.index(passes)], CORRECT[:, row["place"]], clusters)
        found = {name: row[name + suffix] for name in ("delta", "delta_low", "delta_high", "p_mcnemar", "fixed", "broken")}
        names = {"delta_low": "low", "delta_high": "high"}
        assert found == {name: close(getattr(expected, names.get(name, name))) for name in found}
    share = stats.share(CORRECT[:, row["place"]], clusters)
    assert (row["accuracy"], row["low"], row["high"], row["effective_n"]) == (
        close(share.value),
        close(share.low),
        close(share.high),
        close(share.effective_n),
    )
    change = (MARGIN[:, row["place"]].astype(float) - MARGIN[:, PASSES.index(index)].astype(float)).mean()
    assert row["margin"] == close(change) and row["margin_low"] < change < row["margin_high"]


def test_a_cell_is_ranked_among_directions_of_its_own_length(cells: pd.DataFrame) -> None:
    control = cells["role"].isin(CONTROLS)
    found = ranked(cells[~control], cells[control])
    row = found[(found["role"] == "cell") & (found["index"] == 6)].iloc[3]
    band = cells[control & (cells[["a", "b", "index"]] == row[["a", "b", "index"]]).all(axis=1)]
    assert len(band) == row["band"] == 20
    expected = 100 * ((band["delta"] < row["delta"]).mean() + 0.5 * (band["delta"] == row["delta"]).mean())
    assert row["percentile"] == close(expected)
    assert found.loc[found["role"] != "cell", ["percentile", "p_holm", "p_max_all"]].isna().all(axis=None)
    few = ranked(cells[~control], cells[cells["role"] == "random"])
    assert (few.loc[few["role"] == "cell", "band"] == 16).all() and few[["percentile", "margin_percentile"]].isna().all(axis=None)


def test_adjusted_over_the_cells_of_the_variant(cells: pd.DataFrame) -> None:
    own = cells[cells["role"] == "cell"]
    assert own["p_holm"].to_numpy() == pytest.approx(stats.holm(own["p"]), abs=1e-6)
    assert own["p_bh_all"].to_numpy() == pytest.approx(stats.benjamini_hochberg(own["p_all"]), abs=1e-6)
    assert (own["p_max"] >= own["p"] - 0.02).all() and (own["p"] >= own["p_mcnemar"] - 1e-6).all()


def test_baselines_have_no_difference(cells: pd.DataFrame) -> None:
    baselines = cells[cells["role"] == "baseline"]
    assert list(baselines["passes"]) == [5, 6]
    assert baselines[["delta", "z", "p_all", "margin"]].isna().all(axis=None)
    assert (baselines["accuracy"] > 0).all()
