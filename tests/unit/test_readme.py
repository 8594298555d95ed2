"""What README and the docs tell people to type can be typed: command lines go through the real parser, make targets are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from codi_core.cli import make_parser
from codi_core.settings import ROOT
from codi_core.version import version

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHELL = ("", "bash", "sh")
OURS = (["python", "-m", "codi_core"], [".venv/bin/python", "-m", "codi_core"], ["codi"], ["codi_core"])
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def lines_of(page: Path) -> Iterator[list[str]]:
    """Commands in its blocks, in words, without variables in front and comments behind."""
    for language, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language not in SHELL:
            continue
        for line in block.replace("\\\n", " ").splitlines():
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue  # prose or a picture in characters
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            yield words


def of_ours(words: list[str]) -> list[str] | None:
    return next((words[len(start) :] for start in OURS if words[: len(start)] == start), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_command_lines_are_understood(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for words in lines_of(page):
        own = of_ours(words)
        if not own or own == ["COMMAND", "--help"] or "…" in " ".join(own):
            continue
        try:
            make_parser().parse_args(own)
        except SystemExit as stop:
            if stop.code:
                wrong.append((shlex.join(own), capsys.readouterr().err[-200:]))
    assert wrong == []


def test_the_readme_has_commands_and_their_targets_and_files_are_there() -> None:
    lines = list(lines_of(ROOT / "README.md"))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    made = {words[1] for words in lines if words[:1] == ["make"]}
    assert {"run", "test"} <= made <= targets
    assert sum(of_ours(words) is not None for words in lines) >= 2
    files = [words[words.index("-r") + 1] for words in lines if "pip" in " ".join(words) and "-r" in words]
    assert files and all((ROOT / name).is_file() for name in files)


def test_the_version_is_the_same_wherever_it_stands() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    logged = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited and logged and cited[1] == logged[1] == version()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    made = {"api.md", "cli.md", "contributing.md", "changelog.md", "security.md", "index.md"}  # by docs/generate.py
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists() and link not in made] == []
