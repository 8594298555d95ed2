"""Small tables as HTML, which scroll inside themselves where the page is narrow, with keys as well."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence


def wide(table: str, label: str) -> str:
    """``table`` is HTML."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(label, quote=True)}">{table}</div>'


def rows_table(rows: Sequence[Mapping[str, str]], label: str) -> str:
    """A column for each key of the first row."""
    head = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row.values()) + "</tr>" for row in rows)
    return wide(f'<table class="rows"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>', label)
