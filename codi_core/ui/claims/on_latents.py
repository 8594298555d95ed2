"""The steps that read latents: the posts' first prompt, the words of odd latents, what differences say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from codi_core.figures import detect as detect_figures
from codi_core.figures import differences as difference_figures
from codi_core.figures.lens import heatmap, lens_table
from codi_core.figures.paint import paint
from codi_core.figures.panels import Panel, token_panel
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.text import position, short
from codi_core.problems.generate import seed_prompt
from codi_core.services.detect import mean_entropy, token_set
from codi_core.services.differences import DifferenceReport, DifferenceRequest
from codi_core.services.inspect import Inspection, InspectRequest
from codi_core.ui.claims.shown import Shown
from codi_core.ui.detect import link as detect_link
from codi_core.ui.detect import views as detect_views
from codi_core.ui.differences import link as differences_link
from codi_core.ui.inspect import link as inspect_link
from codi_core.ui.shell import calls
from codi_core.ui.widgets import passes_choice
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.ui.widgets.plot import plot
from codi_core.values.stats import Estimates

TRACKED = ("720", "350", "360")
WORD = "therefore"
PEAKS = (3, 5)
"""Indices at which the posts see the entropy peak."""
PAIR = (2, 4)
AMONG = 10
"""A token among so many of the likeliest counts as read."""


def lenses_of(model: str) -> tuple[str, ...]:
    """The logit lens, and the tuned one where the model has it."""
    names = [option.name for option in calls.lens_menu(model)]
    return tuple(name for name in ("logit", "tuned:all") if name in names)


# One prompt


def prompt(model: str) -> Shown:
    request = InspectRequest(model, seed_prompt().question, tracked=TRACKED, lenses=lenses_of(model), own=True)
    found = calls.inspection(request)
    panels = [
        token_panel(f"{name} lens", grid, paint(grid, "Top-1 probability", None), found.tracked, found.relations)
        for name, grid in found.grids.items()
    ]
    said = f"the model answers {found.rollout.answer.strip()[:20] or 'nothing'}. " + " ".join(_places(found, name) for name in found.grids)
    live = inspect_link.Setup(model=model, prompt=request.prompt, lenses=request.lenses, track=TRACKED)
    title = f"The 600-employees prompt, {model}"
    return Shown(
        said,
        live,
        found.condition,
        lambda: _side_by_side(panels, "prompt"),
        lambda: heatmap(panels, False, title, found.condition),
        lambda: [lens_table(grid, found.tracked) for grid in found.grids.values()],
    )


def _places(found: Inspection, name: str) -> str:
    """Where each of the posts' numbers is read, and how well."""
    parts = []
    for text in TRACKED:
        token = next((token for token in found.tracked if token.text == text), None)
        if token is None or token.note:
            parts.append(f"{text} is no single token of this model, so that cannot be tested")
            continue
        rank = found.grids[name].rank_of(token)
        index, depth = np.unravel_index(int(rank.argmin()), rank.shape)
        cells = int((rank <= AMONG).sum())
        best = f"best rank {int(rank.min()):,} at {position(int(index))}, layer {int(depth)}"
        parts.append(f"{text} is among the top {AMONG} in {cells} of {rank.size} cells ({best})")
    return f"{name.capitalize()} lens: {'; '.join(parts)}."


def _side_by_side(panels: list[Panel], key: str) -> None:
    with st.container(key=f"step-{key}-grids"):
        places = st.columns(len(panels), gap="small")
    for place, panel in zip(places, panels, strict=True):
        with place:
            st.markdown(f"**{panel.name}**")
            heatgrid(
                panel,
                chosen=None,
                flip=False,
                label=f"{panel.name}: first token",
                key=f"step-{key}-{panel.name}",
                hint="hover: more",
                on_pick=lambda index, depth: None,
                group=f"step-{key}",
            )


# Many prompts


def therefore(model: str) -> Shown:
    """A word at odd indices; where the model has no token for it, only the entropies can be told."""
    defaults = detect_link.Setup()
    readings = calls.stored_detection(
        calls.detect_request(model, defaults.eval_set, defaults.n, defaults.lens, passes_choice.of(calls.card(model)))
    )
    (word,) = calls.token_ids(model, (WORD,))
    if readings is None:
        return Shown("no readings are stored for this model: open Detect and press Run.", detect_link.Setup(model=model, view="Entropy"))
    series = {"entropy": mean_entropy(readings)}
    said, live = _entropies(series["entropy"]), detect_link.Setup(model=model, view="Entropy")
    if word.note:
        said = f"there is no token for “{WORD}” in this model ({word.note.rstrip('.')}), so that half cannot be tested. {said}"
    else:
        found = token_set(readings, list(word.ids))
        said, live = f"{_odd(found)} {said}", detect_link.Setup(model=model, view="Token set", words=WORD)
        series = {f"“{WORD}”": Estimates(found.value[AMONG - 1], found.low[AMONG - 1], found.high[AMONG - 1], found.n)}
    figure = detect_figures.over_indices(series, -1, share=not word.note)
    return Shown(
        said,
        live,
        detect_views.condition(readings),
        lambda: plot(lambda: figure, key="step-therefore", label="Entropy over the indices"),
        lambda: stand_alone(figure, f"Over the indices, {model}", detect_views.condition(readings)),
        lambda: [detect_figures.means_table(series)],
    )


def _entropies(means: Estimates) -> str:
    """Of the output, where it is higher than at both neighbours."""
    values = means.value[:, -1]
    peaks = [i for i in range(1, len(values)) if values[i] > values[i - 1] and (i + 1 == len(values) or values[i] > values[i + 1])]
    where = " and ".join(f"{position(i)} ({values[i]:.2f} nats)" for i in peaks) or "no index"
    posts = " and ".join(f"z{i}" for i in PEAKS)
    return f"Over {means.n:,} questions the output's entropy peaks at {where}; the posts say {posts}."


def _odd(found: Estimates) -> str:
    shares = found.value[AMONG - 1, :, -1]
    text = ", ".join(f"{position(i)} {share:.0%}" for i, share in enumerate(shares))
    return f"“{WORD}” is among the output's top {AMONG} at: {text} (n = {found.n:,})."


# Differences


def differences(model: str) -> Shown:
    count = passes_choice.of(calls.card(model))
    reports = {name: calls.differences(DifferenceRequest(model, name, passes=count)) for name in lenses_of(model)}
    indices = range(1, len(next(iter(reports.values())).grid.norms))
    panels = [
        difference_figures.source_panel(
            report.grid, difference_figures.paint_differences(report.grid, "Top-1 probability"), PAIR[0], indices
        )
        for report in reports.values()
    ]
    said = " ".join(_reads(name, report, list(indices)) for name, report in reports.items())
    grid = next(iter(reports.values())).grid
    facts = (
        f"{model} · means over {grid.n:,} questions of '{grid.means.eval_set.name}' · mean B − mean A, linear part · key {grid.means.key}"
    )
    titled = [replace(panel, name=f"{name} lens, A = {PAIR[0]}") for name, panel in zip(reports, panels, strict=True)]
    return Shown(
        said,
        differences_link.Setup(model=model, pair=f"{PAIR[0]}.{PAIR[1]}"),
        facts,
        lambda: _side_by_side(titled, "differences"),
        lambda: difference_figures.grid_figure(titled, False, f"What differences say, {model}", facts),
        lambda: [difference_figures.difference_table(report.grid, indices) for report in reports.values()],
    )


def _reads(name: str, report: DifferenceReport, indices: list[int]) -> str:
    tops = report.grid.top_tokens[:, :, -1, 0]
    pairs = [(a, b) for a in indices for b in indices if a != b]
    numbers = sum(str(tops[a, b]).strip().isdigit() for a, b in pairs)
    return (
        f"{name.capitalize()} lens at the output: mean {PAIR[1]} − mean {PAIR[0]} reads “{short(str(tops[PAIR]), 16)}”; "
        f"{numbers} of {len(pairs)} differences read a number."
    )
