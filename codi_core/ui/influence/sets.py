"""Over an eval set: mass, edges and summaries, with their intervals and beside their nulls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import streamlit as st

from codi_core.figures import influence as figures
from codi_core.figures.influence import EDGES
from codi_core.figures.lens import heatmap
from codi_core.services.cards import ModelCard
from codi_core.services.influence_sets import InfluenceSetRequest, influence_set, influence_set_command
from codi_core.ui.ablate import captions
from codi_core.ui.influence import beside
from codi_core.ui.influence.link import N
from codi_core.ui.influence.prompt import BY_NAMES, EDGE_NAMES, OTHER_ORDER, graph_grid
from codi_core.ui.shell import background, calls
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import control, eval_choice, linked, passes_choice
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.callbacks import OnWait
from codi_core.values.influence import BYS, InfluenceSet
from codi_core.values.signs import decimal
from codi_core.values.stats import Estimates


def view(card: ModelCard, model: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        choice = eval_choice.choose("templates", N, width=230)
        by = linked.select("In a latent's place", "by", BYS, title=BY_NAMES.__getitem__, width=210)
        passes = passes_choice.choose(card)
        twin = control.chosen(model)
    request = InfluenceSetRequest(model, choice.name, choice.n, by=by, passes=passes)
    run = background.run_of("influence", request.key, lambda: _stored(request))
    if twin is None:
        background.repainted(run, lambda: _panel(run, request, card))
        return
    theirs = replace(request, model=twin)
    other = background.run_of("influence-control", theirs.key, lambda: _stored(theirs))

    def both() -> None:
        _controls(other, theirs, "control")
        if not (run.value and other.value and run.value.done and other.value.done):
            _panel(run, request, card)
            return
        with shown_errors():
            found = beside.contrast_of(run.value, other.value, request)
            _panel(run, request, card, figures.cost_sentence(run.value, other.value, found))
            beside.show(run.value, other.value, found, twin)

    background.repainted(run, both, other)


def _stored(request: InfluenceSetRequest) -> InfluenceSet | None:
    viewer = f"{calls.viewer()}/influence"
    return next(calls.workbench().stream(influence_set, request, viewer, on_wait=calls.on_wait, compute=False), None)


def _controls(run: Run[InfluenceSet], request: InfluenceSetRequest, key: str = "influence") -> None:
    viewer, workbench, found = calls.behind(f"{key}s"), calls.workbench(), run.value

    def work(on_wait: OnWait) -> Iterator[InfluenceSet]:
        return workbench.stream(influence_set, request, viewer, on_wait=on_wait)

    share = len(found.ids) / found.total if found else 0.0
    with shown_errors():
        caption = f"{len(found.ids)} of {found.total} questions" if found else "Rolling out the first questions …"
        start = "Run the control" if key == "control" else "Run"
        background.controls(run, work, share, caption, key, start=start)


def _panel(run: Run[InfluenceSet], request: InfluenceSetRequest, card: ModelCard, said: str = "") -> None:
    """``said``: the headline; empty: what this model alone shows."""
    _controls(run, request)
    found = run.value
    if found is None:
        st.caption("The same edges over many questions: does this model think in a chain, and is what is attended to also what is used?")
        return
    with shown_errors():
        _show(found, request, card, said or _said(found))
    captions.repeat(influence_set_command(request))


def _show(found: InfluenceSet, request: InfluenceSetRequest, card: ModelCard, said: str) -> None:
    facts = [f"{found.spec.passes} passes", captions.format_set(found.spec.eval_set), f"{BY_NAMES[found.spec.by]} in place"]
    line = captions.line(*captions.format_model(card), *facts, f"n = {len(found.ids):,}", f"key {found.spec.key}")
    st.markdown(f"**{plain(said)}**")
    mass = figures.mass_panel(found.mass.value, found.uniform, "Mean attention", found.mass)
    edge = linked.segmented("Edges", "edge", tuple(EDGES), title=EDGE_NAMES.__getitem__)
    estimates = _of(found, edge)
    graph = figures.graph_panel(estimates.value, edge, estimates)
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**What a latent does to the later ones**")
        graph_grid(graph, edge)
        st.dataframe(figures.summary_table(found).round(2), hide_index=True)
        st.dataframe(figures.to_answer_table(found).round(3), hide_index=True)
    with right:
        st.markdown("**Mass by what the keys are**")
        heatgrid(mass, chosen=None, flip=True, label="Mean attention by kind of key", key="set-mass", on_pick=lambda i, k: None, hint="")
        st.markdown("**Numbers of the question, beyond their baselines**")
        above = figures.above_panel(found)
        heatgrid(above, chosen=None, flip=True, label="Mass on numbers beyond baselines", key="above", on_pick=lambda i, k: None, hint="")
        st.caption(f"Other places: those of another question's numbers. {OTHER_ORDER}")
    export_menu(
        f"codi-influence-{found.spec.key}",
        lambda: heatmap([graph], True, EDGES[edge], line),
        lambda: [table(found) for table in (figures.edges_table, figures.summary_table, figures.to_answer_table, figures.numbers_table)],
        lambda: _exported(found, request, line),
    )
    st.caption(plain(line))


def _of(found: InfluenceSet, edge: str) -> Estimates:
    if edge == "direct":
        return found.direct
    w, at = found.weights, list(EDGES).index(edge)
    return Estimates(w.value[at], w.low[at], w.high[at], w.n)


def _said(found: InfluenceSet) -> str:
    """What the answer hangs on directly, in a sentence."""
    slots = found.to_answer
    at = int(slots.value[:-1].argmin())
    who = "the numbers of the question" if slots.value[-1] < slots.value[at] else f"slot {at}"
    at = -1 if who.startswith("the") else at
    value, low, high = (decimal(float(part[at]), "+.2f") for part in (slots.value, slots.low, slots.high))
    if slots.high[at] >= 0:
        most = f"{who} most, {value} nats ({low} to {high}, n = {slots.n:,})."
        return f"Hidden from the answer alone no slot costs anything for sure: {most}"
    return f"Hiding {who} from the answer alone costs most: {value} nats of its log p ({low} to {high}, n = {slots.n:,})."


def _exported(found: InfluenceSet, request: InfluenceSetRequest, line: str) -> dict[str, Any]:
    tables = {
        "edges": figures.edges_table(found),
        "summaries": figures.summary_table(found),
        "numbers": figures.numbers_table(found),
    }
    return {
        "condition": line,
        "command": influence_set_command(request),
        "request": {**asdict(request), "kind": request.kind, "key": request.key},
        "spec": asdict(found.spec),
        **{name: table.astype(object).where(table.notna(), None).to_dict(orient="records") for name, table in tables.items()},
        "mass": found.mass.value.tolist(),
        "uniform": found.uniform.tolist(),
        "to_answer": found.to_answer.value.tolist(),
    }
