"""Fetch a checkpoint from the Hugging Face hub: its weights and the small files beside them, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from codi_core.errors import CheckpointError, ModelError
from codi_core.models.files import INDEX_SUFFIX, WEIGHT_FILES, find_weights, is_loose, listed

_HUB_ID = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?::(?P<inside>[\w./-]+))?")
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
OTHER_FILES = ("config.json", "codi.json", "adapter_config.json", *TOKENIZER_FILES)


def split_hub_id(name: str) -> tuple[str, str] | None:
    """``owner/repo:path`` → repository, and the file or folder in it (empty: all of it); None for what is not shaped like a hub id."""
    match = _HUB_ID.fullmatch(name)
    return (match["repository"], match["inside"] or "") if match and not name.startswith(".") else None


def fetch(hub_id: str, revision: str | None, inside: str = "") -> Path:
    """Folder with a repository's files, downloaded once with a progress bar into huggingface_hub's cache (``HF_HOME``).

    ``inside``: a file or folder of the repository. Raises ModelError that says what to do when the repository is absent or gated, or when
    there is no network and no copy.
    """
    return _downloaded(hub_id, revision, lambda: _wanted_files(hub_id, revision, inside)) / inside


def fetch_tokenizer(hub_id: str) -> Path:
    """Folder with a base model's tokenizer and nothing else. Raises ModelError as `fetch` does."""
    return _downloaded(hub_id, None, lambda: list(TOKENIZER_FILES))


def is_here(hub_id: str, revision: str | None, inside: str = "") -> bool:
    """Whether a checkpoint's weights were downloaded before."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        find_weights(Path(snapshot_download(hub_id, revision=revision, local_files_only=True)) / inside)
    except (LocalEntryNotFoundError, CheckpointError, OSError):
        return False
    return True


def _downloaded(hub_id: str, revision: str | None, wanted: Callable[[], list[str]]) -> Path:
    import httpx  # here, and the hub's library: what ships needs neither
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"'{hub_id}'" + (f" at revision {revision[:8]}" if revision else "")
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=wanted()))
    except GatedRepoError as error:
        raise ModelError(f"{where} is gated: accept its licence on huggingface.co and set HF_TOKEN.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(f"{where} is not on the hub, or is private: check the name, or set HF_TOKEN.") from error
    except (httpx.HTTPError, OSError) as error:
        return _cached(hub_id, revision, where, error)


def _wanted_files(hub_id: str, revision: str | None, inside: str) -> list[str]:
    from huggingface_hub import HfApi

    return wanted_of(hub_id, HfApi().list_repo_files(hub_id, revision=revision), inside)


def wanted_of(hub_id: str, present: Sequence[str], inside: str) -> list[str]:
    """Patterns of the files to download. Raises CheckpointError when no weights, or several, are among those ``present``."""
    if inside in present:
        folder = f"{inside.rpartition('/')[0]}/" if "/" in inside else ""
        return [inside, *(folder + name for name in OTHER_FILES)]
    folder = f"{inside}/" if inside else ""
    here = [name.removeprefix(folder) for name in present if name.startswith(folder) and "/" not in name.removeprefix(folder)]
    weights = next((name for name in WEIGHT_FILES if name in here), None)
    if weights is not None:
        shards = [weights.removesuffix(INDEX_SUFFIX).replace(".", "-*-of-*.")] if weights.endswith(INDEX_SUFFIX) else []
        return [folder + name for name in (weights, *shards, *OTHER_FILES)]
    loose = [name for name in here if is_loose(name)]
    if len(loose) == 1:
        return [folder + name for name in (loose[0], *OTHER_FILES)]
    candidates = [name for name in present if is_loose(name.rpartition("/")[2])]
    if candidates:
        raise CheckpointError(
            f"'{hub_id}' holds several files of weights ({listed(candidates)}): give one, as in {hub_id}:{candidates[0]}."
        )
    raise CheckpointError(f"'{hub_id}' holds none of {', '.join(WEIGHT_FILES)}, nor a file such as checkpoint_22: it is not a checkpoint.")


def _cached(hub_id: str, revision: str | None, where: str, cause: Exception) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"{where} could not be downloaded ({type(cause).__name__}: no network, or HF_HUB_OFFLINE?) and no copy is cached. Go online "
            "once, or bring the files here and give their folder as the model. The bundled model needs no network."
        ) from cause
