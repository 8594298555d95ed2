"""What import-linter cannot see: app.py and pages/ are no packages, and a parent's ``__init__`` runs whether or not a contract names it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from codi_core.settings import ROOT

SCREENS = [*ROOT.glob("app.py"), *sorted((ROOT / "pages").glob("*.py"))]
MODEL_LIBRARIES = {"torch", "transformers", "tokenizers", "safetensors", "tuned_lens"}
OPEN_TO_SCREENS = ("codi_core.ui", "codi_core.settings")


def imported(source: str) -> set[str]:
    """Dotted names a file imports, wherever in the file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def forbidden(source: str) -> set[str]:
    """Imports of a screen that reach past ``codi_core.ui``."""
    return {
        name
        for name in imported(source)
        if name.split(".")[0] in MODEL_LIBRARIES
        or (name.split(".")[0] == "codi_core" and not any(f"{name}.".startswith(f"{open_}.") for open_ in OPEN_TO_SCREENS))
    }


@pytest.mark.parametrize(
    "line",
    [
        "import torch.nn",
        "from codi_core import engine",
        "from codi_core.services.inspect import inspect",
        "import codi_core",
        "from torch import nn",
    ],
)
def test_reaching_past_the_ui_is_seen(line: str) -> None:
    assert forbidden(f"def late():\n    {line}\n")


@pytest.mark.parametrize(
    "line",
    ["import streamlit as st", "from codi_core.ui import calls", "from codi_core.settings import Settings", "from codi_core import ui"],
)
def test_the_ui_and_settings_are_open(line: str) -> None:
    assert not forbidden(line)


@pytest.mark.parametrize("screen", SCREENS, ids=lambda path: path.name)
def test_screens_reach_the_model_only_through_the_ui(screen: Path) -> None:
    assert forbidden(screen.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("screen", SCREENS, ids=lambda path: path.name)
def test_screens_stay_short(screen: Path) -> None:
    lines = len(screen.read_text(encoding="utf-8").splitlines())
    assert lines <= (60 if screen.name == "app.py" else 100), f"{screen.name}: logic belongs in codi_core.ui or services"


def test_values_and_figures_can_be_used_without_torch_or_streamlit() -> None:
    code = (
        "import sys, codi_core.values, codi_core.keys, codi_core.errors, codi_core.settings, codi_core.figures\n"
        "print(*sorted({'torch', 'streamlit'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
