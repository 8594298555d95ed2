"""``--version``: what a result of this installation was made with."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from codi_core.cli.session import print_table
from codi_core.settings import Settings

LIBRARIES = ("torch", "transformers", "tuned-lens", "streamlit")


class VersionAction(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, args: argparse.Namespace, values: str | Sequence[Any] | None, option: str | None = None
    ) -> None:
        print_table(_versions())
        parser.exit()


def _versions() -> list[tuple[str, str]]:
    from codi_core.disk import sha256_of
    from codi_core.version import code_version, version

    models = sorted((Settings().bundled_dir / "models").glob("*/model.safetensors"))
    return [
        ("codi-explorer", f"{version()} ({code_version()})"),
        *((name, metadata.version(name)) for name in LIBRARIES),
        *((path.parent.name, f"sha256 {sha256_of(path)[:12]}") for path in models),
    ]
