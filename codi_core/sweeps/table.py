"""The table of a sweep: parts put together, statistics of every condition, and reading it back.

``cells.parquet`` has one row a condition:

* place, role (baseline, cell, random, shuffled), variant, a, b, index, coefficient, passes, intervention (as ``--condition`` takes it), key
* dose (of hidden states), dose_k, dose_v: length of the push over the length of what stands there
* n, effective_n, accuracy, low, high
* against the baseline with as many passes: delta, delta_low, delta_high, z, p, p_mcnemar, fixed, broken; with the suffix ``_all``: against
  the baseline with all passes
* margin, margin_low, margin_high: mean change of the gold logit margin, same passes
* p_holm, p_bh, p_max, and these with ``_all``: p adjusted over all cells of the variant (Holm; Benjamini & Hochberg; max-statistic)

NaN where something is not defined: statistics of the difference for baselines, adjusted p for all but role ``cell``.

Read back, cells and bands are apart, and cells have ``band``, the number of directions as long as their own push that were tried at their
site (in this sweep or in one that measures bands only), and with enough of them ``percentile`` and ``margin_percentile`` among these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import compute, parquet

from codi_core.evaluation import stats
from codi_core.problems.clusters import clusters_of
from codi_core.steering.flags import text_of
from codi_core.store import Artifact, Store, save_json, save_parquet
from codi_core.sweeps.presets import SWEEPS as PRESETS
from codi_core.sweeps.spec import Cell, SweepSpec
from codi_core.sweeps.units import CELLS, ROWS, SCHEMA, SWEEPS, claim, drop_parts, has_part, read_part, rows_writer, units_of
from codi_core.values.questions import Question
from codi_core.values.stats import Clusters
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import percentiles

ROW_GROUP = 64_000
"""Rows that are written, and read, together; a few more where a unit is not cut."""
REFUSED = "refused.json"
CONTROLS = ("random", "shuffled")
"""Roles of the directions in bands."""
COLUMNS_AT_ONCE = 128
"""Conditions that are worked on, in memory, together."""

Array = npt.NDArray[Any]
Stored = tuple[Artifact, SweepSpec]


# Putting it together


def seal(store: Store, spec: SweepSpec, questions: Sequence[Question]) -> bool:
    """Make the table of the parts, store it, and let the parts go. False when some are missing or were found damaged.

    Of directions in bands statistics are kept, and no rows. Memory: the outcomes and margins, three bytes a row.

    Raises ArtifactError when the disk does not take the table.
    """
    with claim(store, spec.key, "seal", wait=True):
        if store.find(SWEEPS, spec.key) is None:
            units = units_of(spec)
            found = [has_part(store, unit) for unit in units]  # all of them, so that every damaged one is
            if not all(found):
                return False
            conditions = units[-1].stop
            first_control = next((cell.cell_id for cell in spec.cells() if cell.role in CONTROLS), conditions)  # bands come last
            correct, margin = np.zeros((len(questions), conditions), bool), np.zeros((len(questions), conditions), np.float16)
            doses: list[pd.DataFrame] = []
            with store.write(SWEEPS, spec) as folder:
                with rows_writer(folder / ROWS) as writer:
                    for rows in _gathered(_parts(store, spec, doses)):
                        place, number = rows["place"].to_numpy(), rows["number"].to_numpy()
                        correct[number, place] = rows["outcome"].to_numpy() == "correct"
                        margin[number, place] = rows["margin"].to_numpy()
                        kept = rows.filter(compute.less(rows["place"], first_control))
                        writer.write_table(kept, row_group_size=max(len(kept), 1))
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
    baselines = {cell.condition.passes: cell.cell_id for cell in cells if cell.role == "baseline"}
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
    frame = frame.assign(**{name: against[name] for name in adjusted})
    return frame.astype({name: np.float32 for name, dtype in frame.dtypes.items() if dtype == np.float64 and name != "coefficient"})


def _named(cells: Sequence[Cell]) -> pd.DataFrame:
    names = ("role", "variant", "a", "b", "index", "coefficient")
    columns = {name: [getattr(cell, name) for cell in cells] for name in names}
    frame = pd.DataFrame({"place": [cell.cell_id for cell in cells], **columns})
    frame["passes"] = [cell.condition.passes for cell in cells]
    frame["intervention"] = [text_of(cell.condition.interventions) for cell in cells]
    frame["key"] = [cell.condition.key for cell in cells]
    return frame


def _by_columns(work: Any, values: Array) -> tuple[Array, ...]:
    """``work`` on a few columns at a time, its results joined: memory does not grow with the number of conditions."""
    pieces = [work(values[:, first : first + COLUMNS_AT_ONCE]) for first in range(0, values.shape[1], COLUMNS_AT_ONCE)]
    return tuple(np.concatenate(own) for own in zip(*pieces, strict=True))


def _against(
    correct: Array, base: Array, steered: Array, wanted: Array, variants: Array, clusters: Clusters, suffix: str
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


def _compared(correct: Array, places: Array, base: Array, clusters: Clusters) -> tuple[Array, ...]:
    """As `stats.compare`, of many conditions."""
    difference = _difference(correct, places, base)
    fixed, broken = (difference > 0).sum(0), (difference < 0).sum(0)
    found = stats.estimate(difference, clusters)
    return found.mean, found.low, found.high, found.z, found.p, stats.mcnemar(fixed, broken), fixed, broken


def _difference(correct: Array, places: Array, base: Array) -> Array:
    difference: Array = correct[:, places].astype(np.float32) - correct[:, base].astype(np.float32)
    return difference


def _margins(margin: Array, base: Array, steered: Array, clusters: Clusters) -> list[Array]:
    places = np.flatnonzero(steered)

    def work(own: Array) -> tuple[Array, ...]:
        change = margin[:, own[0]].astype(float) - margin[:, own[1]].astype(float)
        return stats.estimate(change, clusters)[:3]

    return [_spread(values, places, len(base)) for values in _by_columns(work, np.stack([places, base[places]]))]


def _spread(values: Array, places: Array, total: int) -> Array:
    column = np.full(total, np.nan)
    column[places] = values
    return column


# Reading it back


def read_table(store: Store, key: str) -> SweepTable:
    """A stored sweep. Raises ArtifactError when there is none or it is damaged."""
    artifact = store.read(SWEEPS, key)
    return table_of(artifact, artifact.spec(SweepSpec), readable_sweeps(store)[0])


def readable_sweeps(store: Store) -> tuple[list[Stored], tuple[str, ...]]:
    """All of them, and why others cannot be read."""
    return store.readable(SWEEPS, SweepSpec)


def table_of(artifact: Artifact, spec: SweepSpec, others: Sequence[Stored]) -> SweepTable:
    """With the bands that ``others`` measured for it. Raises ArtifactError when a file is not what it says."""
    preset, everything = PRESETS.get(spec.name), artifact.parquet(CELLS)
    control = everything["role"].isin(CONTROLS)
    elsewhere = [found[found["role"].isin(CONTROLS)] for found in (own.parquet(CELLS) for own in _bands_for(spec, others))]
    bands = pd.concat([everything[control], *elsewhere]).drop_duplicates("key")
    return SweepTable(
        key=artifact.meta.key,
        name=spec.name,
        title=preset.title if preset else spec.name,
        model_key=spec.model.key,
        model_name=spec.model.name,
        eval_set=spec.eval_set,
        means=spec.means,
        overlap=spec.overlap,
        rollout=spec.rollout,
        code=artifact.meta.code,
        created=artifact.meta.created,
        cells=ranked(everything[~control], bands),
        bands=bands,
        refused=tuple(artifact.json(REFUSED)),
    )


def band_sweeps(store: Store, spec: SweepSpec) -> list[str]:
    """Keys of stored sweeps that measure bands only, with the same model, questions and means."""
    return [own.meta.key for own in _bands_for(spec, readable_sweeps(store)[0])]


def _bands_for(spec: SweepSpec, others: Sequence[Stored]) -> list[Artifact]:
    return [own for own, other in others if other.only_bands and replace(other, name=spec.name, axes=spec.axes) == spec]


def ranked(cells: pd.DataFrame, bands: pd.DataFrame) -> pd.DataFrame:
    """Every cell among the directions as long as its own push at its site. Both signs of a cell share a band."""

    def by_site(table: pd.DataFrame) -> Any:
        """Places of rows, by site."""
        keys = [table[name] for name in ("variant", "a", "b", "index")]
        return table.groupby([*keys, table["coefficient"].abs()]).indices if len(table) else {}

    own, steered = by_site(bands), np.flatnonzero(cells["role"] == "cell")
    nothing = np.full(len(cells), np.nan)
    found = {"band": np.zeros(len(cells), np.int64), "percentile": nothing, "margin_percentile": nothing.copy()}
    columns = {"percentile": "delta", "margin_percentile": "margin"}
    effects = {name: (cells[column].to_numpy(float), bands[column].to_numpy(float)) for name, column in columns.items()}
    for where, places in by_site(cells.iloc[steered]).items():
        if where in own:
            at, among = steered[places], own[where]
            found["band"][at] = len(among)
            for name, (effect, pushes) in effects.items():
                found[name][at] = percentiles(effect[at], pushes[among])
    return cells.assign(**found)


def rows_of(store: Store, key: str, places: Sequence[int]) -> pd.DataFrame:
    """Rows of some conditions, as in SCHEMA; reads only the pieces they are in. Raises ArtifactError."""
    path = store.read(SWEEPS, key).file(ROWS)
    found: pd.DataFrame = parquet.read_table(path, schema=SCHEMA, filters=[("place", "in", list(places))]).to_pandas()
    return found
