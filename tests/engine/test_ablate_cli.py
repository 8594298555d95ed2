"""Ablation and geometry on the command line: the same numbers as tables and as JSON, and the lines that pages print can be run."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest

from codi_core.cli import main, make_parser
from codi_core.services.ablate import (
    AblateRequest,
    EarlyStopRequest,
    ImportanceRequest,
    ablate_command,
    early_stop_command,
    importance_command,
)
from codi_core.services.geometry import GeometryRequest, geometry_command
from codi_core.services.shared.requests import MeansRequest
from tests.checkpoints import tensors_of, write

SHORT = ["--passes", "2", "--means-n", "12"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("cli")
    files = write(folder / "model", tensors_of(lora=False))
    return ["--model", str(files), "--cache-dir", str(folder / "cache"), "--device", "cpu", *SHORT]


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def run_json(words: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(run([*words, "--json"], capsys))


def test_early_stop_and_the_map(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    early = run_json(["ablate", *model, "--n", "12", "--early-stop"], capsys)
    assert {row["passes"] for row in early["rows"]} == {0, 1, 2}
    sites = run_json(["ablate", *model, "--n", "12", "--by", "zero", "--space", "z", "--space", "kv"], capsys)
    assert [(row["space"], row["index"]) for row in sites["rows"]] == [("z", 0), ("z", 1), ("kv", 0), ("kv", 1), ("kv", 2)]
    assert "stands out" in run(["ablate", *model, "--n", "12", "--by", "zero"], capsys)


def test_one_prompt(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["ablate", *model, "--prompt", "How many is 2 plus 3?", "--draws", "20", "--space", "kv"]
    found = run_json(words, capsys)
    assert found["draws"] == 20 and [row["index"] for row in found["rows"]] == [0, 1, 2]
    assert "20 draws a latent" in run(words, capsys)


def test_geometry(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(["geometry", *model, "--space", "k"], capsys)
    assert found["n"] == 12 and len(found["components"]["low"]) == len(found["components"]["component"])
    assert "shuffled copies" in run(["geometry", *model], capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ablate", "--by", "nonsense"], "'nonsense' cannot be ablated"),
        (["ablate", "--prompt", "2 plus 3?", "--by", "zero"], "choose resample or gaussian"),
        (["ablate", "--prompt", "2 plus 3?", "--by", "gaussian", "--by", "resample"], "give --by once"),
        (["geometry", "--space", "resid"], "needs a layer"),
        (["geometry", "--overlap"], "leave --overlap out"),
    ],
)
def test_refusals_are_readable(words: list[str], message: str, model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([words[0], *model, *words[1:]]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "line",
    [
        early_stop_command(EarlyStopRequest("m", "select", 64, 1, 4)),
        ablate_command(AblateRequest("m", ("zero", "donor"), ("kv",), n=64, means=MeansRequest(n=20), draw=3, overlap=True)),
        importance_command(ImportanceRequest("m", "It's 5 % of $x?", "gaussian", 20, 7, passes=3)),
        geometry_command(GeometryRequest("m", "resid", 2, MeansRequest("select", 64), 4, "index")),
    ],
)
def test_printed_lines_are_understood(line: str) -> None:
    make_parser().parse_args(shlex.split(line)[3:])
