"""Files of rows as people save them: JSON lines, JSON, CSV, TSV and parquet, also gzipped, in the encodings spreadsheets write.

A reader yields one dict a row, whatever the columns are called; `columns` makes questions of them. A file that cannot be read raises
DataError; a row that cannot is a `BadRow` in its place, so that the rest can be had on request.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codi_core.errors import DataError

Record = dict[str, Any]
ENDINGS = ("jsonl", "json", "csv", "tsv", "parquet")
FILE_TYPES = ", ".join(f".{ending}" for ending in ENDINGS) + ", also gzipped (.gz)"
LISTS = ("prompts", "questions", "results", "data", "examples", "rows", "test_cases", "instances", "items", "records", "samples")
"""Names under which an object holds its rows beside other things, a configuration say."""
DELIMITERS = ",;\t|"
MOST_BYTES, MOST_ROWS, MOST_COLUMNS, MOST_CHARACTERS = 256 << 20, 500_000, 1_000, 100_000
"""Of a file once unpacked, of its rows and columns, of one cell. A few kilobytes of gzip or parquet can stand for gigabytes."""
PARQUET_ROWS = 256
"""Written out together."""
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read."""

    reason: str


@dataclass(frozen=True)
class Table:
    """The rows of a file."""

    records: Iterator[Record | BadRow]
    """In the order of the file; reading on may raise DataError."""
    semicolons: bool = False
    """Columns are separated by semicolons, as spreadsheets write them where numbers have a decimal comma."""


def ending_of(name: str) -> str | None:
    """Type of a file by its name, without ``.gz``; None when it is none of ENDINGS."""
    ending = name.lower().removesuffix(".gz").rpartition(".")[2]
    return ending if ending in ENDINGS else None


def read_table(path: Path) -> Table:
    """Raises DataError for a file that is not there, is of another type or cannot be read."""
    ending = ending_of(path.name)
    if ending is None:
        raise DataError(f"{path} is not a file type that can be read: use {FILE_TYPES}.")
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz") or content[:2] == b"\x1f\x8b":
            content = _unpacked(content, path)
    except (OSError, EOFError, zlib.error) as error:  # a cut or damaged .gz is one of the last two
        raise DataError(f"{path} cannot be read: {error}") from error
    if ending == "parquet":
        return Table(_bounded(_parquet(content, path), path))
    text = _text(content, path)
    if ending in ("csv", "tsv"):
        table = _cells(text, path, "\t" if ending == "tsv" else "")
        return Table(_bounded(table.records, path), table.semicolons)
    return Table(_bounded(_json_lines(text) if ending == "jsonl" else _json(text, path), path))


def _unpacked(content: bytes, path: Path) -> bytes:
    with gzip.open(io.BytesIO(content)) as file:
        unpacked = file.read(MOST_BYTES + 1)
    if len(unpacked) > MOST_BYTES:
        raise _too_much(path, f"more than {MOST_BYTES >> 20} MB once unpacked")
    return unpacked


def _bounded(records: Iterator[Record | BadRow], path: Path) -> Iterator[Record | BadRow]:
    """The same rows, as long as they are bearable: whoever reads them keeps them."""
    for number, record in enumerate(records, 1):
        if number > MOST_ROWS:
            raise _too_much(path, f"more than {MOST_ROWS:,} rows")
        if isinstance(record, dict):
            if len(record) > MOST_COLUMNS:
                raise _too_much(path, f"{len(record):,} columns, more than {MOST_COLUMNS:,}")
            longest = max((len(cell) for cell in record.values() if isinstance(cell, str)), default=0)
            if longest > MOST_CHARACTERS:
                raise _too_much(path, f"a cell of {longest:,} characters in row {number:,}, more than {MOST_CHARACTERS:,}")
        yield record


def _too_much(path: Path, what: str) -> DataError:
    return DataError(f"{path} holds {what}: make a smaller file of the questions alone.")


def _text(content: bytes, path: Path) -> str:
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in content[:2]:  # UTF-16 of mostly Latin letters, without its mark
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path} cannot be read as text ({error}): save it as UTF-8.") from error
    if "\0" in text:
        raise DataError(f"{path} holds NUL characters, which no text has: save it as UTF-8.")
    if text.startswith("version https://git-lfs"):
        raise DataError(f"{path} is a git-lfs pointer, not the file itself: run git lfs pull where it was cloned, or download the file.")
    return text


# JSON


def _json_lines(text: str) -> Iterator[Record | BadRow]:
    for line in text.split("\n"):
        if line.strip():
            try:
                record = _loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow(f"not JSON ({error})")
            else:
                yield _object(record)


def _json(text: str, path: Path) -> Iterator[Record | BadRow]:
    try:
        data = _loads(text)
    except RecursionError as error:
        raise DataError(f"{path} is not a list of questions: its JSON is nested too deeply ({error}).") from error
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and _is_object(lines[0]):  # JSON lines under the name of JSON
            return _json_lines(text)
        raise DataError(f"{path} is not JSON ({error}).") from error
    return (_object(record) for record in _rows_in(data, path))


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_once)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice JSON keeps the last value, whichever was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"an object has '{next(name for name in names if names.count(name) > 1)}' twice")
    return found


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _rows_in(data: Any, path: Path) -> list[Any]:
    """A list; the list an object holds beside its configuration, or lists by kind; columns by name."""
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        for name in LISTS:
            if isinstance(inner := data.get(name), list):
                return inner
            if isinstance(inner, dict) and inner and all(isinstance(rows, list) for rows in inner.values()):
                return [{"variant": kind, **row} if isinstance(row, dict) else row for kind, rows in inner.items() for row in rows]
        columns = {name: values for name, values in data.items() if isinstance(values, list)}
        if len(columns) > 1 and len({len(values) for values in columns.values()}) == 1:
            return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    raise DataError(f"{path} holds a JSON {type(data).__name__} without rows: give a list of objects with question and answer.")


def _object(record: Any) -> Record | BadRow:
    return record if isinstance(record, dict) else BadRow(f"{record!r:.80} is not a JSON object with question and answer")


# Cells


def _cells(text: str, path: Path, delimiter: str) -> Table:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    told = first.replace(" ", "").strip('"')
    if told.lower().startswith("sep=") and len(told) == 5:  # how spreadsheets are told the delimiter
        text, delimiter = rest, told[4]
    if not delimiter:
        header = next(filter(str.strip, text.splitlines()), "")
        counts = {sign: len(next(csv.reader([header], delimiter=sign), [])) for sign in DELIMITERS}
        delimiter = max(DELIMITERS, key=lambda sign: counts[sign])
    return Table(_cell_rows(text, path, delimiter), semicolons=delimiter == ";")


def _cell_rows(text: str, path: Path, delimiter: str) -> Iterator[Record | BadRow]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    named = {"\t": "tab"}.get(delimiter, delimiter)
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if twice := {name for name in header if name and header.count(name) > 1}:
                    raise DataError(f"{path} has two columns '{min(twice)}': name them apart.")
            elif any(cell.strip() for cell in cells[len(header) :]):  # spreadsheets pad rows with empty cells
                yield BadRow(
                    f"{len(cells)} cells under {len(header)} columns ({', '.join(header)}), so they cannot be told apart: put texts that "
                    f"hold a {named} in double quotes"
                )
            else:
                yield dict(zip(header, cells, strict=False))
    except csv.Error as error:
        raise DataError(f"{path}, line {rows.line_num}: not readable cells ({error}). Is a double quote left open?") from error


def _parquet(content: bytes, path: Path) -> Iterator[Record]:
    from pyarrow import ArrowInvalid
    from pyarrow.parquet import ParquetFile

    try:
        about = ParquetFile(io.BytesIO(content)).metadata
        if about.num_rows > MOST_ROWS or about.num_columns > MOST_COLUMNS:
            raise _too_much(path, f"{about.num_rows:,} rows of {about.num_columns:,} columns, more than {MOST_ROWS:,} of {MOST_COLUMNS:,}")
        size = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
        if size > MOST_BYTES:
            raise _too_much(path, f"{size >> 20:,} MB once unpacked, more than {MOST_BYTES >> 20}")
        texts = [column.path for column in map(about.schema.column, range(about.num_columns)) if column.physical_type == "BYTE_ARRAY"]
        for batch in ParquetFile(io.BytesIO(content), read_dictionary=texts).iter_batches(batch_size=PARQUET_ROWS):
            _check_dictionaries(batch, path)
            yield from ({name: _decoded(cell) for name, cell in row.items()} for row in batch.to_pylist())
    except ArrowInvalid as error:
        raise DataError(f"{path} is not a readable parquet file: {error}") from error


def _decoded(cell: Any) -> Any:
    """Text that was stored as bytes."""
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else cell


def _check_dictionaries(batch: Any, path: Path) -> None:
    """Before the texts are written out: one long text is stored once, and stands for as many rows as one likes."""
    from pyarrow import DictionaryArray, compute

    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if isinstance(column, DictionaryArray) and len(column.dictionary):
            longest = compute.max(compute.binary_length(column.dictionary)).as_py() or 0
            if longest > 4 * MOST_CHARACTERS:
                raise _too_much(path, f"a text of {longest:,} bytes in column '{name}', more than {4 * MOST_CHARACTERS:,}")
