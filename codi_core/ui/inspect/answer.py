"""What the model answered, and what it nearly answered."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from codi_core.figures.text import number
from codi_core.services.cards import ModelCard
from codi_core.services.inspect import Inspection
from codi_core.ui.inspect import captions
from codi_core.ui.widgets.announce import announce
from codi_core.ui.widgets.outcome import badge
from codi_core.ui.widgets.ranking import ranking
from codi_core.values.model import TopToken

SOURCES = {"ours": "", "another ending": " · known with another ending", "given": " · as given"}
"""Who says what is right."""
SHOWN = 3
"""Alternatives to the first answer token; more would push the lens off the screen."""


def answer(inspection: Inspection, card: ModelCard, on_track: Callable[[TopToken], None]) -> None:
    rollout, problem = inspection.rollout, inspection.problem
    said = rollout.answer.strip()[:400] or "(empty)"
    announce("answer", f"Answer: {said}")
    st.markdown("**Answer**")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.container(key="answer-text", width="content"):
            st.text(said)
        badge(inspection.outcome, problem)
        if problem is None and not rollout.finished:
            st.badge("cut off at the token limit", color="orange")
    if problem is not None and problem.steps:
        st.caption("Values of the steps: " + " → ".join(map(number, problem.steps)) + SOURCES[inspection.source or "ours"])
    elif problem is None and (domain := captions.domain(card)):
        st.caption(f":material/warning: {domain}")
    ranking(rollout.top_answers[:SHOWN], label="Alternatives for the first answer token", key="top-answers", on_pick=on_track)
