"""Made-up tables of sweeps: the cells a real spec has, with the numbers a test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from codi_core.problems.evalsets import load_eval_set
from codi_core.steering.flags import text_of
from codi_core.store import Store, save_json, save_parquet
from codi_core.sweeps.presets import SWEEPS
from codi_core.sweeps.spec import Axes, Cell, SweepSpec
from codi_core.sweeps.table import CONTROLS, REFUSED, cells_of, ranked, read_table
from codi_core.sweeps.units import CELLS, ROWS, SCHEMA, rows_writer
from codi_core.sweeps.units import SWEEPS as KIND
from codi_core.values.model import ModelSpec, RolloutConfig
from codi_core.values.questions import EvalSetSpec, Question
from codi_core.values.sweep import SweepTable
from codi_core.values.vectors import MeansSpec

MODEL = ModelSpec("made-up", "0" * 64, "float32", "answer-only", "none")
LAYERS = 6
Change = Callable[[Cell], float]
"""A cell → its difference of accuracy."""


def spec(preset: str = "post-kv", n: int = 1_000, model: ModelSpec = MODEL, on: str = "templates", **axes: Any) -> SweepSpec:
    row, passes = SWEEPS[preset], 6
    given: dict[str, Any] = {
        "variants": row.variants(LAYERS),
        "pairs": row.pairs(passes),
        "indices": row.indices(passes),
        "coefficients": row.coefficients,
    }
    given |= axes
    if "bands" not in given and given.get("randoms", 0) + given.get("shuffled", 0):
        pairs, sizes = given["pairs"], {abs(c) for c in given["coefficients"]}
        given["bands"] = tuple((v, a, b, i, c) for v in given["variants"] for a, b in pairs for i in given["indices"] for c in sizes)
    name, count, only = row.means(True)
    means = MeansSpec(model.key, EvalSetSpec(name, count, 0, "m" * 64), only, passes)
    rollout = RolloutConfig(passes)
    return SweepSpec(preset, model, EvalSetSpec(on, n, 0, "d" * 64), rollout, means, row.overlap, Axes(**given))


def nothing(cell: Cell) -> float:
    return 0.0


def table(spec: SweepSpec, change: Change = nothing, noise: float = 0.004, base: float = 0.6, random: Change = nothing) -> SweepTable:
    """Differences are ``change`` and, for random directions, ``random``, both with noise; every p follows from them."""
    rng = np.random.default_rng(0)
    rows = pd.DataFrame([_row(cell, (change if cell.role == "cell" else random)(cell), rng, noise, base, spec) for cell in spec.cells()])
    control = rows["role"].isin(CONTROLS)
    title = SWEEPS[spec.name].title if spec.name in SWEEPS else spec.name
    return SweepTable(
        key=spec.key,
        name=spec.name,
        title=title,
        model_key=spec.model.key,
        model_name=spec.model.name,
        eval_set=spec.eval_set,
        means=spec.means,
        overlap=spec.overlap,
        rollout=spec.rollout,
        code="test",
        created="2026-11-22T00:00:00+00:00",
        cells=ranked(rows[~control], rows[control]),
        bands=rows[control],
        refused=spec.refused(),
    )


def store_made_up(store: Store, spec: SweepSpec, change: Change = lambda cell: 0.0, base: float = 0.6) -> SweepTable:
    """A stored sweep without a model: real questions and statistics, answers by lot."""
    questions = load_eval_set(spec.eval_set.name, spec.eval_set.n, spec.eval_set.seed)[1]
    rng, cells = np.random.default_rng(0), spec.cells()
    luck, churn = rng.random((len(questions), 1)), rng.normal(0, 0.03, (len(questions), len(cells)))
    share = np.array([base * cell.condition.passes / spec.rollout.passes + change(cell) for cell in cells])
    quiet = np.array([cell.role == "baseline" for cell in cells])
    correct = luck + np.where(quiet, 0, churn) < share
    margin = (share + np.where(quiet, 0, churn)).astype(np.float16)
    doses = pd.DataFrame({"dose": np.nan, "dose_k": 0.3, "dose_v": 0.2}, index=range(len(cells)))
    with store.write(KIND, spec) as folder:
        with rows_writer(folder / ROWS) as writer:
            writer.write_table(pa.Table.from_pandas(_answers(questions, correct, margin), SCHEMA, preserve_index=False))
        save_parquet(folder / CELLS, pd.concat([cells_of(spec, questions, correct, margin), doses], axis=1))
        save_json(folder / REFUSED, list(spec.refused()))
    return read_table(store, spec.key)


def _answers(questions: Sequence[Question], correct: npt.NDArray[np.bool_], margin: npt.NDArray[np.float16]) -> pd.DataFrame:
    number, place = (axis.T.ravel() for axis in np.indices(correct.shape))
    right = correct.T.ravel()
    return pd.DataFrame(
        {
            "place": place.astype(np.int16),
            "number": number.astype(np.int32),
            "outcome": np.where(right, "correct", "wrong"),
            "answer": [f" {questions[n].gold + (not ok):g}" for n, ok in zip(number, right, strict=True)],
            "p_gold": np.float16(0.5),
            "margin": margin.T.ravel(),
        }
    )


def _row(cell: Cell, change: float, rng: np.random.Generator, noise: float, base: float, spec: SweepSpec) -> dict[str, Any]:
    unsteered = base * min(cell.condition.passes, spec.rollout.passes) / spec.rollout.passes
    delta = 0.0 if cell.role == "baseline" else change + float(rng.normal(0, noise))
    half = 1.96 * noise
    row: dict[str, Any] = {
        "place": cell.cell_id,
        "role": cell.role,
        "variant": cell.variant,
        "a": cell.a,
        "b": cell.b,
        "index": cell.index,
        "coefficient": cell.coefficient,
        "passes": cell.condition.passes,
        "intervention": text_of(cell.condition.interventions),
        "key": cell.condition.key,
        "dose": np.nan,
        "dose_k": abs(cell.coefficient) * 0.3,
        "dose_v": abs(cell.coefficient) * 0.2,
        "n": spec.eval_set.n,
        "effective_n": spec.eval_set.n * 0.6,
        "accuracy": unsteered + delta,
        "low": unsteered + delta - 0.03,
        "high": unsteered + delta + 0.03,
        "margin": 3 * delta,
        "margin_low": 3 * delta - 0.05,
        "margin_high": 3 * delta + 0.05,
    }
    for suffix, moved in (("", delta), ("_all", unsteered + delta - base)):
        z = moved / noise
        p = float(np.clip(2 * np.exp(-0.717 * abs(z) - 0.416 * z * z), 0.001, 1))  # the normal's two tails, roughly
        row |= {f"delta{suffix}": moved, f"delta_low{suffix}": moved - half, f"delta_high{suffix}": moved + half, f"z{suffix}": z}
        row |= {f"p{suffix}": p, f"p_mcnemar{suffix}": p, f"fixed{suffix}": max(0, round(1000 * moved)) + 20, f"broken{suffix}": 20}
        row |= {f"p_{kind}{suffix}": min(1.0, p * 20) if cell.role == "cell" else np.nan for kind in ("holm", "bh", "max")}
    return row
