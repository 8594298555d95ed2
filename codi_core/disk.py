"""Files on a disk: folders that appear whole or not at all, and hashes."""

from __future__ import annotations

import errno
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from codi_core.errors import ArtifactError

DISK_FULL_OR_CLOSED = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EIO}


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target`` to fill and rename; what is left of it vanishes. Raises ArtifactError without disk."""
    folder = target.with_name(f".{target.name}.{uuid.uuid4().hex}")  # same parent: a rename across file systems is not atomic
    lock = held_by(folder)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock:
            folder.mkdir()
            yield folder
    except OSError as error:
        if error.errno not in DISK_FULL_OR_CLOSED:  # network errors are OSErrors too
            raise
        raise ArtifactError(f"cannot write {target} ({error}): free some space, or set CODI_CACHE_DIR to another folder") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            Path(lock.lock_file).unlink()


def take_place(folder: Path, target: Path) -> None:
    """``folder``, which was written aside, becomes ``target``; what was there is deleted."""
    broken = folder.with_name(f"{folder.name}.broken")
    if target.exists():
        target.rename(broken)
    folder.rename(target)
    shutil.rmtree(broken, ignore_errors=True)


def held_by(unfinished: Path) -> FileLock:
    """Held while an unfinished folder is filled; the system lets go of it when the process ends, however it ends."""
    return FileLock(unfinished.with_name(f"{unfinished.name}.lock"), timeout=0)


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, computed once until its size or time changes: weights and lenses can be GBs and are asked for often."""
    stat = path.stat()
    return _sha256(path.resolve(), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
