"""Units of work: the conditions that run together, their rows, and the parts they are kept in until the sweep is complete.

    units_of(spec)  →  claim(store, unit)  →  compute_unit(…)  →  write_part(…)  →  table.seal(…)

Which conditions are together is fixed by the spec, because rounding depends on it: whoever computes a unit, whenever, gets the same part.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from filelock import FileLock, Timeout
from pyarrow import parquet

from codi_core.engine.steps import nothing
from codi_core.errors import ArtifactError
from codi_core.evaluation.prepared import PreparedSet, plan_of
from codi_core.keys import key_of
from codi_core.steering.context import Directions
from codi_core.steering.contract import DOSES as DOSE_COLUMNS
from codi_core.store import Store, save_parquet
from codi_core.sweeps.spec import Cell, SweepSpec
from codi_core.values.arrays import Floats
from codi_core.values.callbacks import CheckCancelled
from codi_core.values.evals import ScoredRun

SWEEPS, PARTS = "sweeps", "sweep-parts"
"""Kinds of artifacts: a complete sweep; the rows of one unit, while others are missing."""
ROWS, CELLS, DOSES = "rows.parquet", "cells.parquet", "doses.parquet"
UNIT_CONDITIONS = 8
"""Conditions of a unit: as many as run side by side on any device, and few enough that an interruption costs little."""
P_STEPS, MARGIN_STEPS = 256, 16
"""Steps a unit in which P(gold) and the margin are kept: means over questions are as good, and a sweep takes half the room."""
SCHEMA = pa.schema(
    {
        "place": pa.int16(),
        "number": pa.int32(),
        "outcome": pa.string(),
        "answer": pa.string(),
        "p_gold": pa.float16(),
        "margin": pa.float16(),
    }
)
"""Of rows: ``place`` of the condition in the sweep, ``number`` of the question in the eval set."""


@dataclass(frozen=True)
class Unit:
    kind: ClassVar[str] = "sweep-unit"
    sweep: str
    """Key of the spec."""
    number: int
    first: int
    """Place of its first condition."""
    stop: int
    """Place after its last one."""

    @property
    def key(self) -> str:
        return key_of(self)


@dataclass(frozen=True, eq=False)
class Part:
    """What a unit gives."""

    rows: pd.DataFrame
    """One row a condition and question, as in SCHEMA, sorted by place and number."""
    doses: pd.DataFrame
    """place, dose, dose_k, dose_v: length of the push over the length of what stands there; NaN where there is none."""


@lru_cache(maxsize=8)
def units_of(spec: SweepSpec) -> tuple[Unit, ...]:
    """All units in the order of the table: neighbouring conditions with the same first pass, slot and number of passes."""
    units: list[Unit] = []
    for _, alike in groupby(spec.cells(), lambda cell: plan_of([cell.condition])):
        places = [cell.cell_id for cell in alike]
        for first in range(places[0], places[-1] + 1, UNIT_CONDITIONS):
            units.append(Unit(spec.key, len(units), first, min(first + UNIT_CONDITIONS, places[-1] + 1)))
    return tuple(units)


# Computing


def compute_unit(
    prepared: PreparedSet, directions: Directions, spec: SweepSpec, unit: Unit, check_cancelled: CheckCancelled = nothing
) -> Part:
    """Every condition of the unit on the whole eval set, batch after batch. ``directions`` are made from ``spec.means``.

    Raises InterventionError when the logits are not numbers, MemoryLimitError, and whatever ``check_cancelled`` raises.
    """
    cells = spec.cells()[unit.first : unit.stop]
    conditions = [cell.condition for cell in cells]
    runs: list[list[ScoredRun]] = [[] for _ in cells]
    for number in range(len(prepared.batches)):
        for group in prepared.groups(conditions):
            answered = prepared.answers_of(number, [conditions[place] for place in group], directions, check_cancelled)
            for place, run in zip(group, answered, strict=True):
                runs[place].append(run)
    rows = pd.concat([_rows(cell, own) for cell, own in zip(cells, runs, strict=True)], ignore_index=True)
    return Part(rows, pd.DataFrame([_doses(cell, directions) for cell in cells]))


def _rows(cell: Cell, runs: list[ScoredRun]) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "place": np.int16(cell.cell_id),
            "number": np.concatenate([run.numbers for run in runs]).astype(np.int32),
            "outcome": np.concatenate([run.outcomes for run in runs]).astype(object),
            "answer": [answer for run in runs for answer in run.answers],
            "p_gold": _stepped([run.p_gold for run in runs], P_STEPS),
            "margin": _stepped([run.margin for run in runs], MARGIN_STEPS),
        }
    )
    return frame.sort_values("number")


def _stepped(values: list[Floats], steps: int) -> npt.NDArray[np.float16]:
    """Rounded to so many steps a unit."""
    return (np.rint(np.concatenate(values) * steps) / steps).astype(np.float16)


def _doses(cell: Cell, directions: Directions) -> dict[str, float]:
    found: dict[str, float] = {"place": cell.cell_id, **dict.fromkeys(DOSE_COLUMNS, np.nan)}
    for method in cell.condition.interventions:
        found |= method.doses(directions, method.indices[0])
    return found


# Parts


def write_part(store: Store, unit: Unit, part: Part) -> None:
    """Raises ArtifactError when the disk does not take it."""
    with store.write(PARTS, unit) as folder:
        with rows_writer(folder / ROWS) as writer:
            writer.write_table(pa.Table.from_pandas(part.rows, SCHEMA, preserve_index=False))
        save_parquet(folder / DOSES, part.doses)


def read_part(store: Store, unit: Unit) -> tuple[pa.Table, pd.DataFrame]:
    """Rows and doses. Raises ArtifactError when there is none or it is damaged."""
    artifact = store.read(PARTS, unit.key)
    return parquet.read_table(artifact.file(ROWS), schema=SCHEMA), artifact.parquet(DOSES)


def has_part(store: Store, unit: Unit) -> bool:
    """Whether the unit is done. A damaged part, cut short say, is set aside: not done. Only with the unit claimed."""
    return store.ready(PARTS, unit.key)


def drop_parts(store: Store, spec: SweepSpec) -> None:
    """After the sweep was sealed: whoever claims a unit from now on finds that first."""
    for unit in units_of(spec):
        shutil.rmtree(store.path(PARTS, unit.key), ignore_errors=True)
    for lock in _lock_folder(store, spec.key).glob(f"{spec.key}-*"):
        lock.unlink(missing_ok=True)


@contextmanager
def rows_writer(path: Path) -> Iterator[parquet.ParquetWriter]:
    """Equal rows written in equal pieces give equal bytes."""
    with parquet.ParquetWriter(
        path,
        SCHEMA,
        compression="zstd",
        compression_level=9,
        use_dictionary=["outcome", "answer"],
        column_encoding={
            "place": "DELTA_BINARY_PACKED",
            "number": "DELTA_BINARY_PACKED",
            "p_gold": "BYTE_STREAM_SPLIT",
            "margin": "BYTE_STREAM_SPLIT",
        },
        write_statistics=["place"],
    ) as writer:
        yield writer


# Two processes at once


@contextmanager
def claim(store: Store, sweep: str, name: str | int, wait: bool = False) -> Iterator[bool]:
    """Whether this process may work on a unit (its number), or on sealing the sweep. Nobody else may while the block runs.

    The system lets go of a claim when its process ends, however it ends. ``wait`` for whoever has it. Raises ArtifactError when the disk
    does not take it.
    """
    path = _lock_folder(store, sweep) / f"{sweep}-{name}"
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written ({error}): free some space, or set CODI_CACHE_DIR to a folder that can be written."
        ) from error
    try:
        yield True
    finally:
        lock.release()


def _lock_folder(store: Store, sweep: str) -> Path:
    return store.path(PARTS, sweep).parent / ".locks"


Compute = Callable[[Unit], Part]
"""Computes a unit wherever the model is."""
