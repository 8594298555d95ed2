"""An eval set on a page: what it is made of, and its questions, each a click away from its latents."""

from __future__ import annotations

import html
from dataclasses import asdict

import streamlit as st

from codi_core.figures import data as figures
from codi_core.types import EvalSetSpec, Question
from codi_core.ui.errors import plain
from codi_core.ui.export import chart, export_menu


def condition(spec: EvalSetSpec) -> str:
    return f"{spec.name} · {spec.n:,} questions · seed {spec.seed} · contents {spec.digest[:12]} · key {spec.key}"


def overview(spec: EvalSetSpec, questions: tuple[Question, ...]) -> None:
    left, right = st.columns([1, 2], gap="large")
    with left:
        rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in figures.facts(questions).items())
        st.html(f'<dl class="facts">{rows}</dl>')
    with right:
        chart(figures.answer_frequency(questions), key="answers", title="Answers", condition=condition(spec))
    charts = {"lengths": ("Words in the questions", figures.lengths(questions))}
    if any(question.steps for question in questions):
        charts = {"step-counts": ("Reasoning steps", figures.step_counts(questions)), **charts}
    for place, (key, (title, figure)) in zip(st.columns(len(charts), gap="large"), charts.items(), strict=True):
        with place:
            chart(figure, key=key, title=title, condition=condition(spec))


def browse(spec: EvalSetSpec, questions: tuple[Question, ...]) -> None:
    """All questions in a table; the chosen one in full, with the way to its latents."""
    table = figures.question_table(questions)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.subheader("Questions", anchor=False)
        st.space("stretch")
        export_menu(
            f"codi-data-{spec.key}",
            lambda: figures.answer_frequency(questions),
            lambda: [table],
            lambda: {"condition": condition(spec), "spec": asdict(spec), "questions": [asdict(question) for question in questions]},
        )
    picked = st.dataframe(table, hide_index=True, height=380, on_select="rerun", selection_mode="single-row", key="rows")
    rows = picked.get("selection", {}).get("rows", [])
    if not rows or rows[0] >= len(questions):
        st.caption("Choose a row to read its question in full and to inspect it.")
        return
    question = questions[rows[0]]
    st.text(question.question)
    st.caption(plain(f"Answer {table['answer'][rows[0]]}" + (f" · steps {table['steps'][rows[0]]}" if question.steps else "")))
    query = {"prompt": question.question, "model": st.session_state["model"]}
    st.page_link("pages/inspect.py", label="Inspect this question", icon=":material/search:", query_params=query)
