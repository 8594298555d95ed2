"""`codi doctor`: what it finds where something is wrong, and its exit code."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from codi_core import cli
from codi_core.services import doctor
from codi_core.settings import Settings
from codi_core.store import Store
from codi_core.values.model import RolloutConfig
from tests.checkpoints import flip_a_bit


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def made(settings: Settings) -> Path:
    spec = RolloutConfig(3)
    with Store(settings).write("things", spec) as folder:
        (folder / "numbers.txt").write_text("1 2 3")
    return next(settings.cache_dir.glob("things/*/numbers.txt"))


def test_it_says_what_is_there_and_ends_with_0(offline: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--cache-dir", str(tmp_path), "--device", "cpu", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failures"] == 0
    states = {finding["what"]: finding["state"] for finding in found["findings"]}
    assert {"Python", "libraries", "device", "threads", "memory", "cache", "disk", "Chromium", "hub", "artifacts"} <= set(states)
    assert states["Python"] == states["libraries"] == states["cache"] == states["hub"] == "ok"


def test_a_changed_byte_is_found_and_the_remedy_names_the_folder(tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)
    before = list(doctor.artifacts(settings))
    file = made(settings)
    intact = list(doctor.artifacts(settings))
    file.write_text("1 2 4")
    damaged, rest = doctor.artifacts(settings)
    assert [finding.state for finding in (*before, *intact, rest)] == ["ok"] * 3
    assert int(intact[0].found.split()[0].replace(",", "")) == int(before[0].found.split()[0].replace(",", "")) + 1
    assert damaged.state == "warning" and "SHA-256 differs" in damaged.found and str(file.parent) in damaged.remedy
    assert "delete" not in damaged.found, "the remedy says it"


def test_what_ships_and_is_damaged_is_a_failure(offline: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(cache_dir=tmp_path / "ships")
    made(settings).write_text("cut")
    shutil.copytree(settings.cache_dir / "things", tmp_path / "cache" / "bundled" / "things")
    monkeypatch.setattr("codi_core.settings.ROOT", tmp_path)
    damaged, _ = doctor.artifacts(Settings(cache_dir=tmp_path / "empty"))
    assert damaged.state == "failure" and "It ships" in damaged.remedy


@pytest.mark.parametrize(
    "place", ["models/bundled/model.safetensors", "lenses/bundled/all/params.pt", "jlens/bundled/local/jacobian_lens-0.pt"]
)
def test_models_and_lenses_that_ship_are_looked_at_byte_by_byte(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ships = Settings().bundled_dir
    kind, model, *_ = place.split("/")
    shutil.copytree(ships / kind / model, tmp_path / "cache" / "bundled" / kind / model)
    monkeypatch.setattr("codi_core.settings.ROOT", tmp_path)
    settings = Settings(cache_dir=tmp_path / "empty")
    (whole,) = doctor.artifacts(settings)
    assert whole.state == "ok" and not whole.found.startswith("0")
    flip_a_bit(settings.bundled_dir / place)
    damaged, _ = doctor.artifacts(settings)
    assert damaged.state == "failure" and Path(place).name in damaged.found and "SHA-256" in damaged.found


def test_a_cache_that_cannot_be_written_is_a_failure(offline: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert cli.main(["doctor", "--cache-dir", str(tmp_path / "file" / "cache"), "--device", "cpu"]) == 1
    out = capsys.readouterr().out
    assert "failure  cache" in out and "set CODI_CACHE_DIR" in out


def test_an_absent_device_is_a_failure_with_a_remedy() -> None:
    (finding,) = doctor.machine(replace(Settings(), device="cuda:63"))
    assert finding.state == "failure" and "cuda:63" in finding.found and "CODI_DEVICE" in finding.remedy


def test_a_hub_that_does_not_answer_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    finding = doctor.hub("http://127.0.0.1:9")
    assert finding.state == "warning" and "does not answer" in finding.found and "everything else works" in finding.remedy


def test_no_browser_is_a_warning() -> None:
    assert doctor.browser(lambda name: None).state == "warning"
    assert doctor.browser(lambda name: "/usr/bin/chrome" if name == "chrome" else None).found == "/usr/bin/chrome"
