"""An eval set on a page: what it is made of, and its questions, each a click away from its latents."""

from __future__ import annotations

import html
from functools import partial

import streamlit as st

from codi_core.figures import data as figures
from codi_core.services.questions import QuestionSet
from codi_core.ui.inspect.link import Setup
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import eval_choice
from codi_core.ui.widgets.export import chart, export_menu
from codi_core.values.questions import EvalSetSpec, Question


def condition(spec: EvalSetSpec) -> str:
    return f"{eval_choice.called(spec.name)} · {spec.n:,} questions · seed {spec.seed} · contents {spec.digest[:12]} · key {spec.key}"


def how_read(found: QuestionSet) -> None:
    """Which answers count, which questions go together, and the rows that are not there."""
    st.caption(plain(f"Answers: {found.rule}. Grouped: {found.grouping}."))
    if found.left_out:
        with st.expander(f"{len(found.left_out):,} row{'s' * (len(found.left_out) > 1)} of the file left out"):
            st.text("\n".join(found.left_out))


def overview(spec: EvalSetSpec, questions: tuple[Question, ...]) -> None:
    left, right = st.columns([1, 2], gap="large")
    with left:
        rows = "".join(f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>" for name, value in figures.facts(questions).items())
        st.html(f'<dl class="facts">{rows}</dl>')
    with right:
        chart(lambda: figures.answer_frequency(questions), key="answers", title="Answers", condition=condition(spec))
    charts = {"lengths": ("Words in the questions", figures.lengths)}
    if any(question.steps for question in questions):
        charts = {"step-counts": ("Reasoning steps", figures.step_counts), **charts}
    for place, (key, (title, drawing)) in zip(st.columns(len(charts), gap="large"), charts.items(), strict=True):
        with place:
            chart(partial(drawing, questions), key=key, title=title, condition=condition(spec))


def browse(found: QuestionSet) -> None:
    """All questions in a table; the chosen one in full, with the way to its latents."""
    spec, questions = found.spec, found.questions
    table = figures.question_table(questions)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.header("Questions", anchor=False)
        st.space("stretch")
        export_menu(
            f"codi-data-{spec.key}",
            lambda: figures.answer_frequency(questions),
            lambda: [table],
            lambda: {"condition": condition(spec), **found.as_json()},
        )
    picked = st.dataframe(table, hide_index=True, height=380, on_select="rerun", selection_mode="single-row", key="rows")
    rows = picked.get("selection", {}).get("rows", [])
    if not rows or rows[0] >= len(questions):
        st.caption("Choose a row to read its question in full and to inspect it.")
        return
    question = questions[rows[0]]
    st.text(question.question)
    st.caption(plain(f"Answer {table['answer'][rows[0]]}" + (f" · steps {table['steps'][rows[0]]}" if question.steps else "")))
    Setup(prompt=question.question, model=st.session_state["model"]).link("Inspect this question")
