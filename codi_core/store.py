"""Content-addressed artifacts: ``cache/<kind>/<key>/`` holds the files one spec made, and ``meta.json`` which says what they are.

``kind`` names what the files hold (``means``, ``lens``, ``runs``); ``key`` is the spec's key, so equal specs share one folder and a
changed spec never finds another's numbers. A folder appears complete or not at all: files are written beside it, ``meta.json`` last,
then one rename. Folders whose name starts with a dot are unfinished or discarded work and may be deleted when nothing is running.
"""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import platform
import re
import shutil
import subprocess
import tomllib
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from codi_core.errors import ArtifactError
from codi_core.keys import canonical, key_of
from codi_core.settings import ROOT, Settings

META = "meta.json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO}
_LIBRARIES = ("torch", "transformers", "tokenizers", "tuned-lens", "numpy", "safetensors")


@dataclasses.dataclass(frozen=True)
class StoredFile:
    size: int
    """Bytes."""
    sha256: str


@dataclasses.dataclass(frozen=True)
class Meta:
    """Where an artifact comes from: enough to make it again and to tell whether it is still what was made."""

    kind: str
    key: str
    spec: dict[str, Any]
    """Canonical JSON data of the spec; its ``key_of`` is ``key``."""
    code: str
    """See ``code_version``."""
    created: str
    """UTC, ISO 8601."""
    libraries: dict[str, str]
    files: dict[str, StoredFile]
    """By path inside the folder."""


@dataclasses.dataclass(frozen=True)
class Artifact:
    """A folder whose files were found complete and unchanged. All readers raise ArtifactError."""

    path: Path
    meta: Meta

    def file(self, name: str) -> Path:
        if name not in self.meta.files:
            raise ArtifactError(f"{self.path} holds no file {name!r}, only {', '.join(sorted(self.meta.files))}: {_remake(self.path)}")
        return self.path / name

    def npz(self, name: str) -> dict[str, npt.NDArray[Any]]:
        path = self.file(name)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{path} is not a readable .npz file ({error}): {_remake(self.path)}") from error

    def json(self, name: str) -> Any:
        path = self.file(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} is not readable JSON ({error}): {_remake(self.path)}") from error

    def parquet(self, name: str) -> pd.DataFrame:
        path = self.file(name)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise ArtifactError(f"{path} is not a readable parquet file ({error}): {_remake(self.path)}") from error


class Store:
    """Finds artifacts among those that ship with the repository, then among those made here; makes new ones here."""

    def __init__(self, settings: Settings) -> None:
        self._made = settings.cache_dir
        self._bundled = settings.bundled_dir

    def path(self, kind: str, key: str) -> Path:
        """Folder where an artifact made here lives, whether or not it exists. Kind and key may come from a URL, hence the check."""
        return self._made / _checked(kind, key)

    def find(self, kind: str, key: str) -> Path | None:
        """Folder of a finished artifact, unverified: cheap enough to ask for every row of a table. None when it has to be made."""
        for root in (self._bundled, self._made):
            folder = root / _checked(kind, key)
            if (folder / META).is_file():
                return folder
        return None

    def keys(self, kind: str) -> list[str]:
        """Keys of all finished artifacts of a kind, unverified."""
        folders = [folder for root in (self._bundled, self._made) for folder in (root / kind).glob("*") if _NAME.fullmatch(folder.name)]
        return sorted({folder.name for folder in folders if (folder / META).is_file()})

    def read(self, kind: str, key: str) -> Artifact:
        """The artifact, every file compared with its recorded size and SHA-256; ArtifactError when it is absent, incomplete or changed."""
        folder = self.find(kind, key)
        if folder is not None:
            return _verified(folder, kind, key)
        path = self.path(kind, key)
        if path.exists():
            raise ArtifactError(f"{path} is incomplete (no {META}): {_remake(path)}")
        raise ArtifactError(f"no {kind} artifact with key {key} under {self._bundled} or {self._made}: run what makes it first")

    @contextmanager
    def write(self, kind: str, spec: Any) -> Iterator[Path]:
        """An empty folder to fill; it becomes the artifact of ``spec`` when the block ends, and vanishes when the block raises.

        Two writers of one key may run at once: the first to finish wins and the other's files are discarded. A broken artifact found in
        the way is replaced. Raises ArtifactError when the disk does not take it.
        """
        key = key_of(spec)
        target = self.path(kind, key)
        folder = target.with_name(f".{key}.{uuid.uuid4().hex}")  # same parent: a rename across file systems is not atomic
        try:
            folder.mkdir(parents=True)
            yield folder
            _seal(folder, kind, key, spec)
            _publish(folder, target, kind, key)
        except OSError as error:
            if error.errno not in _DISK:  # network errors are OSErrors too
                raise
            raise ArtifactError(
                f"cannot write {target} ({error}): free some space, or set CODI_CACHE_DIR to a folder that can be written"
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def save_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Numbers and strings only: arrays of objects would need a pickle and raise ValueError."""
    np.savez(path, allow_pickle=False, **arrays)


def save_json(path: Path, value: Any) -> None:
    """Strict JSON: NaN and infinity raise ValueError."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def save_parquet(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False)


@cache
def code_version() -> str:
    """Commit of this source tree, ``-dirty`` appended when tracked files differ from it; the version in pyproject.toml outside git."""
    # an explicit --git-dir: a tree unpacked inside somebody else's repository must not report that one's commit
    git = [
        "git",
        "--no-optional-locks",
        f"--git-dir={ROOT / '.git'}",
        f"--work-tree={ROOT}",
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        return str(project["version"])


def _checked(kind: str, key: str) -> Path:
    """Relative folder of an artifact; refuses names that could leave the cache or land in the bundled part of it."""
    for name in (kind, key):
        if not _NAME.fullmatch(name) or name == "bundled":
            raise ArtifactError(f"{name!r} cannot name an artifact: use lower-case letters, digits, '-' and '_'")
    return Path(kind, key)


def _remake(folder: Path) -> str:
    return f"delete {folder} and run again to make it anew"


def _seal(folder: Path, kind: str, key: str, spec: Any) -> None:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    assert files and META not in files, "an artifact needs files, and writes its own meta.json"
    meta = Meta(
        kind=kind,
        key=key,
        spec=canonical(spec),
        code=code_version(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        libraries={"python": platform.python_version(), **{name: metadata.version(name) for name in _LIBRARIES}},
        files={name: StoredFile(path.stat().st_size, _sha256(path)) for name, path in files.items()},
    )
    save_json(folder / META, dataclasses.asdict(meta))


def _publish(folder: Path, target: Path, kind: str, key: str) -> None:
    try:
        folder.rename(target)
        return
    except OSError:
        if not target.is_dir():
            raise
    try:
        _verified(target, kind, key)  # someone was faster; what they made is as good as ours
    except ArtifactError:
        broken = folder.with_name(f"{folder.name}.broken")
        target.rename(broken)
        folder.rename(target)
        shutil.rmtree(broken, ignore_errors=True)


def _verified(folder: Path, kind: str, key: str) -> Artifact:
    try:
        data = json.loads((folder / META).read_text(encoding="utf-8"))
        meta = Meta(**{**data, "files": {name: StoredFile(**file) for name, file in data["files"].items()}})
        made_from = key_of(meta.spec)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(f"{folder / META} is not readable ({error}): {_remake(folder)}") from error
    if (meta.kind, meta.key, made_from) != (kind, key, key):
        raise ArtifactError(
            f"{folder} was made as {meta.kind}/{meta.key} from a spec with key {made_from}, not as {kind}/{key}: {_remake(folder)}"
        )
    for name, recorded in meta.files.items():
        path = folder / name
        try:
            stat = path.stat()
            if stat.st_size != recorded.size:
                raise ArtifactError(f"{path} has {stat.st_size} bytes, {recorded.size} were written: {_remake(folder)}")
            if _known_sha256(path, stat.st_size, stat.st_mtime_ns) != recorded.sha256:
                raise ArtifactError(f"{path} has changed since it was written (SHA-256 differs): {_remake(folder)}")
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error.strerror}): {_remake(folder)}") from error
    return Artifact(folder, meta)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _known_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """Hash of a file, computed once until its size or time changes: lenses of the 1B model are hundreds of MB and read often."""
    return _sha256(path)
