"""One engine a family, on tiny checkpoints loaded by the real loader."""

from __future__ import annotations

from pathlib import Path

import pytest

from codi_core.engine.engine import Engine
from tests.checkpoints import BASE_CONFIGS, load, tensors_of, write


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    folder = Path(tmp_path_factory.mktemp("checkpoints"))
    return {family: Engine(load(write(folder / family, tensors_of(family), family))) for family in BASE_CONFIGS}


@pytest.fixture(params=sorted(BASE_CONFIGS))
def engine(request: pytest.FixtureRequest, engines: dict[str, Engine]) -> Engine:
    return engines[request.param]


@pytest.fixture
def llama(engines: dict[str, Engine]) -> Engine:
    return engines["llama"]
