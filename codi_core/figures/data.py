"""What an eval set is made of: its answers, its steps, its lengths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from codi_core.figures.text import number
from codi_core.problems.clusters import grouping
from codi_core.values.questions import Question

BAR = "#1f6f78"
MOST = 40
"""Bars of answers."""


def answer_frequency(questions: Sequence[Question]) -> go.Figure:
    """How often each answer is the right one, most frequent first."""
    counts = Counter(question.gold for question in questions).most_common()
    names, values = [number(gold) for gold, _ in counts[:MOST]], [count for _, count in counts[:MOST]]
    figure = go.Figure(go.Bar(x=names, y=values, marker_color=BAR, hovertemplate="answer %{x}: %{y:,} questions<extra></extra>"))
    rest = f" ({len(counts) - MOST:,} more have {1 - sum(values) / len(questions):.0%} of the questions)" if len(counts) > MOST else ""
    figure.update_xaxes(type="category", title=f"Answer, most frequent first{rest}", tickangle=-60 if len(names) > 14 else 0)
    return _laid_out(figure)


def step_counts(questions: Sequence[Question]) -> go.Figure:
    counts = Counter(len(question.steps) for question in questions)
    names = [str(steps) if steps else "unknown" for steps in sorted(counts)]
    figure = go.Figure(go.Bar(x=names, y=[counts[steps] for steps in sorted(counts)], marker_color=BAR))
    figure.update_traces(hovertemplate="%{x} steps: %{y:,} questions<extra></extra>")
    figure.update_xaxes(type="category", title="Reasoning steps")
    return _laid_out(figure)


def lengths(questions: Sequence[Question]) -> go.Figure:
    words = [len(question.question.split()) for question in questions]
    figure = go.Figure(go.Histogram(x=words, nbinsx=30, marker_color=BAR, hovertemplate="%{x} words: %{y:,} questions<extra></extra>"))
    figure.update_xaxes(title="Words in the question")
    return _laid_out(figure)


def _laid_out(figure: go.Figure) -> go.Figure:
    figure.update_layout(height=280, margin={"l": 8, "r": 8, "t": 12, "b": 8}, bargap=0.15, showlegend=False)
    figure.update_xaxes(fixedrange=True)
    figure.update_yaxes(title="Questions", fixedrange=True)
    return figure


def facts(questions: Sequence[Question]) -> dict[str, str]:
    """The set in numbers. Clusters are what intervals resample: a wording, and the numbers of a story."""
    answers = [question.gold for question in questions]
    words = [len(question.question.split()) for question in questions]
    most, times = Counter(answers).most_common(1)[0]
    numbers = [answer for answer in answers if not isinstance(answer, str)]
    large = sum(abs(answer) > 999 for answer in numbers)
    return {
        "Questions": f"{len(questions):,}",
        "Different answers": f"{len(set(answers)):,}",
        "Most frequent answer": f"{number(most)} ({times / len(answers):.1%}: what always answering it would score)",
        **({"Answers over 999": f"{large:,} (more than one token for most models)"} if numbers else {}),
        "Words": f"{int(np.median(words))} in the middle, {min(words)} to {max(words)}",
        "Groups": grouping(questions),
    }


def question_table(questions: Sequence[Question]) -> pd.DataFrame:
    """A row a question; columns of which nothing is known are left out."""
    table = pd.DataFrame(
        {
            "question": [question.question for question in questions],
            "answer": [number(question.gold) for question in questions],
            "steps": [" → ".join(map(number, question.steps)) for question in questions],
            "wording": [question.template for question in questions],
            "numbers": [", ".join(map(str, question.triple)) for question in questions],
            "groups": [" · ".join(filter(None, question.groups)) for question in questions],
            "id": [question.id for question in questions],
        }
    )
    return table.loc[:, (table != "").any()]
