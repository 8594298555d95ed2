"""Where and how things run. Settings never change a number, so they are never hashed; specs do, and are (see keys)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

from codi_core.errors import InputError

PACKAGE = Path(__file__).resolve().parent
INSTALLED = (PACKAGE / "installed").is_dir()
"""Whether this is an installed package; the wheel puts there what lies beside ``codi_core`` in the source tree."""
ROOT = PACKAGE / "installed" if INSTALLED else PACKAGE.parent
"""Holds ``server.py``, ``app.py``, ``pages/``, ``.streamlit/``, ``docs/glossary.md`` and ``cache/bundled/``."""
BACKENDS = ("local", "ray")
LOCAL = ("127.0.0.1", "localhost", "::1")
"""Addresses at which nobody else reaches a server; without one everybody does."""
ANY = "*"
"""Of CODI_MODELS."""
MOST_THREADS = 1024
"""More than any machine has; libraries abort when they cannot start what they are told to."""


@dataclass(frozen=True)
class Settings:
    """Built once, by the screens or the command line, and passed down. The variable ``CODI_<FIELD>`` sets a field."""

    cache_dir: Path = user_cache_path("codi-explorer", appauthor=False) if INSTALLED else ROOT / "cache"
    model: str = "bundled-steps"
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    """Torch CPU threads; 0 lets torch choose."""
    backend: str = "local"
    """Where the models of the dashboard and of sweeps run: ``local``, on this machine, or ``ray``, in actors."""
    ray_address: str = ""
    """A running Ray cluster, ``auto`` for the one this machine belongs to; empty: Ray is started here and ends with this process."""
    workers: int = 0
    """Ray actors, or processes of a sweep; 0: one a GPU, or one on CPU."""
    models: tuple[str, ...] = ()
    """The only models a server opens, separated by commas; ``*``: any. Empty: any, and on one that others reach ``model`` and those that
    ship."""
    most_work: int = 1_000_000
    """Questions × directions × passes of one request to a server; 0: no limit. The command line has none."""
    most_questions: int = 10_000
    """Of one request to a server; 0: no limit."""
    most_upload_mb: int = 5
    """Of a file that a viewer brings; ``server.maxUploadSize`` in .streamlit/config.toml bounds it too."""

    def __post_init__(self) -> None:
        if self.threads > MOST_THREADS:
            raise InputError(f"{self.threads:,} threads: choose up to {MOST_THREADS:,}, or 0 to let torch choose.")

    @property
    def bundled_dir(self) -> Path:
        """Artifacts that ship: read-only at run time."""
        return ROOT / "cache" / "bundled"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Raises InputError for a variable that cannot be read."""
        env = os.environ if env is None else env
        given = {name: env[f"CODI_{name.upper()}"] for name in cls.__dataclass_fields__ if env.get(f"CODI_{name.upper()}")}
        return cls(
            cache_dir=_folder("CODI_CACHE_DIR", given.get("cache_dir", cls.cache_dir)),
            model=given.get("model", cls.model),
            device=given.get("device", cls.device),
            dtype=given.get("dtype", cls.dtype),
            threads=_whole("CODI_THREADS", given.get("threads", str(cls.threads)), "let torch choose"),
            backend=_one_of("CODI_BACKEND", given.get("backend", cls.backend), BACKENDS),
            ray_address=given.get("ray_address", cls.ray_address),
            workers=_whole("CODI_WORKERS", given.get("workers", str(cls.workers)), "have one a GPU"),
            models=tuple(filter(None, map(str.strip, str(given.get("models", "")).split(",")))),
            most_work=_whole("CODI_MOST_WORK", given.get("most_work", str(cls.most_work)), "have no limit"),
            most_questions=_whole("CODI_MOST_QUESTIONS", given.get("most_questions", str(cls.most_questions)), "have no limit"),
            most_upload_mb=_whole("CODI_MOST_UPLOAD_MB", given.get("most_upload_mb", str(cls.most_upload_mb)), "take no files"),
        )


def _folder(name: str, given: str | Path) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f"{name} is '{given}': there is no such home folder. Name the folder without '~'.") from error


def _whole(name: str, text: str, zero: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{name} is '{text}': give a whole number, or 0 to {zero}.")
    return int(text)


def _one_of(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise InputError(f"{name} is '{text}': use {' or '.join(known)}.")
    return text
