"""What the model answered, and what it nearly answered."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from codi_core.figures.text import number
from codi_core.services.cards import ModelCard
from codi_core.services.inspect import Inspection
from codi_core.types import TopToken
from codi_core.ui import words
from codi_core.ui.ranking import ranking


def answer(inspection: Inspection, card: ModelCard, on_track: Callable[[TopToken], None]) -> None:
    rollout, problem = inspection.rollout, inspection.problem
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown("**Answer**", width="content")
        if problem is not None:
            _verdict(rollout.number, problem.gold)
        else:
            st.badge("no known answer", color="gray")
        if not rollout.finished:
            st.badge("cut off at the token limit", color="orange")
    with st.container(key="answer-text"):
        st.text(rollout.answer.strip()[:400] or "(empty)")
    if problem is not None and problem.steps:
        st.caption("Values of the steps: " + " → ".join(map(number, problem.steps)))
    elif problem is None and (domain := words.domain(card)):
        st.caption(f":material/warning: {domain}")
    st.markdown("First answer token")
    ranking(rollout.top_answers[:6], label="Alternatives for the first answer token", key="top-answers", on_pick=on_track)


def _verdict(given: float | None, gold: float) -> None:
    if given is None:
        st.badge(f"no number · correct: {number(gold)}", icon=":material/help:", color="orange")
    elif given == gold:
        st.badge(f"correct: {number(gold)}", icon=":material/check:", color="green")
    else:
        st.badge(f"wrong · correct: {number(gold)}", icon=":material/close:", color="red")
