"""The claims as a table with a verdict in every row, the matched factorial, what was confirmed, and the rules behind the verdicts."""

from __future__ import annotations

import html
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from codi_core.figures.claims import Mark, forest
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.sweeps import Against, Reading, p_text, pair_name, points, signed
from codi_core.services.claims import ADJUSTED, COMBINATIONS, RULES, SETTINGS, UNTESTABLE, Family, Finding, Kind, Tested, Verdict
from codi_core.services.matched import Factor, confirmations, factorial
from codi_core.services.sweeps import SweepRequest, sweep_command
from codi_core.types import SweepTable
from codi_core.ui import sweep_calls, sweep_words
from codi_core.ui.errors import plain
from codi_core.ui.export import export_menu
from codi_core.ui.sweep_choice import pick, pick_of, segmented

SIGNS: dict[Verdict, str] = {"reproduced": "✓", "not reproduced": "○", "reversed": "⇄", "not testable": "–"}
"""Colour is never the only sign."""
HEAD = (
    "Claim",
    "Effect, as in the code <small>points, 95 % interval</small>",
    "p adjusted",
    "Percentile",
    "Against all passes <small>points</small>",
    "As the text reads <small>mean A − mean B</small>",
    "Verdict",
)
CSS = """<style>
table.claims { border-collapse: collapse; width: 100%; font-size: .92rem; line-height: 1.35; }
table.claims th { text-align: left; font-weight: 500; opacity: .72; font-size: .84em; padding: .35rem .7rem .35rem 0;
  vertical-align: bottom; }
table.claims th small { display: block; font-size: .9em; }
table.claims td { padding: .42rem .7rem .42rem 0; border-top: 1px solid var(--st-border-color, #8884); vertical-align: top;
  font-variant-numeric: tabular-nums; }
table.claims td small { opacity: .75; display: block; font-size: .86em; }
table.claims td code { font-size: .84em; overflow-wrap: anywhere; }
table.claims a { color: inherit; text-decoration-color: #8888; text-underline-offset: 3px; }
.verdict-badge { display: inline-block; padding: .05rem .55rem; border-radius: 1rem; border: 1px solid currentColor; font-weight: 600;
  font-size: .88em; white-space: nowrap; }
.verdict-reproduced { color: light-dark(#0f6e56, #58c9a8); }
.verdict-reversed { color: light-dark(#a32d3f, #f08c98); }
.verdict-not-reproduced { color: light-dark(#6a5a1c, #d9bf6b); }
.verdict-not-testable { color: light-dark(#5c676c, #a4b0b5); border-style: dashed; }
</style>"""


def style() -> None:
    st.html(CSS)


def choose(model: str) -> tuple[str, str]:
    """Eval set and setting; both in the URL."""
    tables = sweep_calls.of_model(model)
    sets = list(dict.fromkeys(["templates", *(table.eval_set.name for table in tables)]))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        names = {"post": "As in the posts", "corrected": "Corrected"}
        about = (
            "As in the posts: means of raw keys and values over the evaluated questions, stopping after the steered pass. "
            "Corrected: means from a split of their own, keys moved to each position, all passes."
        )
        setting = segmented("Experiment", "setting", names, "post", about)
        eval_set = pick("Eval set", "on", sets, str, 180)
    return eval_set, setting


def latest(model: str, preset: str, eval_set: str) -> SweepTable | None:
    """The newest whole sweep of a preset. Tables of two checkpoints are never joined: each claim is tested within one table."""
    return next((t for t in sweep_calls.of_model(model) if (t.name, t.eval_set.name) == (preset, eval_set)), None)


def claims(model: str, eval_set: str, setting: str) -> None:
    tables: dict[Family, SweepTable | None] = {family: latest(model, preset, eval_set) for family, preset in SETTINGS[setting].items()}
    keys = tuple(table.key if table else "" for table in tables.values())
    found = sweep_calls.findings(keys, model, eval_set, setting, tables)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.html(_counts(found))
        st.space("stretch")
        conditions = [sweep_words.condition(table) for table in tables.values() if table]
        export_menu(
            f"codi-claims-{model.rpartition('/')[2]}-{setting}",
            lambda: stand_alone(forest_of(found), f"Claims of the posts, {model}", " | ".join(conditions)),
            lambda: [table_of(found)],
            lambda: {"conditions": conditions, "claims": table_of(found).to_dict("records")},
            key="claims-export",
        )
    st.html(_table(found, tables, model))
    for condition in conditions:
        st.caption(plain(condition))
    if any(finding.tests for finding in found):
        st.subheader("Effects", anchor=False)
        st.plotly_chart(forest_of(found), key="claims-forest", config={"displaylogo": False})
        st.caption("Bars: 95 % intervals. Where a claim contrasts groups of cells, their difference.")


def _counts(found: Sequence[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in found) for verdict in SIGNS}
    return " &nbsp; ".join(f"{_badge(verdict)} {count}" for verdict, count in counts.items())


def _badge(verdict: Verdict) -> str:
    return f'<span class="verdict-badge verdict-{verdict.replace(" ", "-")}">{SIGNS[verdict]} {verdict}</span>'


def _table(found: Sequence[Finding], tables: dict[Family, SweepTable | None], model: str) -> str:
    head = "".join(f"<th scope=col>{name}</th>" for name in HEAD)
    rows = "".join(_row(finding, tables[finding.claim.family], model) for finding in found)
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _row(finding: Finding, table: SweepTable | None, model: str) -> str:
    own, standard, text = (finding.test(*which) for which in (COMBINATIONS[0], COMBINATIONS[1], COMBINATIONS[2]))
    name = html.escape(finding.claim.text)
    if table is not None and own is not None and own.place is not None:
        name = f'<a href="{html.escape(cell_link(table, own.place, model), quote=True)}" target="_self">{name}</a>'
    site = f"<small>{'KV cache' if finding.claim.family == 'kv' else 'hidden state'}"
    site += f", index {finding.claim.index}</small>" if finding.claim.index else "</small>"
    if own is None:
        needed = f"{html.escape(finding.why)}<small>Needed: <code>{html.escape(finding.needed)}</code></small>"
        return f'<tr><td>{name}{site}</td><td colspan="5">{needed}</td><td>{_badge(finding.verdict)}</td></tr>'
    percentile = "–" if own.percentile != own.percentile else f"{own.percentile:.0f}"
    cells = [
        f"{name}{site}",
        _effect(own),
        f"{html.escape(p_text(own.adjusted))}<small>p {html.escape(p_text(own.p))}</small>",
        percentile,
        _effect(standard) + (f"<small>{standard.verdict}</small>" if standard and standard.verdict != own.verdict else ""),
        _effect(text) + (f"<small>{text.verdict}</small>" if text else ""),
        f"{_badge(finding.verdict)}<small>{html.escape(finding.why)}</small>",
    ]
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _effect(test: Tested | None) -> str:
    if test is None:
        return "not testable"
    return f"{points(test.effect)}<small>{points(test.low)} to {points(test.high)}</small>"


def cell_link(table: SweepTable, place: int, model: str) -> str:
    row = {str(name): value for name, value in table.cells.set_index("place").loc[place].to_dict().items()}
    coefficient = float(row["coefficient"])
    query = {
        "model": model,
        "sweep": table.name,
        "on": table.eval_set.name,
        "grid": "sites",
        "alpha": f"{coefficient:g}",
        "pick": pick_of(row),
    }
    return f"heatmaps?{urlencode(query)}"


def forest_of(found: Sequence[Finding]) -> go.Figure:
    shown = [finding for finding in found if finding.tests]
    names: dict[str, tuple[Reading, Against]] = {
        "As in the code, against as many passes": ("B-A", "same"),
        "As the text reads": ("A-B", "same"),
        "As in the code, against all passes": ("B-A", "all"),
    }
    series = {name: [_mark(finding.test(*which)) for finding in shown] for name, which in names.items()}
    return forest([finding.claim.text for finding in shown], series)


def _mark(test: Tested | None) -> Mark | None:
    if test is None:
        return None
    return Mark(100 * test.effect, 100 * test.low, 100 * test.high, f"adjusted p {p_text(test.adjusted)}: {test.verdict}")


def table_of(found: Sequence[Finding]) -> pd.DataFrame:
    """A row a claim, reading and baseline; claims that could not be tested have one row."""
    rows: list[dict[str, Any]] = []
    for finding in found:
        name = {"claim": finding.claim.text, "family": finding.claim.family, "sweep": finding.sweep}
        if not finding.tests:
            rows.append({**name, "verdict": finding.verdict, "why": finding.why, "needed": finding.needed})
        for (reading, against), test in finding.tests.items():
            rows.append({**name, "reading": reading, "baseline": against, **asdict(test)})
    return pd.DataFrame(rows)


# The matched factorial


def matched(model: str, eval_set: str) -> None:
    st.subheader("What removes the difference", anchor=False)
    st.caption(
        "The cells that the posts found helpful, steered in every way: the same pairs, index and coefficients; only where the vector is "
        "added, keys or values, and whether the remaining passes follow differ."
    )
    table = latest(model, "factorial", eval_set)
    if table is None:
        st.markdown("Not stored for this model and eval set. This computes it:")
        st.code(sweep_command(SweepRequest(model, "factorial", eval_set)), language="bash")
        return
    found = factorial(sweep_calls.read(table.key, table))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(said(found))}**")
        st.space("stretch")
        rows = pd.DataFrame([asdict(factor) for factor in found])
        export_menu(
            f"codi-factorial-{table.key}",
            lambda: stand_alone(factor_forest(found), "Matched factorial", sweep_words.condition(table)),
            lambda: [rows],
            lambda: {"condition": sweep_words.condition(table), "rows": rows.to_dict("records")},
            key="factorial-export",
        )
    st.html(_factors(found))
    st.caption(plain(sweep_words.condition(table)))


def said(found: Sequence[Factor]) -> str:
    """Which ways of steering differ from the posts' one."""
    reference = next((factor for factor in found if factor.apart_low == factor.apart_high == 0), None)
    if reference is None:
        return "The posts' way is not among the stored ones."
    apart = [factor.title for factor in found if factor.apart_low > 0 or factor.apart_high < 0]
    start = f"{reference.title}: {points(reference.effect)} points ({points(reference.low)} to {points(reference.high)}). "
    return start + (f"Clearly different: {'; '.join(apart)}." if apart else "No other way differs clearly from it.")


SPACES = {
    "z": "Hidden z",
    "h-on-z": "Hidden z, along means of h",
    "h": "Hidden h",
    "kv": "Keys and values",
    "k": "Keys only",
    "v": "Values only",
}


def _factors(found: Sequence[Factor]) -> str:
    """Spaces down; stopping and going on across."""
    by_place = {(factor.space, factor.then): factor for factor in found}
    head = "<th>Added to</th>" + "".join(
        f"<th scope=col>{name}<small>mean difference, points · percentile · apart from keys and values, stopped</small></th>"
        for name in ("Stop, then answer", "Continue to the last pass")
    )
    rows = ""
    for space in dict.fromkeys(factor.space for factor in found):
        cells = "".join(f"<td>{_factor(by_place.get((space, then)))}</td>" for then in ("stop", "continue"))
        rows += f"<tr><td>{html.escape(SPACES.get(space, space.replace('resid-', 'Residual stream, depth ')))}</td>{cells}</tr>"
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _factor(factor: Factor | None) -> str:
    if factor is None:
        return "–"
    apart = f"apart {points(factor.apart)} ({points(factor.apart_low)} to {points(factor.apart_high)})"
    clear = "clearly " if factor.apart_low > 0 or factor.apart_high < 0 else ""
    own = f"{points(factor.effect)} ({points(factor.low)} to {points(factor.high)}) · percentile {factor.percentile:.0f}"
    return f"{own}<small>{'the posts’ way' if factor.apart_low == factor.apart_high == 0 else clear + apart}</small>"


def factor_forest(found: Sequence[Factor]) -> go.Figure:
    marks: list[Mark | None] = [Mark(100 * f.effect, 100 * f.low, 100 * f.high, f"percentile {f.percentile:.0f}") for f in found]
    return forest([factor.title for factor in found], {"Mean difference over the claimed cells": marks})


# Confirmed, and the rules


def confirmed(model: str) -> None:
    st.subheader("Selected, then confirmed", anchor=False)
    found = confirmations(sweep_calls.of_model(model))
    if not found:
        st.caption("Winners of a grid on the split 'select' are run once on the split 'confirm', which nobody looked at before:")
        select = sweep_command(SweepRequest(model, SETTINGS["corrected"]["kv"], "select"))
        st.code(f"{select}\n{shlex.join(['python', '-m', 'codi_core', 'confirm', '--model', model])}", language="bash")
        return
    rows = [
        {
            "sweep": one.title,
            "cell": f"{pair_name(one.row['a'], one.row['b'])} at z{one.row['index']}, {signed(one.row['coefficient'])}",
            "on select (points)": points(one.selected["delta"]) if one.selected else "–",
            "p (max-statistic)": p_text(float(one.selected["p_max"])) if one.selected else "–",
            "on confirm (points)": f"{points(one.row['delta'])} ({points(one.row['delta_low'])} to {points(one.row['delta_high'])})",
            "p (Holm)": p_text(float(one.row["p_holm"])),
            "percentile": f"{one.row['percentile']:.0f}",
            "held": "✓ confirmed" if one.held else "○ not confirmed",
        }
        for one in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True)
    st.caption("Confirmed: better on the second split too, with Holm's p < .05 over the cells that were chosen, and above the random band.")


def rules() -> None:
    with st.expander("How the verdicts are computed", icon=":material/gavel:"):
        st.html(_rules())
        for text in (ADJUSTED, "Not reproduced: everything between.", UNTESTABLE):
            st.caption(plain(text))


KINDS: dict[Kind, str] = {
    "beats": "A cell beats its baseline",
    "best": "Pairs are best",
    "falls": "Accuracy falls",
    "one sign": "One sign only",
    "never": "Never better",
    "like random": "Like random",
}


def _rules() -> str:
    columns = ("tested", "reproduced", "reversed")
    head = "<th>Kind of claim</th>" + "".join(f"<th scope=col>{column.capitalize()}</th>" for column in columns)
    rows = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td>{html.escape(RULES[kind][column])}</td>" for column in columns) + "</tr>"
        for kind, name in KINDS.items()
    )
    return f'<table class="claims"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
