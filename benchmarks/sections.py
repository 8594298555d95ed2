"""A document in sections, of which each command writes its own: what others wrote stays."""

from __future__ import annotations

import re
from pathlib import Path

SECTION = "## .+"


def sections(text: str, at: str = SECTION) -> dict[str, str]:
    """By heading, in order, without the empty lines between them; ``at``: what headings look like. What comes before the first has none."""
    parts = re.split(rf"^(?={at}$)", text, flags=re.MULTILINE)
    return {part.partition("\n")[0] if number else "": part.strip("\n") for number, part in enumerate(parts) if part.strip()}


def rewrite(document: Path, text: str, at: str = SECTION) -> None:
    """The sections of ``text`` in the place of those of the same heading, else at the end."""
    written = document.read_text(encoding="utf-8") if document.is_file() else ""
    parts = sections(written, at) | sections(text, at)
    document.write_text("\n\n".join(parts.values()) + "\n", encoding="utf-8")
