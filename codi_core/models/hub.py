"""Fetch a checkpoint from the Hugging Face hub: one weight file and the tokenizer, nothing else."""

from __future__ import annotations

from pathlib import Path

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError

from codi_core.errors import CheckpointError, ModelError
from codi_core.models.checkpoint import WEIGHT_FILES

OTHER_FILES = ("config.json", "codi.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def fetch(hub_id: str, revision: str | None) -> Path:
    """Folder with a repository's files, downloaded once with a progress bar into huggingface_hub's cache (``HF_HOME``).

    Raises ModelError that says what to do when the repository is absent or gated, or when there is no network and no copy.
    """
    where = f"'{hub_id}'" + (f" at revision {revision[:8]}" if revision else "")
    try:
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=_wanted_files(hub_id, revision)))
    except GatedRepoError as error:
        raise ModelError(f"{where} is gated: accept its licence on huggingface.co and set HF_TOKEN.") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise ModelError(f"{where} is not on the hub, or is private: check the name, or set HF_TOKEN.") from error
    except (httpx.HTTPError, OSError) as error:
        return _cached(hub_id, revision, where, error)


def _wanted_files(hub_id: str, revision: str | None) -> list[str]:
    present = HfApi().list_repo_files(hub_id, revision=revision)
    weights = next((name for name in WEIGHT_FILES if name in present), None)
    if weights is None:
        raise CheckpointError(f"'{hub_id}' holds no {' or '.join(WEIGHT_FILES)}: it is not a CODI checkpoint.")
    return [weights, *OTHER_FILES]


def _cached(hub_id: str, revision: str | None, where: str, cause: Exception) -> Path:
    try:
        return Path(snapshot_download(hub_id, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        raise ModelError(
            f"{where} could not be downloaded ({type(cause).__name__}: no network?) and no copy is cached. Go online once, or bring "
            "the files here and give their folder as the model. The bundled model needs no network."
        ) from cause
