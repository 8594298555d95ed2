"""What made a figure, written below it: in as many lines as it needs, never cut."""

from __future__ import annotations

import textwrap

import plotly.graph_objects as go

from codi_core.figures.text import plotly_text
from codi_core.values.sweep import SweepTable

LETTER, LINE = 5.6, 14
"""Pixels of the small print."""


def write_below(figure: go.Figure, condition: str) -> None:
    """``figure`` has its width, height and margins; it grows by the lines beyond the first."""
    width, bottom = figure.layout.width - figure.layout.margin.l - figure.layout.margin.r, figure.layout.margin.b
    lines = textwrap.wrap(condition, max(40, int(width / LETTER)))
    more = LINE * max(0, len(lines) - 1)
    figure.update_layout(height=figure.layout.height + more, margin_b=bottom + more)
    figure.add_annotation(
        text="<br>".join(map(plotly_text, lines)),
        font_size=10,
        showarrow=False,
        align="left",
        x=0,
        xref="paper",
        xanchor="left",
        y=0,
        yref="paper",
        yanchor="bottom",
        yshift=8 - bottom - more,
    )


def of_sweep(table: SweepTable) -> str:
    """The whole condition of a stored sweep, in one line."""
    cells = table.cells[table.cells["role"] == "cell"]
    ranked = int((cells["band"] > 0).sum())
    means = f"means over {table.means.eval_set.n:,} questions of '{table.means.eval_set.name}'"
    return " · ".join(
        [
            table.model_name,
            f"model {table.model_key[:8]}",
            f"{table.rollout.passes} passes",
            f"'{table.eval_set.name}', {table.eval_set.n:,} questions, seed {table.eval_set.seed}",
            means + (", addition-first only" if table.means.only == "addition" else ""),
            f"{len(cells):,} cells, {ranked:,} of them beside random or shuffled directions as long as their push",
            f"made {table.created[:10]} by {table.code[:10]}",
            f"key {table.key}",
        ]
    )
