"""Small files that stand for gigabytes are refused in a sentence, before they are written out."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from codi_core.errors import DataError
from codi_core.problems import formats
from codi_core.problems.reading import read_questions

MEGABYTE = 1 << 20


def write(path: Path, columns: dict[str, list[str]]) -> Path:
    parquet.write_table(pa.table(columns), path, compression="zstd")
    return path


def many_rows(folder: Path) -> Path:
    return write(folder / "rows.parquet", {"question": ["What is 1+1?"] * 600_000, "answer": ["2"] * 600_000})


def one_long_text(folder: Path) -> Path:
    return write(folder / "long.parquet", {"question": ["x" * (20 * MEGABYTE)], "answer": ["2"]})


def one_long_text_often(folder: Path) -> Path:
    return write(folder / "often.parquet", {"question": ["x" * MEGABYTE] * 50, "answer": ["2"] * 50})


def many_columns(folder: Path) -> Path:
    return write(folder / "wide.parquet", {f"column {number}": ["2"] for number in range(1_200)})


def gzip_bomb(folder: Path) -> Path:
    path = folder / "bomb.csv.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(formats.MOST_BYTES // MEGABYTE + 1):
            file.write(b"a" * MEGABYTE)
    return path


def long_cell(folder: Path) -> Path:
    path = folder / "cell.jsonl"
    path.write_text(json.dumps({"question": "x" * 200_000, "answer": 2}))
    return path


def deep_json(folder: Path) -> Path:
    path = folder / "deep.json"
    path.write_text("[" * 100_000)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (many_rows, "600,000 rows"),
        (one_long_text, "bytes in column 'question'"),
        (one_long_text_often, "bytes in column 'question'"),
        (many_columns, "1,200 columns"),
        (gzip_bomb, "256 MB once unpacked"),
        (long_cell, "200,000 characters in row 1"),
        (deep_json, "deep.json"),
    ],
)
def test_it_is_refused_by_name(tmp_path: Path, make, words: str) -> None:  # type: ignore[no-untyped-def]
    path = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=words):
            read_questions(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * formats.MOST_BYTES
    finally:
        tracemalloc.stop()
