"""Ray asked for where there is none: every way to fail before an actor runs. `tests/engine/test_ray.py` has the rest."""

from __future__ import annotations

import os
import socket
import sys
import types
from pathlib import Path

import pytest

from codi_core.backend.cluster import REQUIREMENTS, Cluster, load_ray
from codi_core.errors import SettingsError
from codi_core.services.shared.remote import open_workbench
from codi_core.services.shared.workbench import Workbench
from codi_core.settings import ROOT, Settings


def test_without_ray_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # import raises, as it does where Ray is not installed
    with pytest.raises(SettingsError, match=f"Ray is not installed .*pip install -r {REQUIREMENTS}"):
        open_workbench(Settings(backend="ray"))
    assert "\nray==" in (ROOT / REQUIREMENTS).read_text()


def test_the_local_backend_knows_no_ray(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    bench = open_workbench(settings)
    assert isinstance(bench, Workbench) and bench.session("anyone") is bench
    assert bench.call(lambda own, text: (own, text), "value") == (bench, "value")
    bench.close()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://head:10001", "results cannot stream .* auto"),
        ("127.0.0.1:{free}", "No Ray cluster answers at '127.0.0.1:.*HOST:PORT"),
        ("127.0.0.1:many", "No Ray cluster answers at '127.0.0.1:many'"),
    ],
)
def test_wrong_addresses_are_named(address: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:  # bound, and nobody listens
        free.bind(("127.0.0.1", 0))
        monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace(is_initialized=lambda: False))
        with pytest.raises(SettingsError, match=words):
            Cluster(Settings(ray_address=address.format(free=free.getsockname()[1])), Workbench)


def test_a_token_that_is_there_is_offered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`ray start` asks for the token that an earlier local start left; without this, joining such a cluster fails."""
    monkeypatch.setitem(sys.modules, "ray", types.SimpleNamespace())
    monkeypatch.setenv("HOME", str(tmp_path))
    for left, mode in ((False, None), (True, "token")):
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
        if left:
            (tmp_path / ".ray").mkdir()
            (tmp_path / ".ray" / "auth_token").write_text("secret")
        load_ray()
        assert os.environ.get("RAY_AUTH_MODE") == mode
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    load_ray()
    assert os.environ["RAY_AUTH_MODE"] == "disabled"
