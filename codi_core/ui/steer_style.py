"""Looks of the Steer page alone."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.steer import BASELINE, RANDOM, STEERED

CSS = f"""<style>
[class*="st-key-answer-"] [data-testid=stText] {{ font-size: 1.7rem; font-weight: 600; line-height: 1.15; overflow-wrap: anywhere; }}
.st-key-pane-steered {{ border-color: {STEERED}; }}
.shares {{ display: grid; grid-template-columns: max-content 1fr max-content; gap: .35rem .8rem; align-items: center; font-size: .92rem; }}
.shares b {{ font-weight: 600; }}
.shares > span {{ font-variant-numeric: tabular-nums; min-width: 11.5rem; }}
.shares small, dl.effect small {{ opacity: .75; font-size: .85em; }}
.shares .track {{ position: relative; height: 1.25rem; border-radius: 3px; background: var(--st-secondary-background-color, #8882); }}
.shares .fill {{ position: absolute; inset: 0 auto 0 0; border-radius: 3px; }}
.shares .baseline .fill {{ background: {BASELINE}; }}
.shares .steered .fill {{ background: {STEERED}; }}
.shares .whisker {{ position: absolute; top: 50%; height: 2px; margin-top: -1px; background: currentColor; }}
.shares .whisker::before, .shares .whisker::after {{
  content: ""; position: absolute; top: -4px; height: 10px; width: 2px; background: currentColor;
}}
.shares .whisker::after {{ right: 0; }}
.shares .dot {{
  position: absolute; top: 15%; height: 70%; width: 3px; margin-left: -1px; border-radius: 1px; background: {RANDOM}; opacity: .7;
}}
.shares .scale {{ position: relative; height: 1rem; font-size: .76rem; opacity: .75; }}
.shares .scale span {{ position: absolute; transform: translateX(-50%); white-space: nowrap; }}
.shares .scale span:first-child {{ transform: none; }}
.shares .scale span:last-child {{ transform: translateX(-100%); }}
p.verdict {{ font-size: 1.05rem; font-weight: 600; margin: .6rem 0 .5rem; }}
dl.effect {{
  display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .5rem 1.2rem; margin: 0; padding: 0; font-size: .92rem;
}}
dl.effect dt {{ opacity: .7; font-size: .85em; }}
dl.effect dd {{ margin: 0; font-variant-numeric: tabular-nums; }}
</style>"""


def style() -> None:
    st.html(CSS)
