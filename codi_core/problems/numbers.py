"""Numbers as people publish them: with thousands, decimal commas, currencies, per cent, fractions and LaTeX.

The rule for commas. Groups of exactly three digits are thousands ("1,234", "12,345.5"); one comma before another count of digits, or
after a leading zero, is a decimal comma ("2,5", "0,125", "1.234,5"). Where a file has decimal commas, or separates its columns by
semicolons as spreadsheets with decimal commas do, "1,234" and "1.234" could be either and are refused. Per cent signs and currencies are
left out: "25 %" is 25.
"""

from __future__ import annotations

import math
import re

from codi_core.errors import DataError

_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_ONE_GROUP = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_COMMA_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?|[+-]?[1-9]\d?(,\d{2})+,\d{3}(\.\d*)?")  # the second: 12,34,567
_POINT_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+,\d+|[+-]?[1-9]\d{0,2}(\.\d{3}){2,}")
_SPACE_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}([ \u00a0\u2009\u202f'’]\d{3})+([.,]\d+)?")
_FRACTION = re.compile(r"([+-]?)(?:(\d+)\s+)?(\d+)\s*[/⁄]\s*(\d+)")
_LATEX_FRACTION = re.compile(r"\\[dtc]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(\d+)\s*\}")
_LATEX_SPACES = re.compile(r"\\[!,;: ]|~")
_SIGNS = "$€£¥₹%"
_INVISIBLE = re.compile("[\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u00ad]")
LEAD = re.compile(r".*\banswer\s+is\s*:?\s*", re.IGNORECASE | re.DOTALL)
"""Everything up to where an answer is announced for the last time."""


def bare_answer(text: str) -> str:
    """The answer itself: what the last ``\\boxed{}`` holds, what follows the last ``####``, or "The answer is"; else all of the text."""
    text = _INVISIBLE.sub("", text).rsplit("####", 1)[-1]
    boxed = _boxed(text)
    return (LEAD.sub("", text) if boxed is None else boxed).strip()


def read_number(text: str, decimal_comma: bool = False) -> float | None:
    """The number a text is; None when it is none, or not finite.

    ``decimal_comma``: other numbers of its file have one. Raises DataError for a number that could then be read in two ways.
    """
    if text.isdecimal() and text.isascii():  # most are, and large files have many
        number = float(text)
        return number if math.isfinite(number) else None
    text = _cleaned(text)
    if decimal_comma and _ONE_GROUP.fullmatch(text):
        raise DataError(
            f"'{text}' could be thousands or a decimal, as the file has decimal commas, points between thousands or semicolons: write it "
            f"without the separator ({text.replace(',', '').replace('.', '')}), or with other than three decimal places."
        )
    if _PLAIN.fullmatch(text):
        number = float(text)
    elif _COMMA_GROUPS.fullmatch(text):
        number = float(text.replace(",", ""))
    elif _DECIMAL_COMMA.fullmatch(text):
        number = float(text.replace(",", "."))
    elif _POINT_GROUPS.fullmatch(text):
        number = float(text.replace(".", "").replace(",", "."))
    elif _SPACE_GROUPS.fullmatch(text):
        number = float(re.sub(r"[^\d.+-]", "", text.replace(",", ".")))
    elif (found := _FRACTION.fullmatch(text)) and int(found[4]):
        number = (int(found[2] or 0) + int(found[3]) / int(found[4])) * (-1 if found[1] == "-" else 1)
    else:
        return None
    return number if math.isfinite(number) else None


def is_number(text: str) -> bool:
    return read_number(text) is not None


def has_decimal_comma(text: str) -> bool:
    """Whether a number can only be read with a decimal comma, or with points between thousands: one in its file makes others ambiguous."""
    if "," not in text:
        return text.count(".") > 1 and _POINT_GROUPS.fullmatch(_cleaned(text)) is not None
    text = _cleaned(text)
    grouped = _COMMA_GROUPS.fullmatch(text) is not None
    return not grouped and any(form.fullmatch(text) for form in (_DECIMAL_COMMA, _POINT_GROUPS, _SPACE_GROUPS))


def _cleaned(text: str) -> str:
    """Without LaTeX, currencies, per cent and a full stop at the end."""
    text = _LATEX_FRACTION.sub(r"\1/\2", text.replace("\\(", "").replace("\\)", "").replace("−", "-").replace("{,}", ","))
    text = _LATEX_SPACES.sub(lambda found: "" if found[0] == "\\!" else " ", text).replace("\\", "")
    text = text.strip().removesuffix(".").strip()
    sign = "-" if text.startswith("-") else ""
    return (sign + text.removeprefix("-").strip(_SIGNS + " \u00a0")).removeprefix("US$")


def _boxed(text: str) -> str | None:
    """What the last ``\\boxed{…}`` holds, braces balanced."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    start, depth = start + len("\\boxed{"), 1
    for place in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[start:place]
    return None
