"""Answer | accuracy | random directions: what a push does, at a glance."""

from __future__ import annotations

import html

from codi_core.figures.text import number
from codi_core.services.steer import Steering
from codi_core.ui.steer.answers import short
from codi_core.ui.widgets.glossary import marked
from codi_core.values.evals import SteeringEffect
from codi_core.values.signs import decimal
from codi_core.values.verdict import ENOUGH, Verdict

CSS = """<style>
.readout { border-left: 3px solid #16b8a6; padding: .1rem 0 .1rem .7rem; min-width: 0; }
.readout small { display: block; opacity: .8; font-size: .82rem; line-height: 1.3; }
.readout strong { display: block; font-size: 1.75rem; line-height: 1.15; font-weight: 650; font-variant-numeric: tabular-nums;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
</style>"""


def answer(steering: Steering) -> str:
    """As HTML, like the next two."""
    known = f" · correct {number(steering.problem.gold)}" if steering.problem else ""
    mark = "" if steering.steered.outcome is None else "✓ " if steering.steered.outcome == "correct" else "✗ "
    alpha = decimal(steering.request.interventions[0].coefficient, "g")
    return _tile(f"Answer at α = {alpha}", mark + short(steering.steered), f"baseline {short(steering.baseline)}{known}")


def accuracy(effect: SteeringEffect | None) -> str:
    if effect is None:
        return _tile("Accuracy", "…", "on the eval set")
    share = effect.steered
    about = f"{share.low:.1%} to {share.high:.1%} · n = {share.n:,} · baseline {effect.baseline.value:.1%}"
    return _tile("Accuracy", f"{share.value:.1%}", about)


def randoms(verdict: Verdict | None) -> str:
    if verdict is None:
        return _tile("Random directions", "…", "of the same length")
    band = verdict.band
    if band.percentile is not None:
        return _tile("Random directions", f"{band.as_far} of {band.count}", "go at least as far")
    if band.place == "still to come":
        return _tile("Random directions", "…", "still to come")
    return _tile("Random directions", f"{band.count} tried", f"a comparison takes {ENOUGH}")


def _tile(name: str, value: str, about: str) -> str:
    value, about = html.escape(value), html.escape(about)
    return f'<div class="readout"><small>{marked(name)}</small><strong title="{value}">{value}</strong><small>{about}</small></div>'
