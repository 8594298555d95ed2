"""Reading a number out of an answer."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"-?\d+\.?\d*")


def parse_number(text: str) -> float | None:
    """The last number in a text, commas removed first, as the public code scores answers; None when there is none."""
    found = _NUMBER.findall(text.replace(",", ""))
    return float(found[-1]) if found else None
