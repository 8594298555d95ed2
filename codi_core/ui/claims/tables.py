"""The claims as a table with a verdict in every row, and as one picture."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, get_args
from urllib.parse import urlencode

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures.claims import Mark, forest
from codi_core.figures.provenance import of_sweep
from codi_core.figures.stand_alone import stand_alone
from codi_core.services.sweeps.claims import COMBINATIONS, SETTINGS, Family, Finding, Ruling, Tested, View
from codi_core.services.sweeps.claims import latest as latest_in
from codi_core.services.sweeps.stored import only_form_of
from codi_core.ui.claims.style import badge
from codi_core.ui.heatmaps import calls
from codi_core.ui.heatmaps.link import Setup, key_of
from codi_core.ui.shell.errors import plain
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.glossary import marked
from codi_core.ui.widgets.plot import plot
from codi_core.ui.widgets.table import wide
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import p_text, points

NUMBERS = ("effect", "low", "high", "p", "adjusted", "over", "percentile", "verdict", "why", "cell_id")
"""Of a test, in the export."""
HEAD = (
    "Claim",
    "Effect, as in the code <small>points, 95 % interval</small>",
    "p adjusted",
    "Percentile",
    "Against all passes <small>points</small>",
    "As the text reads <small>mean A − mean B</small>",
    "Verdict",
)


def choose(model: str) -> tuple[str, str]:
    """Eval set and setting; both in the URL."""
    tables = calls.of_model(model)
    sets = list(dict.fromkeys(["templates", *(table.eval_set.name for table in tables)]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = {"post": "As in the posts", "corrected": "Corrected"}
        about = (
            "As in the posts: means of raw keys and values over the evaluated questions, stopping after the steered pass. "
            "Corrected: means from a split of their own, keys moved to each position, all passes."
        )
        setting = linked.segmented("Experiment", "setting", list(names), title=names.__getitem__, about=about)
        eval_set = linked.select("Eval set", "set", sets, width=180)
    return eval_set, setting


def latest(model: str, preset: str, eval_set: str) -> SweepTable | None:
    """The newest whole sweep of a preset. Tables of two checkpoints are never joined: each claim is tested within one table."""
    return latest_in(calls.of_model(model), preset, eval_set)


def read(model: str, eval_set: str, setting: str) -> tuple[dict[Family, SweepTable | None], list[Finding]]:
    """The stored sweeps, and what they say about every claim."""
    tables: dict[Family, SweepTable | None] = {family: latest(model, preset, eval_set) for family, preset in SETTINGS[setting].items()}
    keys = tuple(table.key if table else "" for table in tables.values())
    return tables, calls.findings(keys, model, eval_set, setting, tables)


def claims(model: str, setting: str, tables: dict[Family, SweepTable | None], found: Sequence[Finding]) -> None:
    st.header("Every claim of Sprint #3", anchor=False)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(_counts(found))
        st.space("stretch")
        conditions = [of_sweep(table) for table in tables.values() if table]
        export_menu(
            f"codi-claims-{model.rpartition('/')[2]}-{setting}",
            lambda: stand_alone(forest_of(found), f"Claims of Sprint #3, {model}", " | ".join(conditions)),
            lambda: [table_of(found)],
            lambda: {"conditions": conditions, "claims": table_of(found).to_dict("records")},
            key="claims-export",
        )
    st.html(_table(found, tables, model))
    _needed(found)
    for condition in conditions:
        st.caption(plain(condition))
    if any(finding.tests for finding in found):
        st.header("Effects", anchor=False)
        plot(lambda: forest_of(found), key="claims-forest", label="Effect of every claim in points, with intervals")
        st.caption("Bars: 95 % intervals. Where a claim contrasts groups of cells, their difference.")


def _counts(found: Sequence[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in get_args(Ruling)}
    return " &nbsp; ".join(f"{badge(verdict)} {count}" for verdict, count in counts.items())


def _table(found: Sequence[Finding], tables: dict[Family, SweepTable | None], model: str) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in HEAD)
    rows = "".join(_row(finding, tables[finding.claim.family], model) for finding in found)
    return wide(f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>', "Every claim")


def _needed(found: Sequence[Finding]) -> None:
    """The commands that would make claims testable, each once."""
    for command in dict.fromkeys(finding.needed for finding in found if finding.needed):
        own = [finding.claim.sentence for finding in found if finding.needed == command]
        st.caption(plain(f"To test {f'“{own[0]}”' if len(own) == 1 else f'{len(own)} of these claims'}:"))
        st.code(command, language="bash", wrap_lines=True)


def _row(finding: Finding, table: SweepTable | None, model: str) -> str:
    own, standard, text = (finding.test(*which) for which in (COMBINATIONS[0], COMBINATIONS[1], COMBINATIONS[2]))
    name = _claim(finding, table, model)
    if own is None:
        return f'<tr><td>{name}</td><td colspan="5">{html.escape(finding.why)}</td><td>{badge(finding.verdict)}</td></tr>'
    cells = [
        name,
        _effect(own),
        f"{html.escape(p_text(own.adjusted))}<small>p {html.escape(p_text(own.p))}</small>",
        "–" if own.percentile is None else f"{own.percentile:.0f}",
        _effect(standard) + (f"<small>{standard.verdict}</small>" if standard and standard.verdict != own.verdict else ""),
        _effect(text) + (f"<small>{text.verdict}</small>" if text else ""),
        f"{badge(finding.verdict)}<small>{html.escape(finding.why)}</small>{_answers(table, own)}",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _answers(table: SweepTable | None, test: Tested) -> str:
    """Where one cell is what a claim is about, or is shown by: how many of the questions it changed it changed only in form."""
    if table is None or test.cell_id is None:
        return ""
    fixed, broken = calls.changed(table, test.cell_id, standard=False)
    words = only_form_of(fixed, broken).words(len(fixed), len(broken))
    return f"<small>That cell: {marked(words)}</small>" if fixed or broken else ""


def _claim(finding: Finding, table: SweepTable | None, model: str) -> str:
    """The sentence, what it is about, and on demand exactly what is measured and by which rule it is judged."""
    claim, own = finding.claim, finding.test()
    name = html.escape(claim.sentence)
    if table is not None and own is not None and own.cell_id is not None:
        name = f'<a href="{html.escape(cell_link(table, own.cell_id, model), quote=True)}" target="_self">{name}</a>'
    site = f", index {claim.index}" if claim.index else ""
    about = f"<small>{'KV cache' if claim.family == 'kv' else 'hidden state'}{site} · {html.escape(claim.source)}</small>"
    rule = claim.rule
    words = {"Statistic": rule.statistic, "Reproduced": rule.reproduced, "Reversed": rule.reversed, "Not testable": rule.untestable}
    lines = "".join(f"<small><b>{title}:</b> {html.escape(text)}</small>" for title, text in words.items())
    return f"{name}{about}<details><summary>statistic and rule</summary>{lines}</details>"


def _effect(test: Tested | None) -> str:
    if test is None:
        return "not testable"
    return f"{points(test.effect)}<small>{points(test.low)} to {points(test.high)}</small>"


def cell_link(table: SweepTable, place: int, model: str) -> str:
    setup = cell_setup(table, place, model)
    return f"{setup.page}?{urlencode(setup.query(), doseq=True)}"


def cell_setup(table: SweepTable, place: int, model: str) -> Setup:
    row = {str(name): value for name, value in table.cells.set_index("place").loc[place].to_dict().items()}
    coefficient = float(row["coefficient"])
    return Setup(model=model, sweep=table.name, eval_set=table.eval_set.name, view="sites", alpha=f"{coefficient:g}", pick=key_of(row))


def forest_of(found: Sequence[Finding]) -> go.Figure:
    shown = [finding for finding in found if finding.tests]
    names: dict[str, View] = {
        "As in the code, against as many passes": ("B-A", "same"),
        "As the text reads": ("A-B", "same"),
        "As in the code, against all passes": ("B-A", "all"),
    }
    series = {name: [_mark(finding.test(*which)) for finding in shown] for name, which in names.items()}
    return forest([finding.claim.sentence for finding in shown], series)


def _mark(test: Tested | None) -> Mark | None:
    if test is None:
        return None
    return Mark(100 * test.effect, 100 * test.low, 100 * test.high, f"adjusted p {p_text(test.adjusted)}: {test.verdict}")


def table_of(found: Sequence[Finding]) -> pd.DataFrame:
    """A row a claim, reading and baseline; claims that could not be tested have one row."""
    rows: list[dict[str, Any]] = []
    for finding in found:
        claim = finding.claim
        words = {"claim": claim.sentence, "source": claim.source, "statistic": claim.rule.statistic, "reproduced if": claim.rule.reproduced}
        name = {**words, "family": claim.family, "sweep": finding.sweep}
        if not finding.tests:
            rows.append({**name, "verdict": finding.verdict, "why": finding.why, "needed": finding.needed})
        for (reading, against), test in finding.tests.items():
            numbers = {column: getattr(test, column) for column in NUMBERS}
            rows.append({**name, "reading": reading, "baseline": against, **numbers})
    return pd.DataFrame(rows)
