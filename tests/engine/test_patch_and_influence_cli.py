"""The commands patch and influence: JSON that is JSON, one line of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codi_core.cli import main

CLEAN, CORRUPT = "Tom has 3 apples and buys 4 more.", "Tom has 8 apples and buys 9 more."


@pytest.fixture
def model(folder: str, tmp_path: Path) -> list[str]:
    return ["--model", folder, "--device", "cpu", "--dtype", "float32", "--cache-dir", str(tmp_path), "--passes", "2"]


@pytest.mark.parametrize(
    ("words", "has"),
    [
        (["patch", "--prompt", CLEAN, "--into", CORRUPT, "--from", "1.2", "--to", "2.1"], {"effect", "random", "reached"}),
        (["patch", "--prompt", CLEAN, "--into", CORRUPT, "--put", "random", "--noising"], {"rows", "left_out"}),
        (["influence", "--prompt", CLEAN], {"attention", "numbers", "edges", "summaries"}),
        (["influence", "--prompt", CLEAN, "--cut", "1", "--cut", "2", "--query", "3"], {"cuts"}),
        (["influence", "--n", "4"], {"edges", "summaries", "numbers"}),
    ],
)
def test_json_is_json_and_words_are_words(model: list[str], words: list[str], has: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *model, "--json"]) == 0
    assert has < set(json.loads(capsys.readouterr().out, parse_constant=pytest.fail))
    assert main([*words, *model]) == 0
    assert "key  " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["patch", "--prompt", CLEAN, "--into", CORRUPT, "--from", "z2"], "never consumed"),
        (["patch", "--prompt", CLEAN, "--from", "1.2"], "give both"),
        (["patch", "--prompt", CLEAN, "--into", CORRUPT, "--from", "1.2", "--noising"], "for maps"),
        (["influence", "--cut", "1"], "give it with --prompt"),
        (["influence", "--prompt", CLEAN, "--cut", "999"], "Keys"),
        (["influence", "--prompt", CLEAN, "--beside-control"], "leave --prompt out"),
        (["influence", "--n", "4", "--beside-control"], "has no control beside it"),
    ],
)
def test_one_line_of_what_is_wrong(model: list[str], words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *model]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert says in error[-1]
