"""What is left of the claims of the field and of the posts, on every model that was published."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from codi_core.figures.provenance import of_sweep
from codi_core.publish.field import field_conditions, field_section
from codi_core.publish.html import SIGNS, Page, link, paragraph, table, verdict_mark
from codi_core.services.claims import Table
from codi_core.services.sweeps.claims import ADJUSTED, Family, Finding, Tested
from codi_core.values.sweep import SweepTable
from codi_core.values.verdict import p_text, points

HEAD = ("Claim", "Effect, points (95 % interval)", "p adjusted", "Percentile", "Read as mean A − mean B", "n", "Verdict")
SETTINGS = {"post": "as in the posts", "corrected": "corrected"}


def claims_page(
    field: Table, found: Mapping[tuple[str, str], Sequence[Finding]], tables: Mapping[str, SweepTable], pages: Mapping[str, str]
) -> Page:
    """``field`` by model; ``found``, of the posts, by model and setting; ``tables`` and names of their ``pages`` by the sweep's key."""
    body = [
        field_section(field),
        "<h2>Claims of the posts</h2>",
        paragraph(
            "Each claim brings its statistic and the rule of its verdict; verdicts are computed from the stored sweeps, never typed in. "
            "A null result is a result."
        ),
    ]
    used: dict[str, SweepTable] = {}
    for (model, setting), findings in found.items():
        used |= {finding.sweep: tables[finding.sweep] for finding in findings if finding.sweep in tables}
        caption = f"{model}, {SETTINGS[setting]}: {_counted(findings)}"
        body.append(f"<h3>{html.escape(model)}, {SETTINGS[setting]}</h3>")
        rows = [_row(finding, tables, pages) for finding in findings]
        body.append(f'<div class="claims">{table(HEAD, rows, caption)}</div>')
    body.append(paragraph(ADJUSTED, "note"))
    conditions = [f"{own.title}: {of_sweep(own)}" for own in used.values()]
    question = "Which claims of the field and of the posts hold on these models?"
    return Page("claims.html", "Claims", question, "\n".join(body), [*field_conditions(field), *conditions])


def _counted(findings: Sequence[Finding]) -> str:
    counts = {verdict: sum(finding.verdict == verdict for finding in findings) for verdict in SIGNS}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _row(finding: Finding, tables: Mapping[str, SweepTable], pages: Mapping[str, str]) -> list[str]:
    claim, own, text = finding.claim, finding.test(), finding.test("A-B", "same")
    where: dict[Family, str] = {"kv": "KV cache", "hidden": "hidden state"}
    name = f"{html.escape(claim.sentence)}<small>{where[claim.family]} · {html.escape(claim.source)}</small>"
    name += f"<small>{html.escape(claim.rule.statistic)}</small>"
    if finding.sweep in pages:
        name += f"<small>{link(pages[finding.sweep], 'its sweep')}</small>"
    verdict = f"{verdict_mark(finding.verdict)}<small>{html.escape(finding.why)}</small>"
    if own is None:
        return [name, "–", "–", "–", "–", "–", verdict]
    return [
        name,
        _effect(own),
        html.escape(p_text(own.adjusted)),
        "–" if own.percentile is None else f"{own.percentile:.0f}",
        "–" if text is None else f"{_effect(text)}<small>{text.verdict}</small>",
        f"{tables[finding.sweep].eval_set.n:,}",
        verdict,
    ]


def _effect(test: Tested) -> str:
    return f"{points(test.effect)}<small>{points(test.low)} to {points(test.high)}</small>"
