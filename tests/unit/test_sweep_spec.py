"""Which conditions a sweep has, in which order, and in which units they run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from codi_core.errors import InputError
from codi_core.keys import canonical, from_canonical, key_of
from codi_core.steering.vectors import Difference, Random
from codi_core.sweeps.presets import CLAIMED_PAIRS, SWEEPS, sweep_preset, variant, variants
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.units import UNIT_CONDITIONS, units_of
from tests.sweep_tables import spec


def test_the_grid_of_the_posts() -> None:
    grid = spec("post-kv")
    cells = grid.cells()
    assert Counter(cell.role for cell in cells) == {"baseline": 6, "cell": 15 * 6 * 8}
    assert [cell.cell_id for cell in cells] == list(range(len(cells)))
    assert [cell.condition.passes for cell in cells if cell.role == "baseline"] == [1, 2, 3, 4, 5, 6]
    assert len({cell.condition.key for cell in cells}) == len(cells)
    assert all(cell.condition.passes == cell.index for cell in cells if cell.role != "baseline")
    assert all(cell.condition.overlap and cell.condition.means == grid.means for cell in cells if cell.role == "cell")


def test_a_band_is_as_long_as_the_push_of_its_own_cell() -> None:
    """Both signs of a cell share one: every direction is pushed both ways."""
    wanted = (("kv-corrected", 1, 3, 2, -0.5), ("kv-corrected", 2, 4, 5, 1.0), ("kv-corrected", 1, 3, 2, 0.5))
    grid = spec("corrected-kv", variants=(), pairs=(), indices=(), coefficients=(), bands=wanted, randoms=8, shuffled=2)
    band = [cell for cell in grid.cells() if cell.role != "baseline"]
    assert grid.only_bands and not spec("corrected-kv").only_bands
    assert Counter((cell.role, cell.a, cell.b, cell.index, cell.coefficient) for cell in band) == {
        (role, a, b, index, sign * size): count
        for a, b, index, size in ((1, 3, 2, 0.5), (2, 4, 5, 1.0))
        for sign in (-1, 1)
        for role, count in (("random", 8), ("shuffled", 2))
    }
    for cell in band:
        source = cell.condition.interventions[0].source  # type: ignore[attr-defined]
        assert source.like == Difference(cell.a, cell.b) if isinstance(source, Random) else (source.a, source.b) == (cell.a, cell.b)


def test_what_cannot_be_done_is_left_out_and_said() -> None:
    grid = spec("corrected-hidden")
    assert not any(cell.index == 6 for cell in grid.cells())
    assert len(grid.refused()) == 1 and "index 6" in grid.refused()[0] and "never consumed" in grid.refused()[0]
    assert not spec("corrected-kv").refused()


def test_only_the_chosen_cells() -> None:
    chosen = (("kv-corrected", 2, 4, 5, 1.0), ("kv-corrected", 1, 3, 2, -0.5))
    grid = spec("corrected-kv", only=chosen, bands=chosen, randoms=3, shuffled=1)
    cells = [(cell.variant, cell.a, cell.b, cell.index, cell.coefficient) for cell in grid.cells() if cell.role == "cell"]
    assert sorted(cells) == sorted(chosen)
    assert Counter((cell.index, abs(cell.coefficient)) for cell in grid.cells() if cell.role == "random") == {(5, 1.0): 6, (2, 0.5): 6}


@pytest.mark.parametrize("preset", SWEEPS)
def test_every_preset(preset: str) -> None:
    grid = spec(preset, randoms=1, shuffled=1, coefficients=(-0.5, 0.5))
    assert from_canonical(SweepSpec, canonical(grid)) == grid and key_of(canonical(grid)) == grid.key
    assert replace(grid, name="another").key != grid.key
    places = [place for unit in units_of(grid) for place in range(unit.first, unit.stop)]
    assert places == list(range(len(grid.cells())))
    for unit in units_of(grid):
        together = [cell.condition for cell in grid.cells()[unit.first : unit.stop]]
        assert len(together) <= UNIT_CONDITIONS
        assert len({(one.passes, one.first_pass, one.first_slot) for one in together}) == 1
    assert len({unit.key for unit in units_of(grid)}) == len(units_of(grid))


def test_fewer_passes_have_fewer_pairs() -> None:
    assert SWEEPS["post-kv"].pairs(3) == ((1, 2), (1, 3), (2, 3))
    assert SWEEPS["factorial"].pairs(4) == tuple(pair for pair in CLAIMED_PAIRS if max(pair) <= 4)
    assert SWEEPS["factorial"].indices(4) == (4,)


@pytest.mark.parametrize("name", [name for name in variants() if not name.startswith(("layer-", "resid-"))])
def test_variants_steer_along_their_pair(name: str) -> None:
    method = variant(name).make(2, 4, 3, -0.5)
    assert method.source == Difference(2, 4) and method.indices == (3,) and method.coefficient == -0.5
    assert name.endswith(("-stop", "-as-in-the-post")) == (method.then == "stop")


def test_unknown_preset() -> None:
    with pytest.raises(InputError, match=r"'post'.*post-kv.*factorial"):
        sweep_preset("post")
