"""Data sets that others publish, on the Hugging Face hub or in a repository of GitHub: downloaded once and read like any other file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from codi_core.errors import DataError
from codi_core.problems.drawing import sample
from codi_core.problems.formats import MOST_BYTES
from codi_core.problems.grouping import groups_of
from codi_core.problems.reading import AS_IT_IS, Reading, read_file
from codi_core.values.questions import Question

PARQUET = "refs/convert/parquet"
"""Revision under which the hub keeps every data set as parquet, as ``config/split/0000.parquet``."""


@dataclass(frozen=True)
class PublicFiles:
    """Files of a data set, read one after the other."""

    repository: str
    files: tuple[str, ...]
    revision: str | None = None
    reading: Reading = AS_IT_IS
    """What is to be known about the files beside their columns."""
    first: int | None = None
    """Only so many rows of the beginning of each file."""

    def questions(self, n: int, seed: int) -> list[Question]:
        """Ids begin with the name of their file."""
        found = [(file, question) for file in self.files for question in self._read(file)]
        groups = [question.groups for _, question in found]
        if len(self.files) > 1 and not any(groups):  # the same text may stand in two files
            groups = groups_of([{}] * len(found), [question.question for _, question in found], (), self.repository)
        questions = [
            replace(question, id=f"{Path(file).stem}/{question.id}", groups=own)
            for (file, question), own in zip(found, groups, strict=True)
        ]
        return sample(questions, n, seed, self.repository)

    def _read(self, file: str) -> tuple[Question, ...]:
        return read_file(self.fetch(file), self.reading, self.first).questions

    def fetch(self, file: str) -> Path:
        """The local copy, downloaded once. Raises DataError offline."""
        raise NotImplementedError

    def _offline(self, file: str, error: Exception) -> DataError:
        return DataError(
            f"{file} of the data set '{self.repository}' could not be downloaded ({type(error).__name__}: no network?) and no copy is "
            f"cached. Go online once, or name a local file of the same questions instead: --eval-set FILE{Path(file).suffix}."
        )


class HubFiles(PublicFiles):
    """A data set on the Hugging Face hub."""

    def fetch(self, file: str) -> Path:
        """With a progress bar, into huggingface_hub's cache (``HF_HOME``)."""
        import httpx
        from huggingface_hub import hf_hub_download, try_to_load_from_cache
        from huggingface_hub.errors import HfHubHTTPError

        cached = try_to_load_from_cache(self.repository, file, repo_type="dataset", revision=self.revision)
        if isinstance(cached, str):  # asking the hub first takes half a minute of retries when there is no network
            return Path(cached)
        try:
            return Path(hf_hub_download(self.repository, file, repo_type="dataset", revision=self.revision))
        except (HfHubHTTPError, httpx.HTTPError, OSError) as error:  # LocalEntryNotFoundError, no network and no copy, is an OSError
            raise self._offline(file, error) from error


class GitHubFiles(PublicFiles):
    """Files of one commit of a repository on GitHub, which ``revision`` names in full: what it holds cannot change."""

    def fetch(self, file: str) -> Path:
        """Into the assets of huggingface_hub's cache, where the other data sets are."""
        import httpx
        from huggingface_hub import cached_assets_path, constants

        place = "codi-explorer", self.repository.replace("/", "--"), str(self.revision)
        try:
            path = cached_assets_path(*place, assets_dir=constants.HF_ASSETS_CACHE) / file.replace("/", "--")
            if not path.is_file():
                aside = path.with_name(f"{path.name}.{uuid4().hex}")
                aside.write_bytes(self._download(file))
                aside.replace(path)
        except (httpx.HTTPError, OSError) as error:
            raise self._offline(file, error) from error
        return path

    def _download(self, file: str) -> bytes:
        import httpx
        from huggingface_hub import constants, errors

        if constants.HF_HUB_OFFLINE:
            raise errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
        content = b""
        with httpx.stream("GET", f"https://raw.githubusercontent.com/{self.repository}/{self.revision}/{file}", timeout=30) as reply:
            reply.raise_for_status()
            for part in reply.iter_bytes():
                content += part
                if len(content) > MOST_BYTES:
                    raise DataError(f"{file} of '{self.repository}' holds more than {MOST_BYTES >> 20} MB.")
        return content
