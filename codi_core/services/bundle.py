"""Everything behind a number in one .zip: what was asked, what came out row by row, what made it, and a notebook that repeats it."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from codi_core.errors import InputError
from codi_core.keys import canonical
from codi_core.services.effects import ROWS, RUNS, ConditionRequest, condition_command, evaluate_condition
from codi_core.services.steer import questions_of
from codi_core.services.sweeps import SweepRequest, cell_request, read_sweep, sweep_command
from codi_core.services.workbench import Poke, Workbench
from codi_core.steering.methods import text_of
from codi_core.store import META, Artifact
from codi_core.sweeps.spec import SweepSpec, spec_of
from codi_core.sweeps.units import CELLS, SWEEPS
from codi_core.types import ModelSpec, Question, SteeringEffect, SweepTable

Files = dict[str, bytes]
"""By name in the bundle."""
SUMS = "SHA256SUMS"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the .zip: equal contents make equal bundles."""


def bundle_condition(workbench: Workbench, request: ConditionRequest, viewer: str, poke: Poke | None = None) -> tuple[str, bytes]:
    """Name and contents of the .zip. What is not stored yet is computed first. Raises as `evaluate_condition`."""
    effects = list(evaluate_condition(workbench, request, viewer, poke))
    if not effects:
        raise InputError("The eval set has no question: there is nothing to bundle.")
    effect = effects[-1]
    model = workbench.run(lambda check: workbench.engine(request.model).model.spec, viewer, poke)
    name, command = f"codi-condition-{effect.key}", condition_command(request)
    artifact = workbench.store.read(RUNS, effect.key)
    questions = questions_of(request.eval_set, request.n, request.seed)[1]
    files = {
        "README.md": _condition_words(request, effect, model, command),
        "spec.json": _json({"condition": artifact.meta.spec, "key": effect.key, "request": canonical(request), "model": _model(model)}),
        "results.json": _json(effect_json(effect)),
        "rows.csv": _csv(_with_questions(artifact.parquet(ROWS), questions)),
        "rows.parquet": artifact.file(ROWS).read_bytes(),
        "versions.json": _versions(artifact),
        "command.txt": f"{command}\n".encode(),
        "repeat.ipynb": notebook(*_condition_cells(command)),
    }
    if request.against == "all" and effect.baseline_key != effect.key and workbench.store.find(RUNS, effect.baseline_key):
        files["baseline-rows.parquet"] = workbench.store.read(RUNS, effect.baseline_key).file(ROWS).read_bytes()
    return f"{name}.zip", zipped(name, files)


def bundle_sweep(workbench: Workbench, key: str) -> tuple[str, bytes]:
    """Name and contents of the .zip of a stored sweep; needs no model. Raises ArtifactError when there is no such sweep, DataError."""
    table, artifact = read_sweep(workbench.store, key), workbench.store.read(SWEEPS, key)
    spec = spec_of(artifact.meta.spec)
    name, commands = f"codi-sweep-{key}", sweep_commands(table, spec)
    files = {
        "README.md": _sweep_words(table, spec, commands),
        "spec.json": _json({"sweep": artifact.meta.spec, "key": key, "model": _model(spec.model)}),
        "cells.csv": _csv(table.cells),
        "versions.json": _versions(artifact),
        "command.txt": "".join(f"{command}\n" for command in commands).encode(),
        "repeat.ipynb": notebook(*_sweep_cells(key, commands)),
        **{file: artifact.file(file).read_bytes() for file in artifact.meta.files},
    }
    return f"{name}.zip", zipped(name, files)


def sweep_commands(table: SweepTable, spec: SweepSpec) -> list[str]:
    """The command lines that make the table again; for chosen cells (the confirm step) one a condition."""
    if spec.axes.only:
        places = table.cells.loc[table.cells["role"] == "cell", "place"]
        return [condition_command(cell_request(table, int(place))) for place in places]
    request = SweepRequest(
        model=table.model_name,
        preset=table.name,
        eval_set=table.eval_set.name,
        n=table.eval_set.n,
        seed=table.eval_set.seed,
        passes=table.rollout.passes,
        randoms=spec.axes.randoms,
        shuffled=spec.axes.shuffled,
        means_n=table.means.eval_set.n,
    )
    return [sweep_command(request)]


def save_bundle(bundle: tuple[str, bytes], out: Path | None) -> Path:
    """``out``: a file, or a folder that gets the bundle under its own name (default: here). Raises InputError."""
    name, content = bundle
    path = Path(name) if out is None else out / name if out.is_dir() else out
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}): name another place with --out.") from error
    return path


# Files


def zipped(name: str, files: Mapping[str, bytes]) -> bytes:
    """One folder ``name`` with the files and their SHA-256; equal files give equal bytes."""
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {file}\n" for file, content in sorted(files.items()))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in [*sorted(files.items()), (SUMS, sums.encode())]:
            info = zipfile.ZipInfo(f"{name}/{file}", EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, content)
    return packed.getvalue()


def effect_json(effect: SteeringEffect) -> dict[str, Any]:
    """As `eval --condition … --json` prints it."""
    transitions = {f"{before} → {after}": count for (before, after), count in effect.transitions.items()}
    return {**dataclasses.asdict(dataclasses.replace(effect, transitions={})), "transitions": transitions}


def _with_questions(rows: pd.DataFrame, questions: Sequence[Question]) -> pd.DataFrame:
    """What was asked, before what was answered."""
    asked = [questions[number] for number in rows["number"]]
    columns: dict[str, Sequence[Any]] = {
        "number": rows["number"].tolist(),
        "id": [question.id for question in asked],
        "question": [question.question for question in asked],
        "gold": [question.gold for question in asked],
        "template": [question.template for question in asked],
        "triple": [" ".join(map(str, question.triple)) for question in asked],
    }
    return pd.concat([pd.DataFrame(columns), rows.drop(columns="number").reset_index(drop=True)], axis=1)


def _versions(artifact: Artifact) -> bytes:
    """Code, libraries, time, and the hashes the files were stored with."""
    return (artifact.path / META).read_bytes()


def _model(model: ModelSpec) -> dict[str, Any]:
    return {**canonical(model), "key": model.key}


def _csv(table: pd.DataFrame) -> bytes:
    """All texts in quotes: one with a carriage return of its own would else end its row."""
    return table.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")


def _json(value: Any) -> bytes:
    return (json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _finite(value: Any) -> Any:
    """Plain JSON data; what is undefined becomes null."""
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


# Words


def _condition_words(request: ConditionRequest, effect: SteeringEffect, model: ModelSpec, command: str) -> bytes:
    paired = effect.paired
    marked = "\n**Means come from evaluated questions, as in the posts: the effect is optimistic.**\n" if request.overlap else ""
    return f"""# Condition {effect.key}

{effect.verdict}

* model {model.name}, weights {model.checkpoint}, {model.dtype}
* intervention `{text_of(request.interventions) or "none"}`
* {paired.n:,} questions of '{request.eval_set}', seed {request.seed} (effective n {paired.effective_n:,.0f})
* accuracy {effect.baseline.value:.1%} unsteered, {effect.steered.value:.1%} steered: {100 * paired.delta:+.1f} points \
[{100 * paired.low:+.1f}, {100 * paired.high:+.1f}], {paired.fixed} fixed, {paired.broken} broken, p {paired.p_clustered:.3g} (clustered)
{marked}
{_contents("rows.csv, rows.parquet: a row a question, the baseline's columns beside the condition's", "results.json: the comparison")}
Repeat it in the repository:

```bash
{command}
```
""".encode()


def _sweep_words(table: SweepTable, spec: SweepSpec, commands: Sequence[str]) -> bytes:
    refused = "".join(f"* left out: {reason}\n" for reason in table.refused)
    lines = "\n".join(commands)
    return f"""# Sweep {table.key}: {table.title}

* model {spec.model.name}, weights {spec.model.checkpoint}, {spec.model.dtype}
* {len(table.cells):,} conditions on {table.eval_set.n:,} questions of '{table.eval_set.name}', seed {table.eval_set.seed}
* made {table.created} by code {table.code}
{refused}
{_contents("cells.csv, cells.parquet: a row a condition", "rows.parquet: a row a question and condition")}
Repeat it in the repository:

```bash
{lines}
```
""".encode()


def _contents(*own: str) -> str:
    shared = (
        "spec.json: everything that decides the numbers; its key is the SHA-256 of the canonical JSON",
        "versions.json: code, libraries, time, and the hashes the files were stored with",
        "command.txt, repeat.ipynb: the same again, compared with what is here",
        f"{SUMS}: check with `sha256sum -c {SUMS}`",
    )
    return "".join(f"* {line}\n" for line in (*own, *shared))


# The notebook


def notebook(*cells: tuple[str, str]) -> bytes:
    """(kind, text) of each cell → Jupyter's format 4.5, which is JSON."""

    def cell(number: int, kind: str, text: str) -> dict[str, Any]:
        extra: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
        return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True), **extra}

    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    made = [cell(number, kind, text) for number, (kind, text) in enumerate(cells)]
    return _json({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


_INTACT = f'''import hashlib
import json
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd

HERE = Path.cwd()  # the folder of this bundle
REPOSITORY = Path("..").resolve()  # where codi_core is: set it if the bundle lies elsewhere

for line in (HERE / "{SUMS}").read_text().splitlines():
    digest, name = line.split("  ")
    assert hashlib.sha256((HERE / name).read_bytes()).hexdigest() == digest, f"{{name}} has changed"'''


def _condition_cells(command: str) -> tuple[tuple[str, str], ...]:
    return (
        ("markdown", "# A condition, repeated\nRun it with the Python of the repository's environment. First: are the files as they were?"),
        ("code", _INTACT),
        ("markdown", "The stored accuracy, counted from the stored rows."),
        (
            "code",
            """stored = json.loads((HERE / "results.json").read_text())
rows = pd.read_parquet(HERE / "rows.parquet")
counted = (rows["outcomes"] == "correct").mean()
assert abs(counted - stored["steered"]["value"]) < 1e-9
print(stored["verdict"])
print(f"steered accuracy {counted:.1%} on {len(rows):,} questions")""",
        ),
        (
            "markdown",
            "The same again: the command line of the page. Stored results of the same key come at once; `CODI_CACHE_DIR` set to an empty "
            "folder makes it compute.",
        ),
        (
            "code",
            f"""COMMAND = {command!r}
words = [sys.executable, *shlex.split(COMMAND)[1:], "--json"]
done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
again = json.loads(done.stdout)""",
        ),
        (
            "code",
            """def numbers(effect):
    paired = effect["paired"]
    return {
        "key": effect["key"],
        "baseline accuracy": effect["baseline"]["value"],
        "steered accuracy": effect["steered"]["value"],
        "difference": paired["delta"],
        "fixed": paired["fixed"],
        "broken": paired["broken"],
        "p (clustered)": paired["p_clustered"],
        "change of the gold margin": effect["margin"]["value"],
    }


compared = pd.DataFrame({"stored": numbers(stored), "again": numbers(again)})
compared["same"] = compared["stored"] == compared["again"]
compared""",
        ),
        (
            "markdown",
            "Another key means another checkpoint, precision, eval set or version of the numerics: `spec.json` says which it was.",
        ),
    )


def _sweep_cells(key: str, commands: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return (
        ("markdown", "# A sweep, repeated\nRun it with the Python of the repository's environment. First: are the files as they were?"),
        ("code", _INTACT),
        ("markdown", "Every stored accuracy, counted from the stored rows."),
        (
            "code",
            f"""cells = pd.read_parquet(HERE / "{CELLS}")
rows = pd.read_parquet(HERE / "rows.parquet")
counted = (rows["outcome"] == "correct").groupby(rows["place"]).mean()
assert (cells.set_index("place")["accuracy"] - counted).abs().max() < 1e-6
cells[cells["role"] == "cell"].nlargest(10, "delta")[["intervention", "accuracy", "delta", "delta_low", "delta_high", "p_max"]]""",
        ),
        ("markdown", "The same again: minutes to hours. Interrupted, it goes on with what is missing; a stored table comes at once."),
        (
            "code",
            f"""COMMANDS = {list(commands)!r}
for command in COMMANDS:
    subprocess.run([sys.executable, *shlex.split(command)[1:]], cwd=REPOSITORY, check=True)""",
        ),
        (
            "code",
            f"""sys.path.insert(0, str(REPOSITORY))
from codi_core.services.sweeps import read_sweep
from codi_core.settings import Settings
from codi_core.store import Store

again = read_sweep(Store(Settings.from_env()), "{key}").cells
pd.testing.assert_frame_equal(again.reset_index(drop=True), cells.reset_index(drop=True), check_exact=False, atol=1e-6)""",
        ),
    )
