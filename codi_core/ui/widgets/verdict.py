"""What the numbers allow to say, first in one sentence; and how sure it is, for those who ask."""

from __future__ import annotations

import html
from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from codi_core.figures.text import with_interval
from codi_core.ui.widgets.glossary import explained, marked
from codi_core.values.outcomes import OnlyForm
from codi_core.values.stats import Estimate
from codi_core.values.verdict import Verdict

CSS = """<style>
p.verdict { font-size: 1.05rem; font-weight: 600; margin: .6rem 0 .3rem; }
dl.effect {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .5rem 1.2rem; margin: 0; padding: 0; font-size: .92rem;
}
dl.effect dt { opacity: .75; font-size: .85em; }
dl.effect dd { margin: 0; font-variant-numeric: tabular-nums; }
dl.effect small { opacity: .8; font-size: .85em; }
abbr[title] {
  text-decoration: underline dotted color-mix(in srgb, currentColor 45%, transparent); text-underline-offset: 3px; cursor: help;
}
</style>"""


def sentence(verdict: Verdict, band: bool = True) -> str:
    """As HTML. ``band``: with how random directions do."""
    return f'<p class="verdict">{marked(verdict.sentence(band))}</p>'


def facts(known: Mapping[str, str]) -> str:
    """HTML by the glossary's word, as a list. What is no word of the glossary has no tooltip."""
    return f'<dl class="effect">{"".join(f"<div><dt>{explained(word)}</dt><dd>{value}</dd></div>" for word, value in known.items())}</dl>'


def flips(fixed: int, broken: int, only_form: OnlyForm | None) -> dict[str, str]:
    """Facts. ``only_form``: None where that is not known."""
    form = ["", ""] if only_form is None else [f" <small>({count:,} only in form)</small>" for count in (only_form.fixed, only_form.broken)]
    return {"fixed": f"{fixed:,}{form[0]}", "broken": f"{broken:,}{form[1]}"}


def gold_margin(change: Estimate) -> dict[str, str]:
    """A fact."""
    return {"gold margin": with_interval(change.value, change.low, change.high, "+.2f", "logits")}


def how_sure() -> DeltaGenerator:
    """The place of `sure`: a fold that stays open while what is in it is painted anew."""
    return st.expander("How sure?", icon=":material/help:").empty()


def sure(verdict: Verdict, more: Mapping[str, str] | None = None) -> str:
    """As HTML. ``more``: HTML by name, after what the verdict says."""
    return facts({word: html.escape(text) for word, text in verdict.sure().items()} | dict(more or {}))
