"""Numbers with a sign as text: the one place where a minus is written."""

from __future__ import annotations


def decimal(value: float, form: str) -> str:
    """A number in a Python format, with a true minus sign and never minus nothing: that is +0 where signs are asked for, else 0."""
    text = f"{value:{form}}"
    if any(digit in "123456789" for digit in text.partition("e")[0]):
        return text.replace("-", "−")
    return text.replace("-", "+" if "+" in form else "")
