"""Everything behind a number in one .zip: what was asked, what came out row by row, what made it, and a notebook that repeats it."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from codi_core.errors import InputError, LensError
from codi_core.keys import canonical
from codi_core.lenses.cards import CARDS, lens_folder, read_card
from codi_core.lenses.registry import LENSES
from codi_core.problems.evalsets import load_eval_set
from codi_core.services.effects import ROWS, RUNS, evaluate_condition, runs_of
from codi_core.services.evaluate import EVALS, EvalReport, EvalRequest, eval_command, evaluate
from codi_core.services.notebook import SUMS, condition_cells, eval_cells, lens_cells, notebook, sweep_cells
from codi_core.services.shared.commands import condition_command, sweep_command
from codi_core.services.shared.requests import ConditionRequest, SweepRequest
from codi_core.services.shared.workbench import Workbench
from codi_core.services.sweeps.stored import cell_outcomes, cell_request, read_sweep
from codi_core.steering.controls import controls as controls_of
from codi_core.steering.flags import text_of
from codi_core.store import META, Artifact
from codi_core.sweeps.spec import SweepSpec
from codi_core.sweeps.table import band_sweeps
from codi_core.sweeps.units import SWEEPS
from codi_core.values.callbacks import OnWait
from codi_core.values.evals import SteeringEffect
from codi_core.values.lens import LensCard
from codi_core.values.model import ModelSpec
from codi_core.values.questions import Question
from codi_core.values.sweep import SweepTable
from codi_core.values.table import table_csv
from codi_core.values.verdict import points

Files = dict[str, bytes]
"""By name in the bundle."""
ARTIFACTS, LENS = "artifacts", "lens"
"""Folders of what `received` takes in: ``artifacts/KIND/KEY/``, as in the cache; the files of a lens."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the .zip: equal contents make equal bundles."""


def bundle_condition(workbench: Workbench, request: ConditionRequest, viewer: str, on_wait: OnWait | None = None) -> tuple[str, bytes]:
    """Name and contents of the .zip. What is not stored yet is computed first. Raises as `evaluate_condition`."""
    effects = list(evaluate_condition(workbench, request, viewer, on_wait))
    if not effects:
        raise InputError("The eval set has no question: there is nothing to bundle.")
    effect, condition = effects[-1], runs_of(workbench, request, viewer, on_wait)[0]
    model = workbench.run(request.model, lambda engine, _: engine.model.spec, viewer, on_wait)
    name, command = f"codi-condition-{effect.key}", condition_command(request)
    artifact = workbench.store.read(RUNS, effect.key)
    others = [one.key for one in controls_of(condition, request.controls)] if request.controls else []
    questions = load_eval_set(request.eval_set, request.n, request.seed)[1]
    files = {
        "README.md": _condition_words(request, effect, model, command),
        "spec.json": _json({"condition": artifact.meta.spec, "key": effect.key, "request": canonical(request), "model": _model(model)}),
        "results.json": _json(effect.as_json()),
        "rows.csv": table_csv(_with_questions(artifact.parquet(ROWS), questions)),
        "versions.json": _versions(artifact),
        "command.txt": f"{command}\n".encode(),
        "repeat.ipynb": notebook(*condition_cells(request, effect.key)),
        **_stored(workbench, RUNS, dict.fromkeys([effect.key, effect.baseline_key, *others])),
    }
    return f"{name}.zip", zipped(name, files)


def bundle_eval(workbench: Workbench, request: EvalRequest, viewer: str) -> tuple[str, bytes]:
    """Name and contents of the .zip of an accuracy, as `bundle_condition`. Raises as `evaluate`."""
    report, command = evaluate(workbench, request, viewer=viewer), eval_command(request)
    key, name = report.spec.key, f"codi-eval-{report.spec.key}"
    artifact = workbench.store.read(EVALS, key)
    files = {
        "README.md": _eval_words(report, command),
        "spec.json": _json({"eval": artifact.meta.spec, "key": key, "request": asdict(request), "model": _model(report.spec.model)}),
        "results.json": _json(report.as_json()),
        "rows.csv": table_csv(artifact.parquet(ROWS)),
        "versions.json": _versions(artifact),
        "command.txt": f"{command}\n".encode(),
        "repeat.ipynb": notebook(*eval_cells(request, key)),
        **_stored(workbench, EVALS, [key]),
    }
    return f"{name}.zip", zipped(name, files)


def bundle_lens(workbench: Workbench, model: str, lens: str, viewer: str) -> tuple[str, bytes]:
    """Name and contents of the .zip of a trained lens. Raises LensError for one that is not trained, or is none of this model's."""
    kind, _, variant = lens.partition(":")
    if kind not in CARDS:
        raise LensError(f"The lens '{lens}' has no files: name a trained one, {' or '.join(f'{name}:VARIANT' for name in CARDS)}.")
    command = LENSES[kind].command
    folder = workbench.run(model, lambda engine, _: lens_folder(engine.model, workbench.settings, kind, variant, command), viewer)
    card = read_card(folder)
    name = f"codi-lens-{kind}-{variant}-{card.key}"
    files = {
        "README.md": _lens_words(card),
        "spec.json": _json({"lens": card.name, "key": card.key, "model": _model(card.model)}),
        "repeat.ipynb": notebook(*lens_cells(model, card.name)),
        **{f"{LENS}/{path.name}": path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()},
    }
    return f"{name}.zip", zipped(name, files)


def bundle_sweep(workbench: Workbench, key: str) -> tuple[str, bytes]:
    """Name and contents of the .zip of a stored sweep; needs no model. Raises ArtifactError when there is no such sweep, DataError."""
    table, artifact = read_sweep(workbench.store, key), workbench.store.read(SWEEPS, key)
    spec = artifact.spec(SweepSpec)
    name, outcomes, requests = f"codi-sweep-{key}", cell_outcomes(workbench.store, table), cell_requests(table, spec)
    commands = [condition_command(request) for request in requests] or [sweep_command_of(table)]
    files = {
        "README.md": _sweep_words(table, spec, commands),
        "spec.json": _json({"sweep": artifact.meta.spec, "key": key, "model": _model(spec.model)}),
        "cells.csv": table_csv(table.cells),
        "bands.csv": table_csv(table.bands),
        "outcomes.csv": table_csv(pd.DataFrame([{"place": place, **own.columns} for place, own in outcomes.items()])),
        "versions.json": _versions(artifact),
        "command.txt": "".join(f"{command}\n" for command in commands).encode(),
        "repeat.ipynb": notebook(*sweep_cells(table, requests)),
        **_stored(workbench, SWEEPS, [key, *band_sweeps(workbench.store, spec)]),
    }
    return f"{name}.zip", zipped(name, files)


def cell_requests(table: SweepTable, spec: SweepSpec) -> list[ConditionRequest]:
    """One a cell, where cells were chosen (the confirm step)."""
    places = table.cells.loc[table.cells["role"] == "cell", "place"] if spec.axes.only else ()
    return [cell_request(table, int(place)) for place in places]


def sweep_command_of(table: SweepTable) -> str:
    """The command line that makes a whole grid again, with bands where it has some: they take longer than the grid."""
    randoms, shuffled = (0, 0) if table.bands.empty else (SweepRequest.randoms, SweepRequest.shuffled)
    request = SweepRequest(
        model=table.model_name,
        preset=table.name,
        eval_set=table.eval_set.name,
        n=table.eval_set.n,
        seed=table.eval_set.seed,
        passes=table.rollout.passes,
        randoms=randoms,
        shuffled=shuffled,
        means_n=table.means.eval_set.n,
    )
    return sweep_command(request)


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
        "groups": [" · ".join(filter(None, question.groups)) for question in asked],
    }
    return pd.concat([pd.DataFrame(columns), rows.drop(columns="number").reset_index(drop=True)], axis=1)


def _stored(workbench: Workbench, kind: str, keys: Iterable[str]) -> Files:
    """Artifacts as they lie in the store, for another store to take in; a baseline with as many passes stands in its condition's rows."""
    found: Files = {}
    for key in keys:
        if workbench.store.find(kind, key) is None:
            continue
        artifact = workbench.store.read(kind, key)
        found |= {f"{ARTIFACTS}/{kind}/{key}/{name}": (artifact.path / name).read_bytes() for name in (META, *artifact.meta.files)}
    return found


def _versions(artifact: Artifact) -> bytes:
    """Code, libraries, time, and the hashes the files were stored with."""
    return (artifact.path / META).read_bytes()


def _model(model: ModelSpec) -> dict[str, Any]:
    return {**canonical(model), "key": model.key}


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

{effect.verdict.sentence()}

* model {model.name}, weights {model.checkpoint}, {model.dtype}
* intervention `{text_of(request.interventions) or "none"}`
* {paired.n:,} questions of '{request.eval_set}', seed {request.seed} (effective n {paired.effective_n:,.0f})
* accuracy {effect.baseline.value:.1%} unsteered, {effect.steered.value:.1%} steered: {points(paired.delta)} points \
[{points(paired.low)}, {points(paired.high)}], {effect.only_form.words(paired.fixed, paired.broken)}, p {paired.p_clustered:.3g} (clustered)
* answers unsteered: {effect.baseline_outcomes.words()}
* answers steered: {effect.steered_outcomes.words()}
{marked}
{_contents("rows.csv: a row a question, the baseline's columns beside the condition's", "results.json: the comparison")}
Repeat it, in the repository or with the package codi-explorer:

```bash
{command}
```
""".encode()


def _sweep_words(table: SweepTable, spec: SweepSpec, commands: Sequence[str]) -> bytes:
    refused = "".join(f"* left out: {reason}\n" for reason in table.refused)
    lines, conditions = "\n".join(commands), len(table.cells) + len(table.bands)
    tables = "cells.csv: a row a condition; bands.csv: what cells are ranked among; outcomes.csv: what became of the answers, by `place`"
    contents = _contents(tables, f"{ARTIFACTS}/sweeps/{table.key}/rows.parquet: a row a question and condition")
    return f"""# Sweep {table.key}: {table.title}

* model {spec.model.name}, weights {spec.model.checkpoint}, {spec.model.dtype}
* {conditions:,} conditions on {table.eval_set.n:,} questions of '{table.eval_set.name}', seed {table.eval_set.seed}
* made {table.created} by code {table.code}
{refused}
{contents}
Repeat it, in the repository or with the package codi-explorer:

```bash
{lines}
```
""".encode()


def _eval_words(report: EvalReport, command: str) -> bytes:
    spec, share = report.spec, report.accuracy
    return f"""# Eval {spec.key}

* model {spec.model.name}, weights {spec.model.checkpoint}, {spec.model.dtype}
* {share.n:,} questions of '{spec.eval_set.name}', seed {spec.eval_set.seed} (effective n {share.effective_n:,.0f})
* accuracy {share.value:.1%} [{share.low:.1%}, {share.high:.1%}]
* answers: {report.outcomes.words()}

{_contents("rows.csv: a row a question", "results.json: the accuracy, and by kind of question")}
Repeat it, in the repository or with the package codi-explorer:

```bash
{command}
```
""".encode()


def _lens_words(card: LensCard) -> bytes:
    model, depths = card.model, card.kl.shape[1] - 1
    kl, plain = (float(values[:, :depths].mean()) for values in (card.kl, card.kl_plain))
    return f"""# Lens {card.name} of {model.name}

* weights {model.checkpoint}
* {card.recipe}, on '{card.train_set}'
* on {card.n_held_out:,} held-out questions of '{card.held_out_set}': KL(output || lens) {kl:.3f} nats, logit lens {plain:.3f} (means over
  indices and the depths below the last; `{LENS}/codi.json` has every cell)

* {LENS}/: its files, as `train-lens` and `train-jlens` write them; `codi add` puts them where this model's lenses are found
* spec.json: the model and the training it is of
* repeat.ipynb: reads a prompt through it
* {SUMS}: check with `sha256sum -c {SUMS}`
""".encode()


def _contents(*own: str) -> str:
    shared = (
        "spec.json: everything that decides the numbers; its key is the SHA-256 of the canonical JSON",
        "versions.json: code, libraries, time, and the hashes the files were stored with",
        "command.txt, repeat.ipynb: the same again, compared with what is here",
        f"{ARTIFACTS}/: what was stored, as it was stored; `codi add` checks it and puts it into another cache",
        f"{SUMS}: check with `sha256sum -c {SUMS}`",
    )
    return "".join(f"* {line}\n" for line in (*own, *shared))
