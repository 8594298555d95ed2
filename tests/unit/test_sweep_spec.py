"""Which conditions a sweep has, in which order, and in which units they run."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from codi_core.errors import InputError
from codi_core.keys import canonical, key_of
from codi_core.steering.vectors import Difference, Random, Shuffled
from codi_core.sweeps.presets import CLAIMED_PAIRS, SWEEPS, VARIANTS, sweep_preset
from codi_core.sweeps.spec import spec_of
from codi_core.sweeps.units import UNIT_CONDITIONS, units_of
from tests.sweep_tables import spec


def test_the_grid_of_the_posts() -> None:
    grid = spec("post-kv")
    cells = grid.cells()
    assert Counter(cell.role for cell in cells) == {"baseline": 6, "cell": 15 * 6 * 8, "random": 6 * 4 * 20, "shuffled": 6 * 4 * 4}
    assert [cell.place for cell in cells] == list(range(len(cells)))
    assert [cell.condition.passes for cell in cells if cell.role == "baseline"] == [1, 2, 3, 4, 5, 6]
    assert len({cell.condition.key for cell in cells}) == len(cells)
    assert all(cell.condition.passes == cell.index for cell in cells if cell.role != "baseline")
    assert all(cell.condition.overlap and cell.condition.means == grid.means for cell in cells if cell.role == "cell")


def test_controls_are_as_long_as_all_the_pairs() -> None:
    grid = spec("corrected-kv", randoms=20, shuffled=4)
    at_one = [cell for cell in grid.cells() if cell.index == 3 and abs(cell.coefficient) == 2 and cell.role in ("random", "shuffled")]
    sources = [cell.condition.interventions[0].source for cell in at_one]  # type: ignore[attr-defined]
    assert {(source.like.a, source.like.b) for source in sources if isinstance(source, Random)} == set(grid.axes.pairs)
    assert len(set(sources)) == 24 == len(at_one)
    assert sum(isinstance(source, Shuffled) for source in sources) == 4
    assert all(cell.coefficient == 2 for cell in at_one)


def test_what_cannot_be_done_is_left_out_and_said() -> None:
    grid = spec("corrected-hidden")
    assert not any(cell.index == 6 for cell in grid.cells())
    assert len(grid.refused()) == 1 and "index 6" in grid.refused()[0] and "never consumed" in grid.refused()[0]
    assert not spec("corrected-kv").refused()


def test_only_the_chosen_cells() -> None:
    chosen = (("kv-corrected", 2, 4, 5, 1.0), ("kv-corrected", 1, 3, 2, -0.5))
    grid = spec("corrected-kv", only=chosen, randoms=3, shuffled=1)
    cells = [(cell.variant, cell.a, cell.b, cell.index, cell.coefficient) for cell in grid.cells() if cell.role == "cell"]
    assert sorted(cells) == sorted(chosen)
    assert Counter((cell.index, cell.coefficient) for cell in grid.cells() if cell.role == "random") == {(5, 1.0): 3, (2, 0.5): 3}


@pytest.mark.parametrize("preset", SWEEPS)
def test_every_preset(preset: str) -> None:
    grid = spec(preset, randoms=1, shuffled=1)
    assert spec_of(canonical(grid)) == grid and key_of(canonical(grid)) == grid.key
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


@pytest.mark.parametrize("name", [name for name in VARIANTS if not name.startswith(("layer-", "resid-"))])
def test_variants_steer_along_their_pair(name: str) -> None:
    method = VARIANTS[name].make(2, 4, 3, -0.5)
    assert method.source == Difference(2, 4) and method.indices == (3,) and method.coefficient == -0.5
    assert name.endswith(("-stop", "-as-in-the-post")) == (method.then == "stop")


def test_unknown_preset() -> None:
    with pytest.raises(InputError, match=r"'post'.*post-kv.*factorial"):
        sweep_preset("post")
