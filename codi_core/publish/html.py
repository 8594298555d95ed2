"""One frame for all pages, and the grid component with what it needs. Texts are escaped here, data reach the scripts as JSON."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codi_core.settings import PACKAGE

COMPONENT = PACKAGE / "ui" / "widgets"
"""Its script, style and markup are read as files: no screen is imported."""
HERE = Path(__file__).parent
NAVIGATION = {
    "index.html": "Tour",
    "prompts.html": "Prompts",
    "detection.html": "Detection",
    "heatmaps.html": "Heatmaps",
    "claims.html": "Claims",
}
SIGNS = {"reproduced": "✓", "not reproduced": "○", "reversed": "⇄", "not clear": "?", "not testable": "–", "not measured": "…"}
"""Of verdicts."""


@dataclass(frozen=True)
class Page:
    name: str
    """Of the file."""
    title: str
    question: str
    """Which it answers."""
    body: str
    """HTML."""
    condition: Sequence[str] = ()
    """What made its numbers, a line each."""
    data: Mapping[str, Any] = field(default_factory=dict)
    """Of its grids, see publish.js; empty: there is none."""


def render(page: Page, footer: str) -> bytes:
    """``footer``: which code made it, as text."""
    links = "".join(
        f'<a href="{name}"{" aria-current=page" if name == page.name else ""}>{html.escape(title)}</a>'
        for name, title in NAVIGATION.items()
    )
    made = "".join(f"<p>{html.escape(line)}</p>" for line in page.condition)
    data = f'<script type="application/json" id="data">{_json(page.data)}</script>' if page.data else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(page.title)} · CODI Explorer</title>
<link rel="stylesheet" href="publish.css">
</head>
<body>
<header><a class="name" href="index.html">CODI Explorer</a><nav aria-label="Pages">{links}</nav></header>
<main>
<h1>{html.escape(page.title)}</h1>
<p class="question">{html.escape(page.question)}</p>
{page.body}
</main>
<footer>{made}<p>{html.escape(footer)}</p></footer>
{data}
<script src="publish.js"></script>
</body>
</html>
""".encode()


def assets() -> dict[str, bytes]:
    """Style and script of all pages. The component is a module with a default export, which pages opened from disk may not import: its
    function gets a name, and its style and markup travel as texts."""
    read = {name: (COMPONENT / name).read_text(encoding="utf-8") for name in ("shared.js", "heatgrid.js", "heatgrid.css", "heatgrid.html")}
    component = re.sub(r"^export default function", "function heatgrid", read["heatgrid.js"], flags=re.MULTILINE)
    texts = f"const GRID_STYLE = {json.dumps(read['heatgrid.css'])};\nconst GRID_MARKUP = {json.dumps(read['heatgrid.html'])};\n"
    script = "\n".join((read["shared.js"], component, texts, (HERE / "publish.js").read_text(encoding="utf-8")))
    return {"publish.js": f"(() => {{\n'use strict';\n{script}\n}})();\n".encode(), "publish.css": (HERE / "publish.css").read_bytes()}


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> str:
    """Of cells that are HTML; it scrolls by itself where the window is narrow."""
    heads = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    label = html.escape(caption, quote=True)
    inner = f"<table><caption>{html.escape(caption)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{label}">{inner}</div>'


def paragraph(text: str, kind: str = "") -> str:
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def verdict_mark(verdict: str) -> str:
    return f'<span class="verdict">{SIGNS[verdict]} {html.escape(verdict)}</span>'


def link(name: str, text: str) -> str:
    return f'<a href="{name}">{html.escape(text)}</a>'


def file_name(*parts: str) -> str:
    """A name that every disk and every host takes."""
    return "-".join(re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-") for part in parts) + ".html"


def _json(value: Any) -> str:
    """Inside a page: no ``<`` can end the script."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
