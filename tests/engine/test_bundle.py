"""Bundles hold what was asked and what came out, say when a file changed, and their notebooks run and agree."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from codi_core.cli import main
from codi_core.errors import ArtifactError, InputError
from codi_core.keys import key_of
from codi_core.services.bundle import bundle_condition, bundle_eval, bundle_lens, bundle_sweep, save_bundle, zipped
from codi_core.services.evaluate import EvalRequest
from codi_core.services.inspect import InspectRequest, inspect
from codi_core.services.shared.requests import ConditionRequest, MeansRequest, SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.run import sweep
from codi_core.services.sweeps.stored import stored_sweeps
from codi_core.settings import ROOT, Settings
from codi_core.steering.flags import methods_of


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    bench = Workbench(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu", dtype="float32", threads=1))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def request_(folder: str) -> ConditionRequest:
    methods = methods_of("kv source=difference a=2 b=4 coefficient=3 indices=3")
    return ConditionRequest(folder, methods, n=16, means=MeansRequest(n=16), controls=2)


def unpacked(content: bytes, where: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        archive.extractall(where)
    return next(where.iterdir())


def outside(cache: Path) -> dict[str, str]:
    """What somebody sets who has the repository elsewhere."""
    return {"CODI_CACHE_DIR": str(cache), "CODI_DEVICE": "cpu", "CODI_DTYPE": "float32", "CODI_REPOSITORY": str(ROOT)}


def alone() -> dict[str, str]:
    """The environment of somebody who has not found this tree."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CODI_REPOSITORY")}


def in_jupyter(here: Path, cache: Path) -> list[str]:
    """What each code cell of the bundle's notebook says there, in words."""
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--output", "done", "repeat.ipynb"]
    done = subprocess.run(command, cwd=here, env=alone() | outside(cache), check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    cells = [cell for cell in json.loads((here / "done.ipynb").read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    said = [
        [out["text"] if "text" in out else [*out["data"]["text/plain"], *out["data"].get("text/html", [])] for out in cell["outputs"]]
        for cell in cells
    ]
    return ["".join(line for lines in outputs for line in lines) for outputs in said]


def run_notebook(here: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, elsewhere: tuple[str, str] = ("", "")) -> dict[str, Any]:
    """Every code cell in turn → what they leave. ``elsewhere``: a model's name, and where it is on this machine."""
    monkeypatch.chdir(here)
    for name, value in outside(cache).items():
        monkeypatch.setenv(name, value)
    book = json.loads((here / "repeat.ipynb").read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    left: dict[str, Any] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            exec(compile(source.replace(*map(repr, elsewhere)) if elsewhere[0] else source, cell["id"], "exec"), left)
    return left


@pytest.mark.slow
def test_a_bundle_repeats_its_condition_in_jupyter_elsewhere(bench: Workbench, request_: ConditionRequest, tmp_path: Path) -> None:
    name, content = bundle_condition(bench, request_, "test")
    assert bundle_condition(bench, request_, "test") == (name, content), "the same bytes every time"
    here = unpacked(content, tmp_path)
    assert name == f"{here.name}.zip"
    for line in (here / "SHA256SUMS").read_text().splitlines():
        digest, file = line.split("  ")
        assert hashlib.sha256((here / file).read_bytes()).hexdigest() == digest
    spec, results = (json.loads((here / f"{file}.json").read_text()) for file in ("spec", "results"))
    assert key_of(spec["condition"]) == spec["key"] == results["key"]
    assert json.loads((here / "versions.json").read_text())["files"]["rows.parquet"]["sha256"] in (here / "SHA256SUMS").read_text()
    rows = pd.read_csv(here / "rows.csv")
    assert len(rows) == 16 and rows["question"].str.len().min() > 10
    assert (rows["outcomes"] == "correct").mean() == pytest.approx(results["steered"]["value"])
    assert "python -m codi_core eval" in (here / "README.md").read_text() and "only in form" in (here / "README.md").read_text()

    compared = in_jupyter(here, bench.settings.cache_dir)[-1].partition("<div>")[0]
    assert compared.count("True") == 8 and "False" not in compared, compared


def test_a_notebook_without_the_package_says_what_to_set(bench: Workbench, request_: ConditionRequest, tmp_path: Path) -> None:
    here = unpacked(bundle_condition(bench, request_, "test")[1], tmp_path)
    first = next(cell for cell in json.loads((here / "repeat.ipynb").read_text())["cells"] if cell["cell_type"] == "code")
    failed = subprocess.run(
        [sys.executable, "-c", "".join(first["source"])], cwd=here, env=alone(), check=False, capture_output=True, text=True
    )
    assert "set CODI_REPOSITORY to the repository's folder" in failed.stderr


def test_a_changed_file_is_noticed(bench: Workbench, request_: ConditionRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = unpacked(bundle_condition(bench, request_, "test")[1], tmp_path)
    (here / "rows.csv").write_bytes(b"other")
    with pytest.raises(AssertionError, match=r"rows\.csv has changed"):
        run_notebook(here, monkeypatch, bench.settings.cache_dir)


def test_an_accuracy_is_repeated(bench: Workbench, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name, content = bundle_eval(bench, EvalRequest(folder, "templates", 6, seed=1, passes=2), "test")
    here = unpacked(content, tmp_path)
    assert name == f"{here.name}.zip" and "--seed 1" in (here / "command.txt").read_text()
    assert run_notebook(here, monkeypatch, bench.settings.cache_dir)["compared"]["same"].all()


def test_a_sweep_is_bundled(bench: Workbench, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = (("kv-corrected", 1, 2, 3, 1.0), ("kv-corrected", 2, 4, 3, -1.0))
    request = SweepRequest(folder, "corrected-kv", eval_set="bundled", n=8, randoms=1, shuffled=0, means_n=16, only=only)
    table = sweep(bench, request)
    here = unpacked(bundle_sweep(bench, table.key)[1], tmp_path)
    assert len(pd.read_csv(here / "cells.csv")) == len(table.cells)
    outcomes = pd.read_csv(here / "outcomes.csv").set_index("place")
    kinds = [name for name in outcomes.columns if "," not in name]
    assert (outcomes[kinds].sum(axis=1) == 8).all()
    assert (outcomes["n correct"] / 8 == table.cells.set_index("place")["accuracy"]).all()
    commands = (here / "command.txt").read_text().splitlines()
    assert len(commands) == 2 and all(" eval " in command and "--condition" in command for command in commands)
    left = run_notebook(here, monkeypatch, bench.settings.cache_dir, (table.model_name, folder))
    accuracies = [effect.value.steered.value for effect in left["again"]]
    assert accuracies == pytest.approx(table.cells.loc[table.cells["role"] == "cell", "accuracy"].tolist())
    with pytest.raises(ArtifactError):
        bundle_sweep(bench, "0000000000000000")


def test_a_whole_grid_is_repeated(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One without bands, as it ships: nothing is computed."""
    table = next(t for t in stored_sweeps(bench.store) if (t.model_name, t.eval_set.name) == ("bundled-steps", "select"))
    here = unpacked(bundle_sweep(bench, table.key)[1], tmp_path)
    assert "--randoms 0 --shuffled 0" in (here / "command.txt").read_text()
    before = list(bench.store.path("sweeps", "any").parent.glob("*"))
    run_notebook(here, monkeypatch, bench.settings.cache_dir)
    again, n = capsys.readouterr().out, len(table.cells)
    assert f"the same key: True; {n:,} of {n:,} accuracies the same" in again, again
    assert list(bench.store.path("sweeps", "any").parent.glob("*")) == before


def test_a_lens_is_read_through(bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = unpacked(bundle_lens(bench, "bundled-steps", "tuned:all", "test")[1], tmp_path)
    thought = run_notebook(here, monkeypatch, bench.settings.cache_dir)["thought"]
    asked = InspectRequest("bundled-steps", thought.value.rollout.question, lenses=("logit", "tuned:all"))
    found = inspect(bench, asked, "test").grids["tuned:all"]
    assert (thought.lens("tuned:all").value.grids["tuned:all"].top_ids == found.top_ids).all()


def test_the_command_line_writes_a_bundle(folder: str, bench: Workbench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", folder, "--n", "16", "--means-n", "16", "--controls", "2", "--cache-dir", str(bench.settings.cache_dir)]
    condition = "kv source=difference a=2 b=4 coefficient=3 indices=3"
    assert main(["bundle", "--condition", condition, *words, "--device", "cpu", "--dtype", "float32", "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("codi-condition-*.zip")
    assert path.name in capsys.readouterr().out
    assert zipfile.is_zipfile(path)
    assert main(["bundle", *words]) == 2
    assert "--sweep" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_bundle(("a.zip", zipped("a", {"x": b"1"})), tmp_path / "no" / "such" / "folder.zip")
