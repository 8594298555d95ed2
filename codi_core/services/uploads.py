"""Files a person brings: kept under the cache by their content, so that a link with their name means the same questions."""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

from codi_core.errors import ArtifactError, DataError
from codi_core.problems.formats import ENDINGS as FILE_ENDINGS
from codi_core.problems.formats import FILE_TYPES, ending_of
from codi_core.problems.reading import AS_IT_IS, Reading, read_questions
from codi_core.settings import Settings

ENDINGS = (*FILE_ENDINGS, "gz")
"""As a file picker wants them."""
LONGEST_NAME = 80
MOST_UPLOADS = 200
"""The ones brought longest ago are let go; a link to one of them then says to bring the file again."""
_NAME = re.compile(rf"upload-[0-9a-f]{{12}}\.({'|'.join(FILE_ENDINGS)})(\.gz)?")


def save_upload(settings: Settings, file_name: str, content: bytes, reading: Reading = AS_IT_IS) -> str:
    """The name under which `eval_set_file` finds it, with its options. Raises DataError when its questions cannot be read, ArtifactError
    without disk.
    """
    ending = ending_of(file_name)
    if ending is None:
        raise DataError(f"'{file_name}' is not a file type that can be read: use {FILE_TYPES}.")
    if len(content) > settings.most_upload_mb * 2**20:
        raise DataError(
            f"{file_name} has {len(content) / 2**20:.1f} MB: this server takes up to {settings.most_upload_mb} MB (CODI_MOST_UPLOAD_MB). "
            f"Larger files are for the command line: python -m codi_core eval --eval-set {shlex.quote(Path(file_name).name)}"
        )
    zipped = ".gz" if file_name.lower().endswith(".gz") else ""
    name = f"upload-{hashlib.sha256(content).hexdigest()[:12]}.{ending}{zipped}"
    path = _folder(settings) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        _own(path).write_text(Path(file_name).name[-LONGEST_NAME:], encoding="utf-8")
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written ({error}): free some space, or set CODI_CACHE_DIR to another folder.") from error
    try:
        read_questions(path, reading)
    except DataError as error:
        path.unlink()
        _own(path).unlink()
        raise DataError(str(error).replace(str(path), file_name)) from error
    _let_go(path.parent)
    return reading.named(name)


def own_name(settings: Settings, name: str) -> str:
    """What its owner calls an uploaded file, by its name or path here; any other eval set's name as it is."""
    file = Path(name.partition("?")[0]).name
    if not _NAME.fullmatch(file):
        return name
    try:
        return _own(_folder(settings) / file).read_text(encoding="utf-8")
    except OSError:
        return file


def _let_go(folder: Path) -> None:
    kept = [file for file in folder.iterdir() if _NAME.fullmatch(file.name)]
    for file in sorted(kept, key=lambda file: file.stat().st_mtime_ns, reverse=True)[MOST_UPLOADS:]:
        file.unlink(missing_ok=True)
        _own(file).unlink(missing_ok=True)


def eval_set_file(settings: Settings, name: str) -> str:
    """What to give as an eval set: the path of an uploaded file with its options, any other name as it is.

    Raises DataError for an upload that is not here, and for a path: pages read no files of the server.
    """
    file, _, options = name.partition("?")
    if _NAME.fullmatch(file):
        path = _folder(settings) / file
        if not path.is_file():
            raise DataError(f"'{file}' is not on this server (any more): bring the file again.")
        return f"{path}?{options}" if options else str(path)
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise DataError(f"'{name}' is not an eval set of this page.")
    return name


def _own(path: Path) -> Path:
    """Holds the name its owner gave a file."""
    return path.with_name(f"{path.name}.name")


def _folder(settings: Settings) -> Path:
    return settings.cache_dir / "uploads"
