"""Tokens and numbers as text for a screen: nothing invisible, nothing that turns the line around."""

from __future__ import annotations

import html
import math
import unicodedata

from codi_core.values.lens import TrackedToken
from codi_core.values.signs import decimal

GLYPHS = {" ": "␣", "\n": "⏎", "\r": "␍", "\t": "⇥", "\x7f": "␡"}
_HIDDEN = {"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"}
"""Unicode categories that print nothing, or act on their neighbours (right-to-left overrides, joiners)."""


def glyphs(token: str) -> str:
    """A token with its spaces, line breaks and control characters made visible; ∅ when it is empty."""
    shown = "".join(_glyph(char) for char in token)
    return "◌" + shown if shown and unicodedata.category(shown[0]) in {"Mn", "Me"} else shown or "∅"


def _glyph(char: str) -> str:
    if char in GLYPHS:
        return GLYPHS[char]
    if ord(char) < 0x20:
        return chr(0x2400 + ord(char))  # Unicode's pictures of the control characters
    return f"‹{ord(char):04X}›" if unicodedata.category(char) in _HIDDEN else char


def tracked_name(token: TrackedToken, width: int = 14) -> str:
    """What is followed: ``therefore → ␣there (1 of 4)`` when it is only the beginning."""
    return short(token.text, width) + ("" if token.pieces == 1 else f" → {glyphs(token.tokens[0])} (1 of {token.pieces})")


def short(token: str, width: int = 8) -> str:
    """`glyphs`, cut to ``width`` characters with an ellipsis."""
    shown = glyphs(token)
    return shown if len(shown) <= width else shown[: width - 1] + "…"


def plotly_text(token: str) -> str:
    """For Plotly, which reads a little HTML."""
    return html.escape(token, quote=False)


def percent(share: float) -> str:
    """A probability in three significant places at most; tiny ones do not become zero."""
    if share >= 0.9995:
        return "100 %"
    if share >= 0.0995:
        return f"{share:.1%}".replace("%", " %")
    if share >= 0.00005:
        return f"{share:.2%}".replace("%", " %")
    return "0 %" if share == 0 else "<0.01 %"


def number(value: float | str) -> str:
    """A gold answer or a step value: whole numbers without a fraction, words as they are."""
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if math.isfinite(value) and value == int(value) else f"{value:g}"


def bracketed(value: float, low: float, high: float, form: str) -> str:
    """A value and its interval, on one line."""
    return f"{decimal(value, form)} [{decimal(low, form)}, {decimal(high, form)}]"


def with_interval(value: float, low: float, high: float, form: str, unit: str) -> str:
    """The same as HTML, the interval small."""
    return f"{decimal(value, form)} <small>{decimal(low, form)} to {decimal(high, form)} {unit}</small>"


def position(index: int) -> str:
    """What an index is called: the end of the prompt, then the latents."""
    return f"z{index}" if index else "prompt (bot)"
