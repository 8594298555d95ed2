"""Reading a number out of an answer."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"-?\d+\.?\d*")


def parse_number(text: str) -> float | None:
    """The last number in a text, commas removed first, as the public code scores answers; None when there is none."""
    found = numbers_in(text)
    return found[-1] if found else None


def numbers_in(text: str) -> list[float]:
    """All of them, in order."""
    return [float(found) for found in _NUMBER.findall(text.replace(",", ""))]
