"""Tiny checkpoints loaded by the real loader: one engine a family, and one checkpoint for the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codi_core.engine.engine import Engine
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
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


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A checkpoint with random weights, as requests name it."""
    return str(write(tmp_path_factory.mktemp("services") / "tiny", tensors_of(lora=False)))


@pytest.fixture
def workbench(settings: Settings) -> Iterator[Workbench]:
    bench = Workbench(settings)
    yield bench
    bench.close()
