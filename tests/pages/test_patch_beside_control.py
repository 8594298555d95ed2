"""“Beside its control” on the Patch page: the model's own pairs in its twin, and the difference; of one pair the map alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from codi_core.services.patch_maps import PatchMapRequest, patch_map
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import Settings
from tests.pages.conftest import Open
from tests.trained import paused


@pytest.fixture(scope="module")
def model(package_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The chosen model of the app: one that has a control."""
    root, shipped = tmp_path_factory.mktemp("twins"), Settings().bundled_dir / "models" / "bundled-steps"
    copy = shutil.copytree(shipped, root / "steps")
    paused(shipped, root / "steps-pause")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODI_MODEL", str(copy))
        st.cache_resource.clear()
        st.cache_data.clear()
        yield copy
    st.cache_resource.clear()
    st.cache_data.clear()


def test_the_same_pairs_and_the_difference(model: Path, open_page: Open) -> None:
    bench, own = Workbench(Settings.from_env()), PatchMapRequest(str(model), n=4, passes=1)
    control = PatchMapRequest(str(model.with_name("steps-pause")), n=4, passes=1, pairs_of=str(model))
    for request in (own, control):
        list(patch_map(bench, request, "test"))
    bench.close()
    app = open_page("patch", passes="1", n="4", twin="yes")
    assert not app.exception and not app.error
    said = " ".join(element.value.replace("\\", "") for element in (*app.markdown, *app.caption))
    assert "Control: " in said and "both right in" in said
    assert "Recovery, clean into corrupt: more than in its control in" in said or "No question tells a model" in said
    assert any("--beside-control" in code.value for code in app.code)


def test_one_pair_has_no_interval(model: Path, open_page: Open) -> None:
    app = open_page("patch", passes="1", over="this", twin="yes")
    assert not app.exception and not app.error
    assert any("One pair has no interval" in caption.value for caption in app.caption)
