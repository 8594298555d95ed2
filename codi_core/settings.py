"""Where and how things run. Settings never change a number, so they are never hashed; specs do, and are (see keys)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codi_core.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    """Built once in ``app.py`` or ``cli.py`` and passed down. Every field can be set by an environment variable ``CODI_<FIELD>``."""

    cache_dir: Path = ROOT / "cache"
    model: str = "bundled-steps"
    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    """Torch CPU threads; 0 lets torch choose."""

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
            threads=_whole("CODI_THREADS", given.get("threads", str(cls.threads))),
        )


def _whole(name: str, text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"{name} is '{text}': give a whole number, or 0 to let torch choose.")
    return int(text)
