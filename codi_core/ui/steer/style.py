"""Looks of the Steer page alone."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.steer import STEERED
from codi_core.ui.steer import readout

CSS = f"""<style>
[class*="st-key-answer-"] [data-testid=stText] {{ font-size: 1.7rem; font-weight: 600; line-height: 1.15; overflow-wrap: anywhere; }}
.st-key-pane-steered {{ border-color: {STEERED}; }}
@media (min-width: 700px) {{ .st-key-steer-top {{ flex-wrap: nowrap; }} }}
.st-key-steer-setup summary p {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.steer-scale {{ position: relative; height: .7rem; margin: -.35rem .4rem .1rem; border-top: 1px solid #8886; }}
.steer-scale .band {{ position: absolute; top: 0; height: .3rem; background: #16b8a6; opacity: .45; border-radius: 0 0 3px 3px; }}
.steer-scale .tick {{ position: absolute; top: 0; width: 2px; height: .6rem; margin-left: -1px; background: currentcolor; opacity: .75; }}
.st-key-steer-top > :has([data-testid=stCheckbox]) {{ margin-top: .5rem; }}
.st-key-steer-cockpit p.verdict {{ margin: 0; }}
</style>"""
PRESENT = """<style>
html { font-size: 20px; }
.stApp { --codi-type: 1.25; }
</style>"""


def style(present: bool = False) -> None:
    st.html(CSS + readout.CSS + (PRESENT if present else ""))
