"""Which code this is: part of everything that is stored."""

from __future__ import annotations

import subprocess
import tomllib
from functools import cache
from importlib import metadata

from codi_core.settings import INSTALLED, ROOT


@cache
def code_version() -> str:
    """Commit of this source tree, ``-dirty`` appended when tracked files differ from it; the version where there is no repository."""
    # an explicit --git-dir: a tree unpacked inside somebody else's repository must not report that one's commit
    git = [
        "git",
        "--no-optional-locks",
        f"--git-dir={ROOT / '.git'}",
        f"--work-tree={ROOT}",
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return version()


@cache
def version() -> str:
    """Of the release: the installed package's, or what pyproject.toml says in a source tree."""
    if INSTALLED:
        return metadata.version("codi-explorer")
    return str(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
