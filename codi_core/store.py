"""Content-addressed artifacts: ``cache/<kind>/<key>/`` holds the files one spec made, and ``meta.json`` which says what they are.

``kind`` names what the files hold (``means``, ``lens``, ``runs``); ``key`` is the spec's key, so equal specs share one folder and a
changed spec never finds another's numbers. A folder appears complete or not at all: files are written beside it, ``meta.json`` last,
then one rename. Folders whose name starts with a dot are unfinished or discarded work; `Store.tidy` removes those that nobody holds.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import platform
import re
import shutil
import uuid
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from filelock import Timeout

from codi_core.disk import held_by, sha256_of, take_place, written_aside
from codi_core.errors import ArtifactError
from codi_core.keys import Spec, canonical, from_canonical, key_of
from codi_core.settings import Settings
from codi_core.version import code_version

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
META = "meta.json"
PLACES = ("*", "lenses/*", "jlens/*")
"""Of the cache, where folders are written aside."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_UNFINISHED = re.compile(r"\.[a-z0-9][a-z0-9+_-]*\.[0-9a-f]{32}(\.broken)?")
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
    """UTC, ISO 8601: by the clock of the machine that made it, but after all of its kind that were there. So the newest is the one that was
    made last, though the clock be set back; of two with one time, as two writers at once may have, it is the one of the greater key."""
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
            raise ArtifactError(f"{self.path} holds no file {name!r}, only {', '.join(sorted(self.meta.files))}", _remake(self.path))
        return self.path / name

    def spec(self, kind: type[Spec]) -> Spec:
        """What it was made from, which another version may say in other words."""
        try:
            known: Spec = _spec_of(cast(Any, kind), json.dumps(self.meta.spec, sort_keys=True))
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise ArtifactError(
                f"{self.path} was made by version {self.meta.code} of this code, which this one cannot read ({error})",
                f"use that one, or {_remake(self.path)}",
            ) from error
        return known

    def npz(self, name: str) -> dict[str, npt.NDArray[Any]]:
        path = self.file(name)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {key: arrays[key] for key in arrays.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise ArtifactError(f"{path} is not a readable .npz file ({error})", _remake(self.path)) from error

    def json(self, name: str) -> Any:
        path = self.file(name)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ArtifactError(f"{path} is not readable JSON ({error})", _remake(self.path)) from error

    def parquet(self, name: str) -> pd.DataFrame:
        import pandas as pd  # here: half of all commands read no table

        path = self.file(name)
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's ArrowInvalid is a ValueError
            raise ArtifactError(f"{path} is not a readable parquet file ({error})", _remake(self.path)) from error


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

    def readable(self, kind: str, spec: type[Spec]) -> tuple[list[tuple[Artifact, Spec]], tuple[str, ...]]:
        """All artifacts of a kind with their specs, and why others cannot be read: damaged, or made by a version that says it otherwise."""
        found: list[tuple[Artifact, Spec]] = []
        skipped: list[str] = []
        for key in self.keys(kind):
            try:
                artifact = self.read(kind, key)
                found.append((artifact, artifact.spec(spec)))
            except ArtifactError as error:
                skipped.append(str(error))
        return found, tuple(skipped)

    def ready(self, kind: str, key: str) -> bool:
        """Whether `read` gives it, for what can be made again: a damaged one is said to be in one line and set aside, and is not ready."""
        for root in (self._bundled, self._made):
            folder = root / _checked(kind, key)
            if not folder.exists():
                continue
            try:
                verified(folder, kind, key)
            except ArtifactError as error:
                log.warning("%s. It is computed again.", error.what)
                if root == self._made:
                    _set_aside(folder)
            else:
                return True
        return False

    def read(self, kind: str, key: str) -> Artifact:
        """The artifact, every file compared with its recorded size and SHA-256; ArtifactError when it is absent, incomplete or changed.
        What ships comes first, unless it is damaged and was made again here."""
        folder, path = self.find(kind, key), self.path(kind, key)
        if folder is not None:
            try:
                return verified(folder, kind, key)
            except ArtifactError:
                if folder == path or not (path / META).is_file():
                    raise
                return verified(path, kind, key)
        if path.exists():
            raise ArtifactError(f"{path} is incomplete (no {META})", _remake(path))
        raise ArtifactError(f"no {kind} artifact with key {key} under {self._bundled} or {self._made}: run what makes it first")

    @contextmanager
    def write(self, kind: str, spec: Any) -> Iterator[Path]:
        """An empty folder to fill; it becomes the artifact of ``spec`` when the block ends, and vanishes when the block raises.

        Two writers of one key may run at once: the first to finish wins and the other's files are discarded. A broken artifact found in
        the way is replaced. Raises ArtifactError when the disk does not take it.
        """
        key = key_of(spec)
        target = self.path(kind, key)
        with written_aside(target) as folder:
            yield folder
            _seal(folder, kind, key, spec, self._now(kind))
            publish(folder, target, kind, key)

    def keep(self, kind: str, spec: Any, fill: Callable[[Path], None]) -> None:
        """As `write`, for a value that is at hand anyway: a disk that does not take it costs a line in the log, not the value."""
        try:
            with self.write(kind, spec) as folder:
                fill(folder)
        except ArtifactError as error:
            log.warning("%s. The result is shown and not kept.", error)

    def _now(self, kind: str) -> str:
        """See `Meta.created`."""
        now, there = _stamp(datetime.now(UTC)), [folder / META for key in self.keys(kind) if (folder := self.find(kind, key))]
        last = max((_created(meta) for meta in there), default="")
        return now if now > last else _stamp(datetime.fromisoformat(last) + timedelta(milliseconds=1))

    def tidy(self) -> None:
        """Remove what killed processes left behind: unfinished and discarded folders that no living process holds."""
        for folder in (found for place in PLACES for found in self._made.glob(f"{place}/.*")):
            if folder.is_dir() and _UNFINISHED.fullmatch(folder.name):
                lock = held_by(folder)
                with suppress(Timeout, OSError):
                    with lock:
                        shutil.rmtree(folder, ignore_errors=True)
                    Path(lock.lock_file).unlink()


def save_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Numbers and strings only: arrays of objects would need a pickle and raise ValueError."""
    np.savez_compressed(path, allow_pickle=False, **arrays)


def save_json(path: Path, value: Any) -> None:
    """Strict JSON: NaN and infinity raise ValueError."""
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def save_parquet(path: Path, frame: pd.DataFrame) -> None:
    frame.to_parquet(path, index=False)


def _checked(kind: str, key: str) -> Path:
    """Relative folder of an artifact; refuses names that could leave the cache or land in the bundled part of it."""
    for name in (kind, key):
        if not _NAME.fullmatch(name) or name == "bundled":
            raise ArtifactError(f"{name!r} cannot name an artifact: use lower-case letters, digits, '-' and '_'")
    return Path(kind, key)


@lru_cache(maxsize=1024)
def _spec_of(kind: Any, data: str) -> Any:
    """Stored sweeps are asked for their specs again and again."""
    return from_canonical(kind, json.loads(data))


def _set_aside(folder: Path) -> None:
    with suppress(OSError):  # another process may have been faster
        folder.rename(folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.broken"))


def _remake(folder: Path) -> str:
    return f"delete {folder} and run again to make it anew"


def _seal(folder: Path, kind: str, key: str, spec: Any, created: str) -> None:
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    assert files and META not in files, "an artifact needs files, and writes its own meta.json"
    meta = Meta(
        kind=kind,
        key=key,
        spec=canonical(spec),
        code=code_version(),
        created=created,
        libraries=_libraries(),
        files={name: StoredFile(path.stat().st_size, sha256_of(path)) for name, path in files.items()},
    )
    save_json(folder / META, dataclasses.asdict(meta))


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _created(meta: Path) -> str:
    """Empty where it cannot be read: nothing comes after that."""
    try:
        return _read_created(meta, meta.stat().st_mtime_ns)
    except (OSError, ValueError, TypeError, KeyError, OverflowError):
        return ""


@lru_cache(maxsize=2**16)
def _read_created(meta: Path, mtime_ns: int) -> str:
    return _stamp(datetime.fromisoformat(json.loads(meta.read_text(encoding="utf-8"))["created"]).astimezone(UTC))


@cache
def _libraries() -> dict[str, str]:
    """Once a process: finding them reads a hundred files, and a push among random directions is stored 25 times."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in _LIBRARIES}}


def publish(folder: Path, target: Path, kind: str, key: str) -> None:
    """Move a finished folder to where it is found; what is there already stays, unless it is broken."""
    try:
        folder.rename(target)
        return
    except OSError:
        if not target.is_dir():
            raise
    try:
        verified(target, kind, key)  # someone was faster; what they made is as good as ours
    except ArtifactError:
        take_place(folder, target)


def verified(folder: Path, kind: str, key: str) -> Artifact:
    """A folder whose spec has the key and whose files are as they were recorded. Raises ArtifactError."""
    try:
        data = json.loads((folder / META).read_text(encoding="utf-8"))
        meta = Meta(**{**data, "files": {name: StoredFile(**file) for name, file in data["files"].items()}})
        made_from = key_of(meta.spec)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArtifactError(f"{folder / META} is not readable ({error})", _remake(folder)) from error
    if (meta.kind, meta.key, made_from) != (kind, key, key):
        raise ArtifactError(
            f"{folder} was made as {meta.kind}/{meta.key} from a spec with key {made_from}, not as {kind}/{key}", _remake(folder)
        )
    for name, recorded in meta.files.items():
        path = folder / name
        try:
            size = path.stat().st_size
            if size != recorded.size:
                raise ArtifactError(f"{path} has {size} bytes, {recorded.size} were written", _remake(folder))
            if sha256_of(path) != recorded.sha256:
                raise ArtifactError(f"{path} has changed since it was written (SHA-256 differs)", _remake(folder))
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read ({error.strerror})", _remake(folder)) from error
    return Artifact(folder, meta)
