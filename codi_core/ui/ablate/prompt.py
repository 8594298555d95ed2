"""One prompt: how much of its answer hangs on each latent, by putting other latents in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import streamlit as st

from codi_core.figures import importance as figures
from codi_core.figures.ablate import SPACES
from codi_core.figures.stand_alone import stand_alone
from codi_core.figures.text import number, percent
from codi_core.services import ablate as services
from codi_core.services.ablate import ImportanceRequest, importance, importance_command
from codi_core.services.cards import ModelCard
from codi_core.services.shared.interventions import By
from codi_core.ui.ablate import captions
from codi_core.ui.ablate.link import DRAWS
from codi_core.ui.inspect import examples
from codi_core.ui.shell import background, calls, url
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked, own_gold, passes_choice
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.plot import plot
from codi_core.ui.widgets.promptbox import prompt_box
from codi_core.ui.widgets.ranking import ranking
from codi_core.values.callbacks import OnWait
from codi_core.values.latents import LatentImportance, PromptImportance
from codi_core.values.vectors import Space

PUT: dict[By, str] = {"resample": "latents of other questions", "gaussian": "Gaussian draws"}


def view(card: ModelCard, model: str) -> None:
    prompt = url.read("prompt", examples.FIRST)
    prompt_box(prompt, lambda text: calls.tokens(model, text), url.write_prompt)
    examples.gallery()
    own_gold.own_gold()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        by = st.segmented_control(
            "Put in place",
            list(PUT),
            default="resample",
            required=True,
            **linked.bound("put", PUT, "resample", lambda kind: PUT[kind]),
            help="Other questions: latents of the same index, of the split 'means'. Gaussian: draws with their mean and covariance.",
        )
        draws = st.segmented_control("Draws", DRAWS, default=32, required=True, **linked.bound("draws", DRAWS, 32))
        count = passes_choice.choose(card)
    gold, steps = own_gold.given()
    request = ImportanceRequest(model, prompt, by, draws, passes=count, gold=gold, steps=steps)
    run: Run[PromptImportance] = background.run_of("importance", request.key, lambda: None)
    if not run.started:
        run.start(_work(request))
    background.repainted(run, lambda: _panel(run, request, card))


def _work(request: ImportanceRequest) -> background.Work[PromptImportance]:
    """Bound to this session here: the work runs in another thread."""
    workbench, viewer = calls.workbench(), calls.behind("importance")

    def work(on_wait: OnWait) -> Iterator[PromptImportance]:
        return workbench.stream(importance, request, viewer, on_wait=on_wait)

    return work


def _panel(run: Run[PromptImportance], request: ImportanceRequest, card: ModelCard) -> None:
    found = run.value
    total = found.total if found else 1
    done = len(found.latents) if found else 0
    with shown_errors():
        caption = f"{done} of {total} latents replaced" if found else "Answering, and reading the latents to put in place …"
        background.controls(run, _work(request), done / total, caption, "prompt", start="Measure")
    if found is None:
        return
    with shown_errors():
        _show(found, request, card)
    captions.repeat(importance_command(request))


def _show(found: PromptImportance, request: ImportanceRequest, card: ModelCard) -> None:
    condition = captions.line(
        *captions.format_model(card),
        f"{found.passes} passes",
        f"{found.draws} draws of {request.by}",
        captions.format_means(request.means),
        f"key {found.key}",
    )
    left, right = st.columns([2.6, 1], gap="large")
    with left:
        with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            spaces = list(dict.fromkeys(latent.space for latent in found.latents))
            space: Space = st.segmented_control(
                "Latents", services.SPACES, default="z", required=True, **linked.bound("space", services.SPACES, "z", lambda s: SPACES[s])
            )
            st.space("stretch")
            table = st.toggle("Table", key="table", bind="query-params", help="The same numbers as a table")
            export_menu(
                f"codi-importance-{found.key}",
                lambda: stand_alone(figures.importance_bars(found, space), f"Latents of: {request.prompt:.90}", condition),
                lambda: [figures.importance_table(found), figures.draws_table(found)],
                lambda: _exported(found, condition, request),
            )
        if space not in spaces:
            st.caption(f"{SPACES[space]} is still to come." if len(found.latents) < found.total else f"No {space} is ever consumed here.")
        elif table:
            st.dataframe(figures.importance_table(found), hide_index=True)
        else:
            plot(lambda: figures.importance_bars(found, space), key="importance", label="What each latent is worth to this answer")
        st.caption(plain(_notes(found, space)))
        st.caption(plain(condition))
    with right:
        _answer(found)


def _notes(found: PromptImportance, space: Space) -> str:
    text = "Bars: mean over the draws with its 95 % interval; the draws are the sample, so it speaks of this prompt alone."
    if space in ("z", "h") and any(latent.space == space for latent in found.latents):
        text += f" {space} of index {found.passes} is never consumed, so it has no bar."
    return text


def _answer(found: PromptImportance) -> None:
    st.markdown("**Its own answer**")
    with st.container(key="answer-text"):
        st.text(found.answer.strip() or "∅")
    gold = "" if found.gold is None else f" · correct: {number(found.gold)}"
    st.caption(plain(f"P = {percent(found.prob)}{gold}"))
    ranking(found.top_answers, label="Alternatives for its first token", key="importance-top", on_pick=lambda token: None, hint="")
    st.markdown("**Answers with a latent replaced**")
    st.dataframe([_row(latent) for latent in sorted(found.latents, key=lambda latent: -latent.changed.value)], hide_index=True, height=280)


def _row(latent: LatentImportance) -> dict[str, Any]:
    return {
        "latent": f"{SPACES[latent.space]} {latent.index}",
        "changed": f"{latent.changed.value:.0%} ({latent.changed.low:.0%} – {latent.changed.high:.0%})",
        "answers": figures.answers_of(latent),
    }


def _exported(found: PromptImportance, condition: str, request: ImportanceRequest) -> dict[str, Any]:
    return {
        "condition": condition,
        "command": importance_command(request),
        "request": {**asdict(request), "kind": request.kind, "key": request.key},
        "answer": found.answer,
        "probability": found.prob,
        "gold": found.gold,
        "top_answers": [asdict(token) for token in found.top_answers],
        "latents": [{**asdict(latent), "change": latent.change.tolist()} for latent in found.latents],
    }
