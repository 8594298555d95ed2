"""The table of a sweep: parts put together, statistics of every condition, and reading it back.

``cells.parquet`` has one row a condition:

* place, role (baseline, cell, random, shuffled), variant, a, b, index, coefficient, passes, intervention (as ``--condition`` takes it), key
* dose (of hidden states), dose_k, dose_v: length of the push over the length of what stands there
* n, effective_n, accuracy, low, high
* against the baseline with as many passes: delta, delta_low, delta_high, z, p, p_mcnemar, fixed, broken; with the suffix ``_all``: against
  the baseline with all passes
* margin, margin_low, margin_high: mean change of the gold logit margin, same passes
* percentile, margin_percentile: among the random directions and shuffled steps of the same variant, index and size of the coefficient
* p_holm, p_bh, p_max, and these with ``_all``: p adjusted over all cells of the variant (Holm; Benjamini & Hochberg; max-statistic)

NaN where something is not defined: statistics of the difference for baselines, percentiles and adjusted p for all but role ``cell``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from codi_core.evaluation import stats
from codi_core.evaluation.run import clusters_of
from codi_core.steering.methods import text_of
from codi_core.store import Artifact, Store, save_json, save_parquet
from codi_core.sweeps.presets import SWEEPS as PRESETS
from codi_core.sweeps.spec import Cell, SweepSpec, spec_of
from codi_core.sweeps.units import CELLS, ROWS, SCHEMA, SWEEPS, claim, drop_parts, has_part, read_part, rows_writer, units_of
from codi_core.types import Question, SweepTable

ROW_GROUP = 64_000
"""Rows that are written, and read, together; a few more where a unit is not cut."""
REFUSED = "refused.json"
COLUMNS_AT_ONCE = 128
"""Conditions whose bootstrap replicates are in memory together."""

Array = npt.NDArray[Any]


# Putting it together


def seal(store: Store, spec: SweepSpec, questions: Sequence[Question]) -> bool:
    """Make the table of the parts, store it, and let the parts go. False when some are missing or were found damaged.

    Memory: the outcomes and margins, three bytes a row. Raises ArtifactError when the disk does not take the table.
    """
    with claim(store, spec.key, "seal", wait=True):
        if store.find(SWEEPS, spec.key) is None:
            units = units_of(spec)
            found = [has_part(store, unit) for unit in units]  # all of them, so that every damaged one is
            if not all(found):
                return False
            conditions = units[-1].stop
            correct, margin = np.zeros((len(questions), conditions), bool), np.zeros((len(questions), conditions), np.float16)
            doses: list[pd.DataFrame] = []
            with store.write(SWEEPS, spec) as folder:
                with rows_writer(folder / ROWS) as writer:
                    for rows in _gathered(_parts(store, spec, doses)):
                        writer.write_table(rows, row_group_size=len(rows))
                        place, number = rows["place"].to_numpy(), rows["number"].to_numpy()
                        correct[number, place] = rows["outcome"].to_numpy() == "correct"
                        margin[number, place] = rows["margin"].to_numpy()
                cells = cells_of(spec, questions, correct, margin).merge(pd.concat(doses), on="place", how="left")
                save_parquet(folder / CELLS, cells[_ordered(cells)])
                save_json(folder / REFUSED, spec.refused())
        drop_parts(store, spec)
    return True


def _parts(store: Store, spec: SweepSpec, doses: list[pd.DataFrame]) -> Iterator[pa.Table]:
    for unit in units_of(spec):
        rows, own = read_part(store, unit)
        doses.append(own.astype({name: np.float32 for name in own.columns if name != "place"}))
        yield rows


def _gathered(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in larger pieces."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(len(one) for one in waiting) >= ROW_GROUP:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _ordered(cells: pd.DataFrame) -> list[str]:
    """Doses beside what they are doses of."""
    doses = ["dose", "dose_k", "dose_v"]
    others = [name for name in cells.columns if name not in doses]
    at = others.index("key") + 1
    return others[:at] + doses + others[at:]


# Statistics


def cells_of(spec: SweepSpec, questions: Sequence[Question], correct: Array, margin: Array) -> pd.DataFrame:
    """All columns but the doses. ``correct`` and ``margin`` are ``[question place]``."""
    cells, clusters = spec.cells(), clusters_of(questions)
    frame = _named(cells)
    accuracy, low, high, effective = _by_columns(lambda own: stats.shares(own, clusters), correct)
    frame = frame.assign(n=len(questions), effective_n=effective, accuracy=accuracy, low=low, high=high)
    baselines = {cell.condition.passes: cell.place for cell in cells if cell.role == "baseline"}
    same, standard = np.array([baselines[cell.condition.passes] for cell in cells]), np.full(len(cells), baselines[spec.rollout.passes])
    steered = np.array([cell.role != "baseline" for cell in cells])
    wanted = (frame["role"] == "cell").to_numpy()
    against: dict[str, Array] = {}
    for suffix, base in (("", same), ("_all", standard)):
        if suffix and np.array_equal(same[steered], standard[steered]):
            against |= {f"{name}_all": values for name, values in against.items()}
        else:
            against |= _against(correct, base, steered, wanted, frame["variant"].to_numpy(), clusters, suffix)
    margins = dict(zip(("margin", "margin_low", "margin_high"), _margins(margin, same, steered, clusters), strict=True))
    adjusted = [name for name in against if name.startswith(("p_holm", "p_bh", "p_max"))]
    frame = frame.assign(**{name: values for name, values in against.items() if name not in adjusted}, **margins)
    frame = frame.assign(percentile=_percentiles(frame, "delta"), margin_percentile=_percentiles(frame, "margin"))
    frame = frame.assign(**{name: against[name] for name in adjusted})
    return frame.astype({name: np.float32 for name, dtype in frame.dtypes.items() if dtype == np.float64 and name != "coefficient"})


def _named(cells: Sequence[Cell]) -> pd.DataFrame:
    names = ("place", "role", "variant", "a", "b", "index", "coefficient")
    frame = pd.DataFrame({name: [getattr(cell, name) for cell in cells] for name in names})
    frame["passes"] = [cell.condition.passes for cell in cells]
    frame["intervention"] = [text_of(cell.condition.interventions) for cell in cells]
    frame["key"] = [cell.condition.key for cell in cells]
    return frame


def _by_columns(work: Any, values: Array) -> tuple[Array, ...]:
    """``work`` on a few columns at a time, its results joined: memory does not grow with the number of conditions."""
    pieces = [work(values[:, first : first + COLUMNS_AT_ONCE]) for first in range(0, values.shape[1], COLUMNS_AT_ONCE)]
    return tuple(np.concatenate(own) for own in zip(*pieces, strict=True))


def _against(
    correct: Array, base: Array, steered: Array, wanted: Array, variants: Array, clusters: stats.Clusters, suffix: str
) -> dict[str, Array]:
    """Columns of the difference to the places ``base``, full length; NaN (and 0 questions) where not ``steered``."""
    places = np.flatnonzero(steered)
    found = _by_columns(lambda own: _compared(correct, own[0], own[1], clusters), np.stack([places, base[places]]))
    names = ("delta", "delta_low", "delta_high", "z", "p", "p_mcnemar", "fixed", "broken")
    columns = {name: _spread(values, places, len(base)) for name, values in zip(names, found, strict=True)}
    columns |= {name: np.nan_to_num(columns[name]).astype(np.int32) for name in ("fixed", "broken")}
    adjusted = {name: np.full(len(base), np.nan) for name in ("p_holm", "p_bh", "p_max")}
    for variant in dict.fromkeys(variants[wanted]):
        own = np.flatnonzero(wanted & (variants == variant))
        adjusted["p_holm"][own] = stats.holm(columns["p"][own])
        adjusted["p_bh"][own] = stats.benjamini_hochberg(columns["p"][own])
        adjusted["p_max"][own] = stats.max_statistic(_difference(correct, own, base[own]), clusters)
    return {name + suffix: values for name, values in (columns | adjusted).items()}


def _compared(correct: Array, places: Array, base: Array, clusters: stats.Clusters) -> tuple[Array, ...]:
    """As `stats.compare`, of many conditions; p has no smallest value, so that it can be adjusted."""
    difference = _difference(correct, places, base)
    fixed, broken = (difference > 0).sum(0), (difference < 0).sum(0)
    low, high = stats.bootstrap_interval(difference, clusters)
    exact_low, exact_high = stats.mcnemar_interval(fixed, broken, len(correct))
    exact = np.array([stats.mcnemar(int(one), int(other)) for one, other in zip(fixed, broken, strict=True)])
    z, p = stats.clustered_t(difference, clusters)
    changed = fixed + broken > 0
    low, high = np.where(changed, np.minimum(low, exact_low), 0.0), np.where(changed, np.maximum(high, exact_high), 0.0)
    return difference.mean(0), low, high, z, np.maximum(p, exact), exact, fixed, broken


def _difference(correct: Array, places: Array, base: Array) -> Array:
    difference: Array = correct[:, places].astype(np.float32) - correct[:, base].astype(np.float32)
    return difference


def _margins(margin: Array, base: Array, steered: Array, clusters: stats.Clusters) -> list[Array]:
    places = np.flatnonzero(steered)

    def work(own: Array) -> tuple[Array, ...]:
        change = margin[:, own[0]].astype(float) - margin[:, own[1]].astype(float)
        return change.mean(0), *stats.bootstrap_interval(change, clusters)

    return [_spread(values, places, len(base)) for values in _by_columns(work, np.stack([places, base[places]]))]


def _spread(values: Array, places: Array, total: int) -> Array:
    column = np.full(total, np.nan)
    column[places] = values
    return column


def _percentiles(frame: pd.DataFrame, column: str) -> Array:
    """Of every cell among the controls pushed as hard at its site: share that does less, ties half, 0..100."""
    found = np.full(len(frame), np.nan)
    values, size = frame[column].to_numpy(), frame["coefficient"].abs()
    for _, group in frame[frame["role"] != "baseline"].groupby(["variant", "index", size]):
        cells, band = group.index[group["role"] == "cell"], values[group.index[group["role"] != "cell"]]
        if len(band):
            own = values[cells][:, None]
            found[cells] = 100 * ((band < own).mean(1) + 0.5 * (band == own).mean(1))
    return found


# Reading it back


def read_table(store: Store, key: str) -> SweepTable:
    """A stored sweep. Raises ArtifactError when there is none or it is damaged."""
    return _table(store.read(SWEEPS, key))


def _table(artifact: Artifact) -> SweepTable:
    meta, spec = artifact.meta, spec_of(artifact.meta.spec)
    preset = PRESETS.get(spec.name)
    return SweepTable(
        key=meta.key,
        name=spec.name,
        title=preset.title if preset else spec.name,
        model_key=spec.model.key,
        model_name=spec.model.name,
        eval_set=spec.eval_set,
        means=spec.means,
        overlap=spec.overlap,
        rollout=spec.rollout,
        code=meta.code,
        created=meta.created,
        cells=artifact.parquet(CELLS),
        refused=tuple(artifact.json(REFUSED)),
    )


def rows_of(store: Store, key: str, places: Sequence[int]) -> pd.DataFrame:
    """Rows of some conditions, as in SCHEMA; reads only the pieces they are in. Raises ArtifactError."""
    path = store.read(SWEEPS, key).file(ROWS)
    found: pd.DataFrame = parquet.read_table(path, schema=SCHEMA, filters=[("place", "in", list(places))]).to_pandas()
    return found
