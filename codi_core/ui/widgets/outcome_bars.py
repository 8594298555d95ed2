"""Accuracies with what became of all other answers: one stacked bar each, on one scale."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from codi_core.figures.steer import RANDOM
from codi_core.ui.widgets.glossary import explained
from codi_core.values.outcomes import Outcomes
from codi_core.values.stats import Share

COLOURS = {"correct": "#1f8a96", "spelled out": "#8f7cc4", "wrong": "#d07a5e", "cut off": "#e0b84c", "unread": "#9aa3a8"}
"""In the order of the bar; apart in lightness too, and every piece has its number in its tooltip."""
CSS = f"""<style>
.shares {{ display: grid; grid-template-columns: max-content 1fr max-content; gap: .35rem .8rem; align-items: center; font-size: .92rem; }}
.shares b {{ font-weight: 600; }}
.shares > span {{ font-variant-numeric: tabular-nums; }}
.shares small {{ opacity: .8; font-size: .85em; }}
.shares .track {{
  position: relative; height: 1.25rem; border-radius: 3px; overflow: hidden; background: var(--st-secondary-background-color, #8882);
}}
.shares .part {{ position: absolute; top: 0; bottom: 0; box-shadow: inset -1px 0 var(--st-background-color, #fff); }}
.shares .equations {{
  background-image: repeating-linear-gradient(135deg, #fff6 0 3px, transparent 3px 8px);
}}
.shares .whisker {{ position: absolute; top: 50%; height: 2px; margin-top: -1px; background: #111; box-shadow: 0 0 0 1px #fffb; }}
.shares .whisker::before, .shares .whisker::after {{
  content: ""; position: absolute; top: -4px; height: 10px; width: 2px; background: #111; box-shadow: 0 0 0 1px #fffb;
}}
.shares .whisker::after {{ right: 0; }}
.shares .dot {{
  position: absolute; top: 12%; height: 76%; width: 3px; margin-left: -1px; border-radius: 1px; background: {RANDOM};
  box-shadow: 0 0 0 1px #111a;
}}
.shares .scale {{ position: relative; height: 1rem; font-size: .76rem; opacity: .8; container-type: inline-size; }}
@container (max-width: 11rem) {{ .shares .scale span:nth-child(even) {{ display: none; }} }}
.shares .scale span {{ position: absolute; transform: translateX(-50%); white-space: nowrap; }}
.shares .scale span:first-child {{ transform: none; }}
.shares .scale span:last-child {{ transform: translateX(-100%); }}
@media (max-width: 640px) {{
  .shares {{ grid-template-columns: 1fr max-content; grid-auto-flow: dense; }} /* the bar below its name and number */
  .shares > b {{ grid-column: 1; }}
  .shares > span {{ grid-column: 2; }}
  .shares > :is(.track, .scale) {{ grid-column: 1 / -1; }}
  .shares > div:not([class]) {{ display: none; }}
}}
.shares .legend {{ grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: .1rem .9rem; font-size: .82rem; }}
.shares .legend i {{ display: inline-block; width: .75rem; height: .75rem; border-radius: 2px; margin-right: .3rem; vertical-align: -1px; }}
{"".join(f".shares .{name.replace(' ', '-')} {{ background-color: {colour}; }}" for name, colour in COLOURS.items())}
</style>"""


@dataclass(frozen=True)
class Bar:
    name: str
    outcomes: Outcomes
    share: Share | None = None
    """Of the correct ones, where its interval is known."""
    dots: tuple[float, ...] = ()
    """Accuracies that the bar is the mean of."""


def outcome_bars(bars: Sequence[Bar]) -> None:
    st.html(bars_html(bars))


def bars_html(bars: Sequence[Bar]) -> str:
    scale = "".join(f'<span style="left:{tick}%">{tick} %</span>' for tick in (0, 25, 50, 75, 100))
    kinds = {_class(kind): explained(kind) for kind in COLOURS if any(bar.outcomes.parts[kind] for bar in bars)}
    if any(bar.outcomes.correct_spelled_out for bar in bars):
        kinds = {"correct": kinds.pop("correct"), "correct equations": f"correct, {explained('spelled out')}", **kinds}
    legend = "".join(f'<span><i class="{kind}"></i>{text}</span>' for kind, text in kinds.items())
    rows = "".join(map(_row, bars))
    ticks = f'<div></div><div class="scale" aria-hidden="true">{scale}</div><div></div>'
    return f'<div class="shares">{rows}{ticks}<div class="legend">{legend}</div></div>'


def _row(bar: Bar) -> str:
    n, correct = max(bar.outcomes.n, 1), bar.outcomes.correct
    text, spoken = f"{correct / n:.1%}", f"{bar.name}: {correct / n:.1%} right"
    marks = ""
    if bar.share:
        text += f" <small>{bar.share.low:.1%} – {bar.share.high:.1%}</small>"
        spoken += f", 95 % interval {bar.share.low:.1%} to {bar.share.high:.1%}"
        marks = f'<i class="whisker" style="left:{_place(bar.share.low)};width:{_place(bar.share.high - bar.share.low)}"></i>'
    if bar.dots:
        text, spoken = f"{min(bar.dots):.1%} – {max(bar.dots):.1%}", f"{bar.name}: {min(bar.dots):.1%} to {max(bar.dots):.1%} right"
        marks = "".join(f'<i class="dot" style="left:{_place(dot)}"></i>' for dot in bar.dots)
    label = html.escape(f"{spoken}; {bar.outcomes.words()}", quote=True)
    track = f'<div class="track" role="img" aria-label="{label}">{_pieces(bar.outcomes)}{marks}</div>'
    return f"<b>{html.escape(bar.name)}</b>{track}<span>{text}</span>"


def _pieces(outcomes: Outcomes) -> str:
    """Of the correct ones, those written as equations come last, hatched."""
    parts = outcomes.parts
    equations = outcomes.correct_spelled_out
    pieces = [("correct", "correct", parts["correct"] - equations), ("correct, spelled out", "correct equations", equations)]
    pieces += [(kind, _class(kind), parts[kind]) for kind in COLOURS if kind != "correct"]
    left, drawn = 0, ""
    for name, kind, count in pieces:
        if count:
            where = f"left:{_place(left / outcomes.n)};width:{_place(count / outcomes.n)}"
            title = f"{name}: {count:,} of {outcomes.n:,} ({count / outcomes.n:.1%})"
            drawn += f'<i class="part {kind}" style="{where}" title="{title}"></i>'
            left += count
    return drawn


def _class(kind: str) -> str:
    return kind.replace(" ", "-")


def _place(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.2f}%"
