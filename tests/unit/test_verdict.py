"""What a verdict says, and what it must not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codi_core.values.sweep import Grid, site_name
from codi_core.values.verdict import ENOUGH, Band, Correction, Verdict, direction_of, percentiles
from tests import sweep_tables

RISES = Verdict("rises", 0.06, 0.019, 0.123, 300, 0.028, Band())


@pytest.mark.parametrize("count", [0, 1, 3, ENOUGH - 1])
def test_fewer_directions_than_enough_give_no_percentile(count: int) -> None:
    band = Band.of(-0.5, np.zeros(count))
    assert band.percentile is None and not band.above and band.count == count
    assert "percentile" not in replace(RISES, band=band).sentence()
    assert np.isnan(percentiles([0.1, 0.2], np.zeros(count))).all()


def test_how_many_go_as_far_is_counted_to_the_side_of_the_effect() -> None:
    changes = np.array([-0.3, *np.full(23, -0.01)])
    falls = Band.of(-0.2, changes)
    assert (falls.as_far, falls.percentile) == (1, pytest.approx(100 / 24))
    assert falls.words("falls") == "1 of 24 random directions falls as far"
    assert falls.place_words() == "percentile 4 among 24, whose median is −1.0 points"
    assert Band.of(-0.5, changes).words("falls") == "none of 24 random directions falls as far"
    assert Band.of(-0.01, changes).words("falls") == "24 of 24 random directions fall as far"
    rises = Band.of(0.2, changes)
    assert (rises.as_far, rises.percentile, rises.place, rises.above) == (0, 100, "outside", True)
    assert falls.words("none seen") == "the median of 24 random directions is −1.0 points"


def test_ties_count_half() -> None:
    assert percentiles(0.0, np.zeros(ENOUGH)) == 50


def test_an_effect_that_correction_takes_away_is_still_an_effect() -> None:
    kept, lost = (replace(RISES, correction=Correction(p, 720)) for p in (0.003, 0.32))
    assert kept.sentence() == "Accuracy rises 6.0 points (1.9 to 12.3, n = 300); random directions were not tried."
    assert kept.sure()["adjusted p"] == ".003 over 720 cells (max-statistic)"
    lost = lost.sentence()
    assert "but not after correction for 720 cells (adjusted p .320)" in lost
    assert "No effect" not in lost


def test_nothing_seen_needs_no_correction() -> None:
    none = replace(RISES, direction=direction_of(0.01, 0.4), delta=0.01, low=-0.01, p=0.4, correction=Correction(1.0, 720))
    assert none.sentence().startswith("No effect on accuracy is seen, +1.0 points") and "correction" not in none.sentence()
    assert direction_of(0.5, np.nan) == "none seen"


def test_an_effect_is_said_in_its_own_direction_and_never_rounded_to_nothing() -> None:
    falls = replace(RISES, direction="falls", delta=-0.87, low=-0.91, high=-0.0004)
    assert falls.sentence(band=False) == "Accuracy falls 87.0 points (0.04 to 91.0, n = 300)."
    assert falls.sure()["95 % interval"] == "−91.0 to −0.04 points"
    assert replace(RISES, direction="identical").sure() == {}


def test_waiting_is_not_missing() -> None:
    assert "were not tried" in RISES.sentence() and "are still to come" in RISES.waiting().sentence()
    assert RISES.sentence(band=False) == "Accuracy rises 6.0 points (1.9 to 12.3, n = 300)."
    few = replace(RISES, band=Band.of(0.1, [0.0]))
    assert few.waiting() == few


def test_a_cell_is_compared_with_directions_of_its_own_length() -> None:
    axes = {"indices": (5,), "coefficients": (1.0,)}
    spec = sweep_tables.spec("post-kv", 300, **axes, randoms=8, shuffled=2)
    table = sweep_tables.table(spec, lambda cell: 0.2, random=lambda cell: 0.4 * ((cell.a, cell.b) == (1, 2)))
    grid = Grid(table, "kv-as-in-the-post")
    one, other = grid.at(1, 2, 5, 1.0), grid.at(2, 4, 5, 1.0)
    assert one is not None and other is not None
    assert (grid.verdict(one).band.as_far, grid.verdict(other).band.as_far) == (20, 0)
    assert grid.verdict(one).band.count == grid.verdict(other).band.count == 20
    few = Grid(sweep_tables.table(sweep_tables.spec("post-kv", 300, **axes, randoms=8, shuffled=1), lambda cell: 0.2), "kv-as-in-the-post")
    row = few.at(1, 2, 5, 1.0)
    assert row is not None and few.verdict(row).band.percentile is None


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("kv-as-in-the-post", "KV slot 5"),
        ("layer-3", "KV slot 5"),
        ("k-stop", "K slot 5"),
        ("v-continue", "V slot 5"),
        ("h-stop", "h5"),
        ("h-on-z-stop", "z5"),
        ("z-continue", "z5"),
        ("embedding-corrected", "z5"),
        ("resid-3-stop", "resid 5"),
        ("a method of tomorrow", "index 5"),
    ],
)
def test_a_site_is_called_by_its_space(variant: str, name: str) -> None:
    assert site_name(variant, 5) == name
