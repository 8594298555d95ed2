"""Files a person brings: kept under the cache by their content, so that a link with their name means the same questions."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from codi_core.errors import ArtifactError, DataError
from codi_core.problems.evalsets import read_questions
from codi_core.settings import Settings

ENDINGS = ("jsonl", "json", "csv", "parquet")
_NAME = re.compile(r"upload-[0-9a-f]{12}\.(jsonl|json|csv|parquet)")


def keep(settings: Settings, file_name: str, content: bytes) -> str:
    """The name under which `eval_set_file` finds it. Raises DataError when its questions cannot be read, ArtifactError without disk."""
    ending = file_name.rpartition(".")[2].lower()
    if ending not in ENDINGS:
        raise DataError(f"'{file_name}' is no file this reads: bring a {', '.join(ENDINGS)} file.")
    name = f"upload-{hashlib.sha256(content).hexdigest()[:12]}.{ending}"
    path = _folder(settings) / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written ({error}): free some space, or set CODI_CACHE_DIR to another folder.") from error
    try:
        read_questions(path)
    except DataError as error:
        path.unlink()
        raise DataError(str(error).replace(str(path), file_name)) from error
    return name


def eval_set_file(settings: Settings, name: str) -> str:
    """What to give as an eval set: the path of an uploaded file, any other name as it is.

    Raises DataError for an upload that is not here, and for a path: pages read no files of the server.
    """
    if _NAME.fullmatch(name):
        path = _folder(settings) / name
        if not path.is_file():
            raise DataError(f"'{name}' is not on this server (any more): bring the file again.")
        return str(path)
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise DataError(f"'{name}' is no eval set of this page.")
    return name


def _folder(settings: Settings) -> Path:
    return settings.cache_dir / "uploads"
