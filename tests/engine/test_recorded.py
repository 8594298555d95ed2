"""No number moves without being meant to: what the command line prints, and the keys of everything that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codi_core.keys import from_canonical
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.units import CELLS
from tests.recorded import COMMANDS, FILE, differences, printed


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("recorded"))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_prints_what_it_printed(name: str, cache: Path) -> None:
    then = json.loads(FILE.read_text(encoding="utf-8"))[name]
    assert differences(printed(COMMANDS[name], cache), then) == []


@pytest.mark.parametrize("key", Store(Settings()).keys("sweeps"))
def test_a_shipped_sweep_has_the_conditions_its_spec_asks_for(key: str) -> None:
    """Names, order and key of every condition: a stored cell opens live as the very same condition."""
    artifact = Store(Settings()).read("sweeps", key)
    spec = from_canonical(SweepSpec, artifact.meta.spec)
    assert spec.key == key
    assert [cell.condition.key for cell in spec.cells()] == artifact.parquet(CELLS)["key"].tolist()
