"""The claims of the field on every model that was published, from what is stored: no model is opened."""

from __future__ import annotations

import html
from collections.abc import Sequence

from codi_core.publish.html import paragraph, table, verdict_mark
from codi_core.services.claims import FieldClaim, FieldVerdict, Table
from codi_core.values.verdict import p_text


def field_section(found: Table) -> str:
    """Claims × models, as HTML; the claims of one source stand together."""
    every = list(zip(*found.values(), strict=True))
    sources = list(dict.fromkeys(row[0].claim.source for row in every))
    rows = [_row(row) for row in sorted(every, key=lambda row: sources.index(row[0].claim.source))]
    words = (
        f"{len(every)} claims of papers and posts. Each is measured question by question and judged by a rule of its own; the sentence in "
        "a cell is computed from what is stored. Open a claim for its statistic and its rule, a verdict for everything that was tested."
    )
    return (
        f"<h2>Claims of the field</h2>{paragraph(words)}"
        f'<div class="claims field">{table(("Claim", *found), rows, "Claims of the field, " + ", ".join(found))}</div>'
        f"{paragraph('Intervals are 95 %, by clusters; p is adjusted over the claims of one source (Holm).', 'note')}"
    )


def field_conditions(found: Table) -> list[str]:
    """A line a model: the keys of what its verdicts were computed from."""
    keys = {model: sorted(verdict.key for verdict in own if verdict.key) for model, own in found.items()}
    return [f"{model}, claims of the field: evidence {', '.join(own) or 'none'}" for model, own in keys.items()]


def _row(own: Sequence[FieldVerdict]) -> list[str]:
    return [_claim(own[0].claim), *map(_cell, own)]


def _claim(claim: FieldClaim) -> str:
    rules = {"Statistic": claim.statistic, "Reproduced": claim.reproduced, "Reversed": claim.reversed}
    words = "".join(f"<small>{title}: {html.escape(text)}</small>" for title, text in rules.items())
    name = f"{claim.key} {html.escape(claim.sentence)}<small>{html.escape(claim.source)}</small>"
    return f"{name}<details><summary>Statistic and rule</summary>{words}</details>"


def _cell(verdict: FieldVerdict) -> str:
    line = f"<small>{html.escape(verdict.line)}</small>" if verdict.line else ""
    more = [f"{part.words}; needed: {part.rule}" if part.rule else part.words for part in verdict.parts]
    if verdict.over > 1:
        more.append(f"Adjusted p {p_text(verdict.adjusted)}, over {verdict.over} claims of this source")
    if verdict.key:
        more.append(f"On {verdict.on}, evidence {verdict.key}" if verdict.on else f"Evidence {verdict.key}")
    words = "".join(f"<small>{html.escape(text)}</small>" for text in more)
    details = f"<details><summary>What was tested</summary>{words}</details>" if more else ""
    command = f"<code>{html.escape(verdict.needed)}</code>" if verdict.needed else ""
    return f"{verdict_mark(verdict.ruling)}<small>{html.escape(verdict.why)}</small>{line}{details}{command}"
