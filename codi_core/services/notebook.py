"""The notebook of a bundle: checks its files, counts its numbers, and repeats them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from codi_core.services.evaluate import EvalRequest
from codi_core.services.shared.requests import ConditionRequest
from codi_core.steering.flags import text_of
from codi_core.sweeps.table import CONTROLS
from codi_core.sweeps.units import CELLS, ROWS
from codi_core.values.sweep import SweepTable

SUMS = "SHA256SUMS"
"""File of the checksums in a bundle."""


def notebook(*cells: tuple[str, str]) -> bytes:
    """(kind, text) of each cell → Jupyter's format 4.5, which is JSON."""

    def cell(number: int, kind: str, text: str) -> dict[str, Any]:
        extra: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
        return {"cell_type": kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True), **extra}

    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}
    made = [cell(number, kind, text) for number, (kind, text) in enumerate(cells)]
    book = {"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(book, indent=1, ensure_ascii=False) + "\n").encode()


_NEEDS = "It needs the package codi-explorer, or `CODI_REPOSITORY` set to the repository's folder. First: are the files as they were?"
_INTACT = f"""import hashlib
import importlib.util
import json
import os
import sys
from pathlib import Path

import pandas as pd

HERE = Path.cwd()  # the folder of this bundle
if REPOSITORY := os.environ.get("CODI_REPOSITORY", ""):
    sys.path.insert(0, REPOSITORY)
if importlib.util.find_spec("codi_core") is None:
    raise ModuleNotFoundError("codi_core is missing: install the package codi-explorer, or set CODI_REPOSITORY to the repository's folder.")
import codi_core as codi

for line in (HERE / "{SUMS}").read_text(encoding="utf-8").splitlines():
    digest, name = line.split("  ")
    assert hashlib.sha256((HERE / name).read_bytes()).hexdigest() == digest, f"{{name}} has changed\""""
_AGAIN = "The same again: stored results of the same key come at once; `CODI_CACHE_DIR` set to an empty folder makes it compute."
_OTHER = (
    "markdown",
    "Another key means another checkpoint, precision, eval set or version of the numerics: `spec.json` says which it was.",
)


def condition_cells(request: ConditionRequest, key: str) -> tuple[tuple[str, str], ...]:
    """``key`` of the condition that the request asks for."""
    return (
        ("markdown", f"# A condition, repeated\n{_NEEDS}"),
        ("code", _INTACT),
        ("markdown", "The stored accuracy, counted from the stored rows."),
        (
            "code",
            f"""stored = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
rows = pd.read_parquet(HERE / "artifacts/runs/{key}/rows.parquet")
counted = (rows["outcomes"] == "correct").mean()
assert abs(counted - stored["steered"]["value"]) < 1e-9
print(stored["verdict"])
print(f"steered accuracy {{counted:.1%}} on {{len(rows):,}} questions")""",
        ),
        ("markdown", _AGAIN),
        ("code", f"{_load(request.model, request.passes)}\nagain = {_compare(request)}.value.as_json()"),
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
        _OTHER,
    )


def eval_cells(request: EvalRequest, key: str) -> tuple[tuple[str, str], ...]:
    """``key`` of the eval that the request asks for."""
    given = f"{request.eval_set!r}, n={request.n}, seed={request.seed}, mode={request.mode!r}, max_new_tokens={request.max_new_tokens}"
    return (
        ("markdown", f"# An accuracy, repeated\n{_NEEDS}"),
        ("code", _INTACT),
        ("markdown", "The stored accuracy, counted from the stored rows."),
        (
            "code",
            f"""stored = json.loads((HERE / "results.json").read_text(encoding="utf-8"))
rows = pd.read_parquet(HERE / "artifacts/evals/{key}/rows.parquet")
assert abs((rows["outcome"] == "correct").mean() - stored["accuracy"]) < 1e-9""",
        ),
        ("markdown", _AGAIN),
        ("code", f"{_load(request.model, request.passes)}\nagain = model.evaluate({given}).value.as_json()"),
        (
            "code",
            """names = ["key", "accuracy", "interval", "n", "effective_n"]
compared = pd.DataFrame({"stored": [stored[name] for name in names], "again": [again[name] for name in names]}, index=names)
compared["same"] = [stored[name] == list(again[name]) if name == "interval" else stored[name] == again[name] for name in names]
compared""",
        ),
        _OTHER,
    )


def lens_cells(model: str, lens: str) -> tuple[tuple[str, str], ...]:
    """``codi add`` has put the lens where the model's lenses are."""
    return (
        ("markdown", f"# A lens, read through\n{_NEEDS}"),
        ("code", _INTACT),
        ("markdown", "`codi add BUNDLE.zip` takes the lens in; then the model has it, here and on every page."),
        (
            "code",
            f"""{_load(model)}
assert {lens!r} in model.lenses, "take the bundle in first: codi add BUNDLE.zip"
thought = model.think("A team starts with 3 members. They recruit 5 new members. Then each current member recruits 2 additional people. "
                      "How many people are there now on the team? Give the answer only and nothing else.")
thought.lens({lens!r})""",
        ),
    )


def sweep_cells(table: SweepTable, requests: Sequence[ConditionRequest]) -> tuple[tuple[str, str], ...]:
    """``requests``: one for each chosen cell; none for a whole grid."""
    return (
        ("markdown", f"# A sweep, repeated\n{_NEEDS}"),
        ("code", _INTACT),
        ("markdown", "Every stored accuracy, counted from the stored rows."),
        (
            "code",
            f"""stored = HERE / "artifacts/sweeps/{table.key}"
cells, rows = pd.read_parquet(stored / "{CELLS}"), pd.read_parquet(stored / "{ROWS}")
counted = (rows["outcome"] == "correct").groupby(rows["place"]).mean()
own = cells[~cells["role"].isin({list(CONTROLS)!r})].set_index("place")
assert (own["accuracy"] - counted).abs().max() < 1e-6
own[own["role"] == "cell"].nlargest(10, "delta")[["intervention", "accuracy", "delta", "delta_low", "delta_high", "p_max"]]""",
        ),
        (
            "markdown",
            "The same again, without bands: minutes to hours. Interrupted, it goes on with what is missing; a stored table comes at once.",
        ),
        ("code", f"{_load(table.model_name, table.rollout.passes)}\n{_again(table, requests)}"),
        _OTHER,
    )


def _again(table: SweepTable, requests: Sequence[ConditionRequest]) -> str:
    """A grid from its preset, or its chosen cells one by one, beside what is stored."""
    if requests:
        calls = ",\n    ".join(_compare(request) for request in requests)
        return f"""again = [
    {calls},
]
compared = own[own["role"] == "cell"][["intervention", "accuracy"]]
compared.assign(again=[effect.value.steered.value for effect in again])"""
    eval_set = table.eval_set
    given = (
        f"{table.name!r}, {eval_set.name!r}, {eval_set.n}, seed={eval_set.seed}, means_n={table.means.eval_set.n}, randoms=0, shuffled=0"
    )
    return f"""again = codi.sweep(model, {given})
compared = own[["intervention", "accuracy"]].join(again.to_pandas().set_index("place")["accuracy"].rename("again"))
compared["same"] = (compared["accuracy"] - compared["again"]).abs() < 1e-6
print(f"the same key: {{again.value.key == {table.key!r}}}; {{compared['same'].sum():,}} of {{len(compared):,}} accuracies the same")
compared"""


def _load(model: str, passes: int | None = None) -> str:
    known = "" if passes is None else f", passes={passes}"
    return f"model = codi.load({model!r}{known})  # or wherever these weights are on this machine"


def _compare(request: ConditionRequest) -> str:
    """The call of the Python API that a request is."""
    default = ConditionRequest("", ())
    names = ("seed", "controls", "against", "overlap", "max_new_tokens")
    given = {name: getattr(request, name) for name in names if getattr(request, name) != getattr(default, name)}
    more = "".join(f", {name}={value!r}" for name, value in given.items())
    if request.means != default.means:
        means = request.means
        more += f", means=codi.MeansRequest({means.eval_set!r}, {means.n}, {means.seed}, {means.only!r})"
    return f"model.compare({text_of(request.interventions)!r}, {request.eval_set!r}, {request.n}{more})"
