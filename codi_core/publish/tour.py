"""The first page: what there is to see, and how often the models are right."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from codi_core.publish.html import Page, link, paragraph, table
from codi_core.publish.prompts import page_name
from codi_core.services.evaluate import EvalReport

ABOUT = (
    "A CODI model thinks in six latent vectors instead of words. Between question and answer it makes six passes through its own network, "
    "each fed with the last one's hidden state. These pages show what was found in the latents of small models, and what pushing them did. "
    "They need no server and load nothing from elsewhere; everything was computed beforehand, and what made it is at the foot of each page."
)
STOPS = (
    (
        "Read the latents of one prompt",
        "Each column is one latent pass, each row a layer, each cell a token that a lens reads there. bundled-steps was trained to hold "
        "the values of the steps: look for 8, 16 and 24. Click a cell for its ten likeliest tokens.",
        page_name(0),
        "Open the team prompt",
    ),
    (
        "Is that a rule or an accident?",
        "Over 512 prompts: how often is the value of a step among the likeliest tokens, at every latent and layer, and how often is "
        "another question's value found there by chance?",
        "detection.html",
        "Open the detection map",
    ),
    (
        "All pairs, sites and coefficients at once",
        "A difference of two mean latents is added at one place, for every pair, place and size. Click a cell for its numbers, its "
        "interval, and the questions it fixed or broke.",
        "heatmaps.html",
        "Choose a sweep",
    ),
    (
        "What is left of the claims",
        "The claims of papers and posts, each with its effect, interval and adjusted p, and a verdict that is computed.",
        "claims.html",
        "Open the claims",
    ),
)


def tour_page(accuracies: str, conditions: Sequence[str]) -> Page:
    """``accuracies``: HTML of `accuracy_table`; ``conditions``: of these."""
    stops = "".join(
        f"<li><h2>{number}. {html.escape(title)}</h2>{paragraph(text)}<p>{link(name, label)}</p></li>"
        for number, (title, text, name, label) in enumerate(STOPS, 1)
    )
    live = paragraph("Pushing a latent yourself and watching the answer needs the model: pip install codi-explorer, then codi demo.")
    body = f'{paragraph(ABOUT)}<ol class="stops">{stops}</ol>{live}{accuracies}'
    return Page("index.html", "Tour", "What is there to see?", body, conditions)


def accuracy_table(found: Mapping[str, Sequence[EvalReport]]) -> str:
    """By model, what was evaluated with all its passes: n and interval in every row."""
    rows = [
        [
            html.escape(model),
            html.escape(report.spec.eval_set.name),
            f"{report.spec.rollout.passes}",
            f"{report.accuracy.value:.1%}<small>{report.accuracy.low:.1%} to {report.accuracy.high:.1%}</small>",
            f"{report.accuracy.n:,} (effective {report.accuracy.effective_n:,.0f})",
        ]
        for model, reports in found.items()
        for report in reports
    ]
    if not rows:
        return ""
    head = ("Model", "Eval set", "Passes", "Accuracy (95 % interval)", "n")
    return f"<h2>How often they are right</h2>{table(head, rows, 'Stored accuracies')}"
