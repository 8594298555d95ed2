"""The claims of the field: one table, models × claims, grouped by source; every cell with its number, its reason and the way to look."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures.claims import Mark, forest
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.claims import CLAIMS, FieldClaim, FieldVerdict, Table, evidence_keys, verdicts
from codi_core.ui.ablate import link as ablate_link
from codi_core.ui.claims.style import badge
from codi_core.ui.detect import link as detect_link
from codi_core.ui.geometry import link as geometry_link
from codi_core.ui.heatmaps import link as heatmaps_link
from codi_core.ui.influence import link as influence_link
from codi_core.ui.model import link as model_link
from codi_core.ui.patch import link as patch_link
from codi_core.ui.shell.calls import workbench
from codi_core.ui.shell.codec import PageSetup
from codi_core.ui.shell.errors import plain
from codi_core.ui.steer import link as steer_link
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.table import wide
from codi_core.values.verdict import p_text

PAGES: Mapping[str, type[PageSetup]] = {
    link.Setup.page: link.Setup
    for link in (ablate_link, detect_link, geometry_link, heatmaps_link, influence_link, model_link, patch_link, steer_link)
}
MOST = 4
"""Models side by side on a screen of 1,280 pixels."""


def field(model: str) -> None:
    st.header("Claims of the field", anchor=False)
    table = shown(model)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(_counted(table[model])), width="stretch")
        export_menu(
            f"codi-claims-of-the-field-{model.rpartition('/')[2]}",
            lambda: stand_alone(forest_of(table), "Claims of the field: effects in points", ", ".join(table)),
            lambda: [table_of(table)],
            lambda: {"claims": json.loads(table_of(table).to_json(orient="records"))},
            key="field-export",
        )
    st.html(table_html(table))
    st.caption(
        "A row a claim, a column a model, from what is stored: no model is opened. Click a verdict for its numbers and its reason, a claim "
        "for its statistic and rule. Intervals are 95 %, by clusters; p is adjusted over the claims of one source (Holm)."
    )


def shown(model: str) -> Table:
    """The chosen model first, then those that something is stored of."""
    keys = evidence_keys(workbench().store)
    known = _verdicts(keys)
    if model not in known:  # nothing is stored of it, or a folder stands for it
        known = _verdicts(keys, model)
    return dict(sorted(known.items(), key=lambda pair: pair[0] != model)[:MOST])


@st.cache_resource(max_entries=8, show_spinner="Judging the claims …")
def _verdicts(keys: tuple[str, ...], model: str = "") -> Table:
    return verdicts(workbench().store, [model] if model else [])


def _counted(own: list[FieldVerdict]) -> str:
    counts = pd.Series([verdict.ruling for verdict in own]).value_counts()
    return f"Of {len(own)} claims on {own[0].model}: {', '.join(f'{count} {ruling}' for ruling, count in counts.items())}."


def table_html(table: Table) -> str:
    names = [html.escape(name.rpartition("/")[2]) for name in table]
    head = "".join(f"<th scope=col>{name}</th>" for name in ("Claim", *names))
    rows = []
    for source in dict.fromkeys(claim.source for claim in CLAIMS):
        rows.append(f'<tr><th scope=colgroup colspan="{len(table) + 1}">{html.escape(source)}</th></tr>')
        for place, claim in enumerate(CLAIMS):
            if claim.source == source:
                rows.append(_row(claim, [own[place] for own in table.values()]))
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return wide(f'<table class="field-claims">{body}</table>', "Claims of the field")


def _row(claim: FieldClaim, verdicts: list[FieldVerdict]) -> str:
    words = {"Statistic": claim.statistic, "Reproduced": claim.reproduced, "Reversed": claim.reversed}
    rules = "".join(f"<small><b>{title}:</b> {html.escape(text)}</small>" for title, text in words.items())
    name = f"<details><summary>{claim.key} {html.escape(claim.sentence)}</summary>{rules}</details>"
    return f"<tr><th scope=row>{name}</th>{''.join(f'<td>{_cell(verdict)}</td>' for verdict in verdicts)}</tr>"


def _cell(verdict: FieldVerdict) -> str:
    line = f"<small>{html.escape(verdict.line)}</small>" if verdict.line else ""
    said = [verdict.why, *(f"{part.words}; needed: {part.rule}" if part.rule else part.words for part in verdict.parts[1:])]
    if verdict.over > 1:
        said.append(f"Adjusted p {p_text(verdict.adjusted)}, over {verdict.over} claims of this source")
    if verdict.on:
        said.append(f"On {verdict.on}")
    reasons = "".join(f"<small>{html.escape(text)}</small>" for text in said if text)
    command = f"<code>{html.escape(verdict.needed)}</code>" if verdict.needed else ""
    return f"<details><summary>{badge(verdict.ruling)}{line}</summary>{reasons}{command}{_live(verdict)}</details>"


def _live(verdict: FieldVerdict) -> str:
    setup = setup_of(verdict.claim, verdict.model)
    address = f"{setup.page}?{urlencode(setup.query(), doseq=True)}"
    return f'<a href="{html.escape(address, quote=True)}" target="_self">open live</a>'


def setup_of(claim: FieldClaim, model: str) -> PageSetup:
    """Where the same is looked at live."""
    return PAGES[claim.page](model=model, **claim.fields)


def forest_of(table: Table) -> go.Figure:
    """What decides each claim, where that is in points; the first three models."""
    return forest([f"{claim.key} {claim.sentence}" for claim in CLAIMS], {name: list(map(_mark, own)) for name, own in table.items()})


def _mark(verdict: FieldVerdict) -> Mark | None:
    first = next(iter(verdict.parts), None)
    if first is None or first.said or first.unit != "points":
        return None
    return Mark(100 * first.value, 100 * first.low, 100 * first.high, verdict.ruling)


def table_of(table: Table) -> pd.DataFrame:
    """A row a claim, model and condition; claims without numbers have one row."""
    return pd.DataFrame([row for own in table.values() for verdict in own for row in records(verdict)])


def records(verdict: FieldVerdict) -> list[dict[str, Any]]:
    claim = verdict.claim
    words = {"claim": claim.key, "sentence": claim.sentence, "source": claim.source, "model": verdict.model, "verdict": verdict.ruling}
    rest = {"why": verdict.why, "on": verdict.on, "evidence": verdict.key, "needed": verdict.needed}
    numbers = ("name", "rule", "state", "value", "low", "high", "p", "n", "unit", "said")
    parts = [{f"part {name}": getattr(part, name) for name in numbers} for part in verdict.parts] or [{}]
    return [{**words, **part, "adjusted p": verdict.adjusted, **rest} for part in parts]
