"""Fixtures every kind of test shares. The environment is set before anything imports torch."""

from __future__ import annotations

import gc
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads make a decode of 0.5 s take 3 to 14 s on shared cores
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the models of the tests are too small to gain from a second thread
os.environ["HF_HUB_OFFLINE"] = "1"  # no test may depend on a network

gc.disable()  # until all is imported: what stays anyway (torch, pandas, …) is not looked through for garbage again and again

import pytest

from codi_core.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a run whose cache is empty and its own."""
    return Settings(cache_dir=tmp_path / "cache", device="cpu", dtype="float32", threads=1)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Checkpoints of a model and of its control, trained for a few steps."""
    from tests.trained import train_pair  # here: torch takes seconds to import, and most tests of units need none

    return train_pair(tmp_path_factory.mktemp("pair"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)  # stable


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)  # a page's many objects live as long as it does, and are looked through in vain
    gc.enable()
