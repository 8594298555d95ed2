"""Numbers with a sign as text: the one place where a minus is written."""

from __future__ import annotations


def decimal(value: float, form: str) -> str:
    """A number in a Python format, with a true minus sign and never minus nothing."""
    text = f"{value:{form}}"
    return text.replace("-", "−") if any(digit in "123456789" for digit in text.partition("e")[0]) else text.lstrip("-")
