"""Tables that leave the house."""

from __future__ import annotations

import csv

import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the start of a formula, which may do more than calculate."""


def table_csv(table: pd.DataFrame) -> bytes:
    """CSV for spreadsheets. All texts in quotes: a token with a carriage return would else end its row. A text that a spreadsheet would run
    as a formula gets an apostrophe before it.
    """
    safe = table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell)
    return safe.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC).encode("utf-8-sig")
