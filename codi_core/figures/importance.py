"""One prompt taken apart, in pictures: its latents as bars, every draw a dot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from codi_core.figures.ablate import error_bars, index_axis, laid_out
from codi_core.figures.detect import COLOURS
from codi_core.figures.text import plotly_text
from codi_core.values.latents import LatentImportance, PromptImportance
from codi_core.values.vectors import Space

BAR, WHISKER = "#8cc5cb", "#56757c"
"""Light enough for whiskers to be seen on the bar and on the page, light or dark."""


def importance_bars(found: PromptImportance, space: Space) -> go.Figure:
    """Change of the log-probability of the prompt's own answer, and how often the answer changes, an index a bar."""
    latents = [latent for latent in found.latents if latent.space == space]
    titles = (f"Change of log P({plotly_text(found.answer.strip())[:24]}), nats", "Draws with another answer")
    figure = make_subplots(cols=2, horizontal_spacing=0.09, subplot_titles=titles, column_widths=[0.6, 0.4])
    x = [latent.index for latent in latents]
    means = [(latent.mean.value, latent.mean.low, latent.mean.high) for latent in latents]
    shares = [(latent.changed.value, latent.changed.low, latent.changed.high) for latent in latents]
    figure.add_trace(_bars(x, means, f"mean of {found.draws} draws", ".3f"), row=1, col=1)
    figure.add_trace(_draws(latents), row=1, col=1)
    reference = {"symbol": "diamond", "size": 10, "color": COLOURS[1], "line": {"width": 1, "color": "#222222"}}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=[latent.reference for latent in latents],
            mode="markers",
            name="mean latent in place",
            marker=reference,
            customdata=[plotly_text(latent.reference_answer.strip()) for latent in latents],
            hovertemplate="mean latent in place: %{y:+.3f} nats, answer %{customdata}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    figure.add_trace(_bars(x, shares, "share of draws", ".1%", legend=False), row=1, col=2)
    laid_out(figure, 340)
    figure.update_xaxes(title="Index replaced", range=[-0.6, found.passes + 0.6], **index_axis(found.passes))
    figure.update_yaxes(tickformat=".0%", range=[0, 1.03], col=2)
    return figure


def _bars(x: list[int], values: list[tuple[float, float, float]], name: str, form: str, legend: bool = True) -> go.Bar:
    return go.Bar(
        x=x,
        y=[value for value, _, _ in values],
        error_y=error_bars(values) | {"color": WHISKER, "thickness": 1.6},
        name=name,
        showlegend=legend,
        marker={"color": BAR},
        width=0.62,
        customdata=[f"{value:{form}} [{low:{form}}, {high:{form}}]" for value, low, high in values],
        hovertemplate="%{x}: %{customdata}<extra></extra>",
    )


def _draws(latents: Sequence[LatentImportance]) -> go.Scatter:
    """Side by side in the order they were drawn."""
    places = [latent.index + 0.46 * (np.arange(len(latent.change)) / max(len(latent.change) - 1, 1) - 0.5) for latent in latents]
    return go.Scatter(
        x=np.concatenate(places) if places else [],
        y=np.concatenate([latent.change for latent in latents]) if latents else [],
        mode="markers",
        name="each draw",
        marker={"size": 4, "color": WHISKER, "opacity": 0.7},
        customdata=[plotly_text(answer.strip()) for latent in latents for answer in latent.answers],
        hovertemplate="%{y:+.2f} nats, answer %{customdata}<extra></extra>",
    )


def importance_table(found: PromptImportance) -> pd.DataFrame:
    """One row a latent."""
    return pd.DataFrame([_latent_row(found, latent) for latent in found.latents])


def _latent_row(found: PromptImportance, latent: LatentImportance) -> dict[str, Any]:
    return {
        "space": latent.space,
        "index": latent.index,
        "draws": found.draws,
        "change of log P (nats)": latent.mean.value,
        "low": latent.mean.low,
        "high": latent.mean.high,
        "draws with another answer": latent.changed.value,
        "share low": latent.changed.low,
        "share high": latent.changed.high,
        "mean latent in place (nats)": latent.reference,
        "its answer": latent.reference_answer.strip(),
        "answers": answers_of(latent),
    }


def answers_of(latent: LatentImportance, most: int = 5) -> str:
    """Answers of the draws, most frequent first."""
    counts = Counter(answer.strip() or "∅" for answer in latent.answers).most_common()
    rest = f", {len(counts) - most} more" if len(counts) > most else ""
    return ", ".join(f"{answer} × {count}" for answer, count in counts[:most]) + rest


def draws_table(found: PromptImportance) -> pd.DataFrame:
    """One row a draw."""
    rows = [
        {"space": latent.space, "index": latent.index, "draw": draw, "change of log P (nats)": float(change), "answer": answer.strip()}
        for latent in found.latents
        for draw, (change, answer) in enumerate(zip(latent.change, latent.answers, strict=True))
    ]
    return pd.DataFrame(rows)
