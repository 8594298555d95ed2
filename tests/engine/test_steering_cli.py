"""Steering on the command line."""

from __future__ import annotations

import json
import shlex

import pytest

from codi_core.cli import main
from codi_core.services.shared.commands import steer_command
from codi_core.services.shared.requests import MeansRequest, SteerRequest
from codi_core.steering.flags import methods_of
from tests.checkpoints import tensors_of, write

PUSH = "kv source=difference a=2 b=4 coefficient=3 indices=5 then=stop"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("cli")
    files = write(folder / "model", tensors_of(lora=False))
    return ["--model", str(files), "--cache-dir", str(folder / "cache"), "--means-n", "8", "--device", "cpu"]


def run(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def test_vector(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run(["vector", *model, "--source", "difference a=2 b=4", "--space", "kv", "--json"], capsys))
    assert len(found["site_norms"]) == 7 and found["vector"]["a"] == 2
    assert "pushes as far" in run(["vector", *model, "--source", "component rank=1"], capsys)


def test_the_printed_command_gives_the_same_answer(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    prompt = "It's 5 % of $x: how many?"
    words = ["steer", *model, "--prompt", prompt, "--condition", PUSH, "--max-new-tokens", "4"]
    first = json.loads(run([*words, "--json"], capsys))
    request = SteerRequest(model[1], prompt, methods_of(PUSH), MeansRequest(n=8), max_new_tokens=4)
    assert first["command"] == steer_command(request)
    again = json.loads(run([*shlex.split(first["command"])[3:], *model[2:4], "--json"], capsys))
    assert again["steered"]["answer"] == first["steered"]["answer"] and again["control"] == first["control"]
    assert "control" in run(words, capsys)


def test_effects_and_comparisons(model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = [*model, "--n", "6", "--max-new-tokens", "4"]
    effect = json.loads(run(["eval", *words, "--condition", PUSH, "--controls", "3", "--json"], capsys))
    assert effect["done"] == 6 and len(effect["controls"]["accuracy"]) == 3
    against_six = json.loads(run(["eval", *words, "--condition", PUSH, "--against", "all", "--json"], capsys))
    compared = json.loads(run(["compare", *words, "--b", PUSH, "--json"], capsys))
    assert {**compared, "controls": None} == {**against_six, "controls": None}
    text = run(["compare", *words, "--a", PUSH, "--b", "hidden source=difference a=2 b=4 coefficient=0 indices=3"], capsys)
    assert "baseline" in text and "clustered" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "--condition", "hidden source=difference a=2 b=2 coefficient=1 indices=3"], "their difference is zero"),
        (["eval", "--condition", "hidden source=difference a=2 b=4 coefficient=nan indices=3"], "coefficient is nan"),
        (["eval", "--condition", "hidden source=difference a=2 b=4 coefficient=1 indices=6"], "never consumed"),
        (["eval", "--condition", PUSH, "--means", "bundled"], "share"),
        (["eval", "--condition", PUSH, "--mode", "cot"], "leave --mode"),
        (["steer", "--prompt", "x", "--condition", ""], "No intervention"),
        (["vector", "--source", "difference a=2"], "--b is missing"),
        (["vector", "--source", "nothing"], "choose difference"),
    ],
)
def test_what_goes_wrong_is_one_readable_line(words: list[str], message: str, model: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, *model]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
