"""How claims look: tables and the badge of a verdict."""

from __future__ import annotations

import streamlit as st

from codi_core.services.claims import Ruling

SIGNS: dict[Ruling, str] = {
    "reproduced": "✓",
    "not reproduced": "○",
    "reversed": "⇄",
    "not clear": "?",
    "not testable": "–",
    "not measured": "…",
}
"""Colour is never the only sign. Claims of the posts are never the fourth or the last."""
CSS = """<style>
table.claims { border-collapse: collapse; width: 100%; font-size: .92rem; line-height: 1.35; }
.st-key-step-result { flex-wrap: nowrap; }
table.claims th { text-align: left; font-weight: 500; opacity: .72; font-size: .84em; padding: .35rem .7rem .35rem 0;
  vertical-align: bottom; }
table.claims th small { display: block; font-size: .9em; }
table.claims td { padding: .42rem .7rem .42rem 0; border-top: 1px solid var(--st-border-color, #8884); vertical-align: top;
  font-variant-numeric: tabular-nums; }
table.claims td small { opacity: .75; display: block; font-size: .86em; }
table.claims td code { font-size: .84em; overflow-wrap: anywhere; }
table.claims summary { opacity: .75; font-size: .82em; cursor: pointer; }
table.claims a { color: inherit; text-decoration-color: #8888; text-underline-offset: 3px; }
.verdict-badge { display: inline-block; padding: .05rem .55rem; border-radius: 1rem; border: 1px solid currentColor; font-weight: 600;
  font-size: .88em; white-space: nowrap; }
.verdict-reproduced { color: light-dark(#0f6e56, #58c9a8); }
.verdict-reversed { color: light-dark(#a32d3f, #f08c98); }
.verdict-not-reproduced { color: light-dark(#6a5a1c, #d9bf6b); }
.verdict-not-clear { color: light-dark(#4a5a8c, #a9b8ea); }
.verdict-not-testable, .verdict-not-measured { color: light-dark(#5c676c, #a4b0b5); border-style: dashed; }
table.field-claims { border-collapse: collapse; width: 100%; min-width: 40rem; table-layout: fixed; font-size: .92rem; line-height: 1.35; }
table.field-claims th { text-align: left; font-weight: 400; vertical-align: top; padding: .42rem .9rem .42rem 0; }
table.field-claims th[scope=col], table.field-claims th[scope=colgroup] { opacity: .72; font-size: .84em; padding-top: .9rem; }
table.field-claims th[scope=col]:first-child { width: 34%; }
table.field-claims td, table.field-claims th[scope=row] { border-top: 1px solid var(--st-border-color, #8884); vertical-align: top; }
table.field-claims td { padding: .42rem .9rem .42rem 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
table.field-claims small { opacity: .78; display: block; font-size: .86em; margin-top: .2rem; }
table.field-claims code { font-size: .84em; display: block; margin-top: .2rem; overflow-wrap: anywhere; }
table.field-claims summary { cursor: pointer; }
table.field-claims a { color: inherit; text-decoration-color: #8888; text-underline-offset: 3px; font-size: .86em; }
</style>"""


def style() -> None:
    st.html(CSS)


def badge(verdict: Ruling) -> str:
    return f'<span class="verdict-badge verdict-{verdict.replace(" ", "-")}">{SIGNS[verdict]} {verdict}</span>'
