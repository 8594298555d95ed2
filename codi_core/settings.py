"""Where and how things run. Settings never change a number, so they are never hashed; specs do, and are (see keys)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codi_core.errors import InputError

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = ("local", "ray")


@dataclass(frozen=True)
class Settings:
    """Built once in ``app.py`` or ``cli.py`` and passed down. Every field can be set by an environment variable ``CODI_<FIELD>``."""

    cache_dir: Path = ROOT / "cache"
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

    @property
    def bundled_dir(self) -> Path:
        """Artifacts that ship with the repository: read-only at run time."""
        return ROOT / "cache" / "bundled"

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Raises InputError for a variable that cannot be read."""
        env = os.environ if env is None else env
        given = {name: env[f"CODI_{name.upper()}"] for name in cls.__dataclass_fields__ if env.get(f"CODI_{name.upper()}")}
        return cls(
            cache_dir=Path(given.get("cache_dir", cls.cache_dir)).expanduser(),
            model=given.get("model", cls.model),
            device=given.get("device", cls.device),
            dtype=given.get("dtype", cls.dtype),
            threads=_whole("CODI_THREADS", given.get("threads", str(cls.threads)), "let torch choose"),
            backend=_one_of("CODI_BACKEND", given.get("backend", cls.backend), BACKENDS),
            ray_address=given.get("ray_address", cls.ray_address),
            workers=_whole("CODI_WORKERS", given.get("workers", str(cls.workers)), "have one a GPU"),
        )


def _whole(name: str, text: str, zero: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{name} is '{text}': give a whole number, or 0 to {zero}.")
    return int(text)


def _one_of(name: str, text: str, known: tuple[str, ...]) -> str:
    if text not in known:
        raise InputError(f"{name} is '{text}': use {' or '.join(known)}.")
    return text
