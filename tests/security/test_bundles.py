"""A bundle from somebody else: taken in when every hash and spec is right, refused by name when not, and never further than the cache."""

from __future__ import annotations

import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from codi_core.cli import main
from codi_core.errors import BundleError
from codi_core.services.bundle import bundle_eval, bundle_lens, bundle_sweep, zipped
from codi_core.services.evaluate import EvalRequest, stored_evals
from codi_core.services.received import Received, add_bundle
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.stored import read_sweep
from codi_core.settings import Settings

SWEEP = "526b7f57201cf776"
"""One that ships, so none is computed here."""


def settings_in(folder: Path, ships: bool = True) -> Settings:
    """Somebody's cache; without what ships, as a newer version would find an older sweep."""
    if ships:
        return Settings(cache_dir=folder, device="cpu", threads=1)

    class Bare(Settings):
        bundled_dir = folder / "nothing"  # type: ignore[assignment]

    return Bare(cache_dir=folder, device="cpu", threads=1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(settings_in(tmp_path_factory.mktemp("theirs")))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def sweep(bench: Workbench) -> tuple[str, bytes]:
    return bundle_sweep(bench, SWEEP)


@pytest.fixture(scope="module")
def lens(bench: Workbench) -> tuple[str, bytes]:
    return bundle_lens(bench, "bundled-steps", "tuned:all", "test")


def files_of(content: bytes) -> dict[str, bytes]:
    """Without the bundle's folder and its list of hashes."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found = {info.filename.partition("/")[2]: archive.read(info) for info in archive.infolist()}
    del found["SHA256SUMS"]
    return found


def changed(bundle: tuple[str, bytes], change: Callable[[dict[str, bytes]], object]) -> bytes:
    """With a list of hashes that fits again: what a careful forger would send."""
    files = files_of(bundle[1])
    change(files)
    return zipped("forged", files)


def add(settings: Settings, content: bytes) -> Received:
    return add_bundle(settings, io.BytesIO(content))


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_sweep_is_taken_in_once_and_reads_as_it_did(bench: Workbench, sweep: tuple[str, bytes], tmp_path: Path) -> None:
    settings = settings_in(tmp_path, ships=False)
    received = add(settings, sweep[1])
    assert received.name == f"codi-sweep-{SWEEP}"
    assert received.parts[0].taken and SWEEP in received.parts[0].sentence and "taken in" in received.parts[0].sentence
    here, there = (read_sweep(Workbench(own).store, SWEEP) for own in (settings, bench.settings))
    assert here.cells.equals(there.cells), "with the bands that were measured elsewhere"
    again = add(settings, sweep[1])
    assert not any(part.taken for part in again.parts) and "is here already" in again.parts[0].sentence
    assert not any("incoming" in path.parts and path.is_file() for path in tmp_path.rglob("*"))


def test_an_eval_is_taken_in(bench: Workbench, tmp_path: Path) -> None:
    request = EvalRequest("bundled-steps", "templates", 4, passes=3)
    assert add(settings_in(tmp_path), bundle_eval(bench, request, "test")[1]).parts[0].taken
    other = Workbench(settings_in(tmp_path))
    try:
        spec = other.run("bundled-steps", lambda engine, _: engine.model.spec, "test")
        assert [report for report in stored_evals(other, spec) if report.spec.rollout.passes == 3 and report.accuracy.n == 4]
    finally:
        other.close()


def test_a_lens_is_taken_in_unless_another_one_is_in_the_way(lens: tuple[str, bytes], tmp_path: Path) -> None:
    settings = settings_in(tmp_path, ships=False)
    assert add(settings, lens[1]).parts[0].taken
    place = tmp_path / "lenses" / "bundled-steps" / "all"
    assert sorted(path.name for path in place.iterdir()) == ["codi.json", "config.json", "params.pt"]
    assert not add(settings, lens[1]).parts[0].taken, "the same once more"
    assert not add(settings_in(tmp_path / "other"), lens[1]).parts[0].taken, "as it ships"
    (place / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BundleError, match="There is another lens tuned:all of bundled-steps"):
        add(settings, lens[1])


def test_the_command_line_says_what_it_took_and_what_it_refuses(
    sweep: tuple[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    good.write_bytes(sweep[1])
    bad.write_bytes(b"no zip at all")
    words = ["--cache-dir", str(tmp_path / "cache")]
    assert main(["add", str(good), *words]) == 0
    assert "is here already" in capsys.readouterr().out, "it ships"
    assert main(["add", str(bad), *words]) == 2
    assert "no .zip that can be read" in capsys.readouterr().err
    assert main(["add", str(tmp_path / "none.zip"), *words]) == 2
    assert "There is no file" in capsys.readouterr().err


def edited(name: str, change: Callable[[dict[str, object]], object]) -> Callable[[dict[str, bytes]], None]:
    def edit(files: dict[str, bytes]) -> None:
        found = next(file for file in files if file.endswith(name))
        data = json.loads(files[found])
        change(data)
        files[found] = json.dumps(data).encode()

    return edit


ROWS = f"artifacts/sweeps/{SWEEP}/rows.parquet"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda files: files.update({ROWS: b"other"}), "has 5 bytes|SHA-256"),
        (edited(f"{SWEEP}/meta.json", lambda meta: meta["spec"].update(numerics=99)), "from a spec with key"),
        (edited(f"{SWEEP}/meta.json", lambda meta: meta["files"].pop("rows.parquet")), "rows.parquet|other files"),
        (edited(f"{SWEEP}/meta.json", lambda meta: meta.update(kind="models")), "models"),
        (lambda files: files.update({"artifacts/models/aa/meta.json": b"{}"}), "not 'models'"),
        (lambda files: [files.pop(name) for name in list(files) if name.startswith("artifacts")], "nothing that could be taken in"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    sweep: tuple[str, bytes], tmp_path: Path, change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        add(settings_in(tmp_path, ships=False), changed(sweep, change))
    assert left_in(tmp_path) == []


def test_a_forged_accuracy_is_counted_again(sweep: tuple[str, bytes], tmp_path: Path) -> None:
    """With every hash made right again: the rows say otherwise."""
    import hashlib

    import pandas as pd

    def forge(files: dict[str, bytes]) -> None:
        name, meta = f"artifacts/sweeps/{SWEEP}/cells.parquet", f"artifacts/sweeps/{SWEEP}/meta.json"
        cells, packed = pd.read_parquet(io.BytesIO(files[name])), io.BytesIO()
        cells["accuracy"] = cells["accuracy"].where(cells["role"] != "cell", 0.99).astype("float32")
        cells.to_parquet(packed, index=False)
        files[name], data = packed.getvalue(), json.loads(files[meta])
        data["files"]["cells.parquet"] = {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
        files[meta] = json.dumps(data).encode()

    with pytest.raises(BundleError, match=r"accuracies of sweep .* are not those of its rows"):
        add(settings_in(tmp_path, ships=False), changed(sweep, forge))


class Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch harmed",)


def test_nothing_is_unpickled(lens: tuple[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packed = io.BytesIO()
    torch.save({"weight": Harm()}, packed)
    for content in (packed.getvalue(), pickle.dumps(Harm())):
        with pytest.raises(BundleError, match=r"params\.pt is more than tensors"):
            add(
                settings_in(tmp_path / "cache", ships=False),
                changed(lens, lambda files, own=content: files.update({"lens/params.pt": own})),
            )
    assert not (tmp_path / "harmed").exists() and left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (edited("codi.json", lambda card: card["model"].update(name="../../elsewhere")), "cannot name a lens"),
        (edited("codi.json", lambda card: card.update(name="tuned:../up")), "cannot name a lens"),
        (edited("codi.json", lambda card: card["model"].update(checkpoint="0" * 64)), "another model or training"),
        (edited("spec.json", lambda spec: spec.update(key="0" * 16)), "another model or training"),
        (lambda files: files.update({"lens/run.py": b"1"}), "has no file 'run.py'"),
        (lambda files: files.pop("lens/codi.json"), "no card"),
    ],
)
def test_a_lens_is_of_the_model_it_says(
    lens: tuple[str, bytes], tmp_path: Path, change: Callable[[dict[str, bytes]], object], words: str
) -> None:
    with pytest.raises(BundleError, match=words):
        add(settings_in(tmp_path, ships=False), changed(lens, change))
    assert left_in(tmp_path) == []


def packed(*entries: tuple[str, bytes], mode: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, mode << 16
            archive.writestr(info, content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (packed(("a/../../up.txt", b"x")), "could land anywhere"),
        (packed(("/etc/up.txt", b"x")), "could land anywhere"),
        (packed(("C:/up.txt", b"x")), "could land anywhere"),
        (packed(("a\\..\\up.txt", b"x")), "could land anywhere"),
        (packed(("a/.hidden", b"x")), "could land anywhere"),
        (packed(("a/link", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777), "is a link"),
        (packed(("a/zeros", bytes(64 << 20)), method=zipfile.ZIP_DEFLATED), "would expand"),
        (packed(("a/x", b"x"), method=zipfile.ZIP_LZMA), "compressed in a way"),
        (packed(*((f"a/{n}", b"") for n in range(2_001))), "2,001 files"),
        (packed(("a/x", b"x"), ("a/X", b"y")), "two files of one name"),
        (packed(("a/x", b"x"), ("b/x", b"y")), "2 folders at its top"),
        (packed(("a/x", b"x")), "no SHA256SUMS"),
        (packed(("a/x", b"x"), ("a/SHA256SUMS", b"")), "other files than its SHA256SUMS"),
        (packed(("a/x", b"x"), ("a/SHA256SUMS", b"0" * 64 + b"  x\n")), "x has changed"),
        (b"", "no .zip"),
    ],
)
def test_what_is_no_bundle_leaves_nothing_behind(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=words):
        add(settings_in(tmp_path / "cache"), content)
    assert left_in(tmp_path) == []


def test_a_size_that_is_a_lie_is_not_believed(tmp_path: Path) -> None:
    """The directory states a few bytes, the stream has many: what is read ends where it said, and fails its checksum."""
    honest = bytearray(packed(("a/x", bytes(1 << 20)), method=zipfile.ZIP_DEFLATED))
    at = honest.index(b"PK\x01\x02")
    honest[at + 24 : at + 28] = (10).to_bytes(4, "little")
    with pytest.raises(BundleError, match=r"no \.zip that can be read"):
        add(settings_in(tmp_path), bytes(honest))
    assert left_in(tmp_path) == []
