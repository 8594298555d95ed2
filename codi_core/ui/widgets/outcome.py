"""Whether an answer is right, in a word or two beside it."""

from __future__ import annotations

import streamlit as st

from codi_core.figures.text import number
from codi_core.ui.shell.errors import plain
from codi_core.values.evals import Outcome
from codi_core.values.questions import Question


def badge(outcome: Outcome | None, question: Question | None) -> None:
    """``question`` None, or without a known answer: there is no outcome."""
    if outcome is None or question is None:
        st.badge("no known answer", color="gray")
        return
    gold, unread = plain(number(question.gold)), "no number" if question.rule == "number" else "unreadable"
    if outcome == "correct":
        st.badge(f"correct: {gold}", icon=":material/check:", color="green")
    elif outcome == "wrong":
        st.badge(f"wrong · correct: {gold}", icon=":material/close:", color="red")
    elif outcome == "unparsed":
        st.badge(f"{unread} · correct: {gold}", icon=":material/help:", color="orange")
    else:
        st.badge(f"cut off at the token limit · correct: {gold}", icon=":material/content_cut:", color="orange")
