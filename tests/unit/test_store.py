"""Artifacts: what is written is read back, anything else is refused with a message that names the file and the fix."""

from __future__ import annotations

import dataclasses
import errno
import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest

from codi_core import version as version_module
from codi_core.errors import ArtifactError, Cancelled
from codi_core.keys import canonical, key_of
from codi_core.settings import ROOT, Settings
from codi_core.store import Artifact, Store, save_json, save_npz, save_parquet
from codi_core.version import code_version


@dataclass(frozen=True)
class MeansSpec:
    kind: ClassVar[str] = "means"
    n: int = 3
    coefficient: float = 0.1


SPEC = MeansSpec()
KEY = key_of(SPEC)


def make(settings: Settings, spec: MeansSpec = SPEC, fill: float = 1.0) -> Artifact:
    store = Store(settings)
    with store.write("means", spec) as folder:
        save_npz(folder / "means.npz", {"h": np.full((7, 4), fill, np.float32), "tokens": np.array(["a", "ü"])})
        save_json(folder / "card.json", {"n": spec.n, "text": "ü"})
        save_parquet(folder / "rows.parquet", pd.DataFrame({"id": ["a", "b"], "gold": [1.0, 2.5]}))
    return store.read("means", key_of(spec))


@pytest.mark.parametrize("clock", ["2999-01-01T00:00:00+00:00", "2999-01-01T01:00:00.000+01:00"])
def test_what_is_made_last_is_the_newest_though_the_clock_was_set_back(settings: Settings, clock: str) -> None:
    meta = Store(settings).path("means", make(settings).meta.key) / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "created": clock}))
    second, third = (make(settings, MeansSpec(n)).meta.created for n in (4, 5))
    assert "2999-01-01T00:00:00+00:00" < second < third < "2999-01-01T00:00:01+00:00"


def test_an_unreadable_time_is_before_all_others(settings: Settings) -> None:
    meta = Store(settings).path("means", make(settings).meta.key) / "meta.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "created": "yesterday"}))
    assert make(settings, MeansSpec(4)).meta.created < "2999"


def test_what_is_written_is_read_back(settings: Settings) -> None:
    artifact = make(settings)
    arrays = artifact.npz("means.npz")
    assert arrays["h"].dtype == np.float32
    np.testing.assert_array_equal(arrays["h"], np.ones((7, 4)))
    assert arrays["tokens"].tolist() == ["a", "ü"]
    assert artifact.json("card.json") == {"n": 3, "text": "ü"}
    assert artifact.parquet("rows.parquet").to_dict("list") == {"id": ["a", "b"], "gold": [1.0, 2.5]}


def test_meta_says_where_it_comes_from(settings: Settings) -> None:
    artifact = make(settings)
    assert artifact.path == settings.cache_dir / "means" / KEY == Store(settings).path("means", KEY)
    meta = json.loads((artifact.path / "meta.json").read_text())
    assert meta["spec"] == canonical(SPEC)
    assert key_of(meta["spec"]) == meta["key"] == KEY
    assert meta["code"] == code_version()
    assert set(meta["libraries"]) >= {"python", "torch", "transformers", "numpy"}
    assert set(meta["files"]) == {"means.npz", "card.json", "rows.parquet"}
    for name, recorded in meta["files"].items():
        assert recorded["size"] == (artifact.path / name).stat().st_size


def test_files_in_folders_are_part_of_the_artifact(settings: Settings) -> None:
    store = Store(settings)
    with store.write("lens", SPEC) as folder:
        (folder / "tuned").mkdir()
        save_json(folder / "tuned" / "config.json", {})
    (settings.cache_dir / "lens" / KEY / "tuned" / "config.json").unlink()
    with pytest.raises(ArtifactError, match=r"config\.json"):
        store.read("lens", KEY)


def test_nothing_is_found_before_it_is_made(settings: Settings) -> None:
    store = Store(settings)
    assert store.find("means", KEY) is None
    with pytest.raises(ArtifactError, match=f"no means artifact with key {KEY}"):
        store.read("means", KEY)


def test_another_spec_has_another_folder(settings: Settings) -> None:
    first, second = make(settings), make(settings, MeansSpec(coefficient=0.2), fill=2.0)
    assert first.path != second.path
    assert Store(settings).read("means", KEY).npz("means.npz")["h"][0, 0] == 1.0


def test_what_ships_is_found_first(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = tmp_path / "bundled"
    monkeypatch.setattr(Settings, "bundled_dir", property(lambda self: shipped))
    make(dataclasses.replace(settings, cache_dir=shipped), fill=5.0)
    assert Store(settings).find("means", KEY) == shipped / "means" / KEY
    make(settings, fill=1.0)
    assert Store(settings).read("means", KEY).npz("means.npz")["h"][0, 0] == 5.0


@pytest.mark.parametrize("error", [RuntimeError("boom"), Cancelled("superseded"), KeyboardInterrupt()])
def test_unfinished_work_leaves_nothing(settings: Settings, error: BaseException) -> None:
    store = Store(settings)
    with pytest.raises(type(error)), store.write("means", SPEC) as folder:
        save_json(folder / "card.json", {})
        raise error
    assert store.find("means", KEY) is None
    assert list((settings.cache_dir / "means").iterdir()) == []


def test_a_network_error_while_making_is_not_called_a_disk_error(settings: Settings) -> None:
    with pytest.raises(ConnectionError), Store(settings).write("means", SPEC):
        raise ConnectionError("no route to the hub")


def test_a_full_disk_says_so(settings: Settings) -> None:
    with pytest.raises(ArtifactError, match=r"No space left.*CODI_CACHE_DIR"), Store(settings).write("means", SPEC):
        raise OSError(28, "No space left on device")


def test_a_cache_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="CODI_CACHE_DIR"), Store(Settings(cache_dir=tmp_path / "file")).write("means", SPEC):
        pass


# --- broken artifacts ---------------------------------------------------------------------------------------------------------


def test_no_meta_means_incomplete(settings: Settings) -> None:
    artifact = make(settings)
    (artifact.path / "meta.json").unlink()
    assert Store(settings).find("means", KEY) is None
    with pytest.raises(ArtifactError, match=r"incomplete.*delete"):
        Store(settings).read("means", KEY)


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize("damage", [flip_a_byte, truncate, Path.unlink])
def test_a_damaged_file_is_named(settings: Settings, damage: Callable[[Path], None]) -> None:
    artifact = make(settings)
    damage(artifact.path / "means.npz")
    with pytest.raises(ArtifactError, match=r"means\.npz.*delete"):
        Store(settings).read("means", KEY)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"kind": "means"}', "\xff", "null"])
def test_a_damaged_meta_is_named(settings: Settings, text: str) -> None:
    artifact = make(settings)
    (artifact.path / "meta.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ArtifactError, match=r"meta\.json is not readable"):
        Store(settings).read("means", KEY)


def test_an_artifact_moved_to_another_key_is_refused(settings: Settings) -> None:
    artifact = make(settings)
    artifact.path.rename(artifact.path.with_name("0" * 16))
    with pytest.raises(ArtifactError, match=KEY):
        Store(settings).read("means", "0" * 16)


def test_a_spec_edited_by_hand_is_refused(settings: Settings) -> None:
    artifact = make(settings)
    meta = json.loads((artifact.path / "meta.json").read_text())
    meta["spec"]["n"] = 1000
    (artifact.path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(ArtifactError, match="from a spec with key"):
        Store(settings).read("means", KEY)


def test_writing_again_replaces_a_broken_artifact(settings: Settings) -> None:
    flip_a_byte(make(settings).path / "means.npz")
    assert make(settings, fill=2.0).npz("means.npz")["h"][0, 0] == 2.0
    assert [path.name for path in (settings.cache_dir / "means").iterdir()] == [KEY]


def test_what_can_be_made_again_is_set_aside_when_damaged_and_said_in_one_line(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    store, artifact = Store(settings), make(settings)
    assert store.ready("means", KEY) and not caplog.records
    (artifact.path / "card.json").write_text("other")
    assert not store.ready("means", KEY)
    (record,) = caplog.records
    assert "card.json has 5 bytes" in record.message and record.message.endswith("It is computed again.")
    assert not artifact.path.exists() and not store.ready("means", KEY) and len(caplog.records) == 1


def test_what_ships_damaged_is_made_again_here(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = Settings(cache_dir=tmp_path / "bundled")
    monkeypatch.setattr(Settings, "bundled_dir", shipped.cache_dir)
    (make(shipped).path / "card.json").write_text("other")
    assert not Store(settings).ready("means", KEY)
    assert make(settings).path == settings.cache_dir / "means" / KEY
    assert Store(settings).ready("means", KEY)


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_holds_is_not(settings: Settings) -> None:
    script = f"""
import sys, time
from pathlib import Path
from codi_core.settings import Settings
from codi_core.store import Store
from tests.unit.test_store import SPEC
with Store(Settings(cache_dir=Path({str(settings.cache_dir)!r}))).write("means", SPEC) as folder:
    (folder / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(600)
"""
    writer = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        (held,) = (settings.cache_dir / "means").glob(".*.*[!k]")
        Store(settings).tidy()
        assert (held / "half").exists()
    finally:
        writer.kill()
        writer.communicate()
    assert held.exists()
    Store(settings).tidy()
    assert not list((settings.cache_dir / "means").iterdir())


def test_a_value_at_hand_survives_a_disk_that_does_not_take_it(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    def fill(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    Store(settings).keep("means", SPEC, fill)
    assert "free some space" in caplog.text and "not kept" in caplog.text


@dataclass(frozen=True)
class OlderSpec:
    kind: ClassVar[str] = "means"
    n: int = 3


def test_what_another_version_made_is_left_out_and_named(settings: Settings) -> None:
    make(settings)
    store = Store(settings)
    assert [spec for _, spec in store.readable("means", MeansSpec)[0]] == [SPEC]
    found, (reason,) = store.readable("means", OlderSpec)
    assert not found and f"made by version {code_version()}" in reason and "coefficient" in reason


def test_a_file_that_was_never_stored_is_refused(settings: Settings) -> None:
    with pytest.raises(ArtifactError, match=r"no file '\.\./secret\.json', only card\.json"):
        make(settings).json("../secret.json")


@pytest.mark.parametrize("reader", ["npz", "json", "parquet"])
def test_a_file_of_another_format_is_refused(settings: Settings, reader: str) -> None:
    store = Store(settings)
    with store.write("means", SPEC) as folder:
        (folder / "data").write_bytes(b"\x80neither")
    with pytest.raises(ArtifactError, match="data is not"):
        getattr(store.read("means", KEY), reader)("data")


def test_objects_are_neither_written_nor_read_as_pickles(settings: Settings) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    store = Store(settings)
    with pytest.raises(ValueError, match="allow_pickle"), store.write("means", SPEC) as folder:
        save_npz(folder / "a.npz", {"a": objects})
    with store.write("means", SPEC) as folder:
        np.savez(folder / "a.npz", a=objects)
    with pytest.raises(ArtifactError, match="not a readable"):
        store.read("means", KEY).npz("a.npz")


def test_not_a_number_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save_json(tmp_path / "a.json", {"accuracy": float("nan")})


@pytest.mark.parametrize("name", ["..", "../means", "a/b", "", ".hidden", "A" * 4, "bundled", "a\n", "/etc"])
def test_names_that_leave_the_cache_are_refused(settings: Settings, name: str) -> None:
    store = Store(settings)
    for kind, key in ((name, KEY), ("means", name)):
        with pytest.raises(ArtifactError, match="cannot name an artifact"):
            store.path(kind, key)
        with pytest.raises(ArtifactError, match="cannot name an artifact"):
            store.read(kind, key)


# --- several writers ----------------------------------------------------------------------------------------------------------


def test_the_first_to_finish_wins(settings: Settings) -> None:
    store = Store(settings)
    with store.write("means", SPEC) as slow:
        save_json(slow / "card.json", {"who": "slow"})
        with store.write("means", SPEC) as fast:
            save_json(fast / "card.json", {"who": "fast"})
    assert store.read("means", KEY).json("card.json") == {"who": "fast"}
    assert [path.name for path in (settings.cache_dir / "means").iterdir()] == [KEY]


def write_many(cache_dir: Path, who: int) -> None:
    for n in range(10):
        make(Settings(cache_dir=cache_dir), MeansSpec(n=n), fill=float(who))


def test_processes_writing_the_same_keys_do_not_corrupt_them(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(settings.cache_dir, who)) for who in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]  # every write was followed by a verified read
    assert len(list((settings.cache_dir / "means").iterdir())) == 10
    for n in range(10):
        h = Store(settings).read("means", key_of(MeansSpec(n=n))).npz("means.npz")["h"]
        assert h.min() == h.max()


# --- code version -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree of its own, inside a repository that is not ours."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    root = tmp_path / "tree"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    monkeypatch.setattr(version_module, "ROOT", root)
    monkeypatch.setattr(version_module, "version", version_module.version.__wrapped__)  # not the one kept from another test
    return root


def test_code_version_is_the_commit_and_tells_when_files_differ(tree: Path) -> None:
    def git(*args: str) -> str:
        who = dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"), "t")
        done = subprocess.run(["git", "-C", tree, *args], env={**os.environ, **who}, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    commit = git("rev-parse", "HEAD")
    assert code_version.__wrapped__() == commit
    (tree / "pyproject.toml").write_text('[project]\nversion = "9.8.8"\n')
    assert code_version.__wrapped__() == f"{commit}-dirty"


def test_code_version_outside_git_is_the_package_version(tree: Path) -> None:
    assert code_version.__wrapped__() == "9.8.7"


def test_pyproject_has_a_version_for_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_version.__wrapped__().count(".") == 2
    assert (ROOT / "pyproject.toml").is_file()


def test_an_error_of_files_says_what_and_the_repair_and_keeps_both_between_processes() -> None:
    error = copy(ArtifactError("x is cut", "delete x and run again"))  # by `__reduce_ex__`, as it goes to another process
    assert (str(error), error.what, error.repair) == ("x is cut: delete x and run again", "x is cut", "delete x and run again")
