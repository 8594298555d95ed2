"""Two prompts side by side: a cell of one is put in the other, and the answer follows."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import streamlit as st

from codi_core.figures.grids import NONE
from codi_core.figures.lens import heatmap
from codi_core.figures.paint import paint
from codi_core.figures.panels import Panel, token_panel
from codi_core.figures.patching import WHOSE, as_json, pair_table
from codi_core.figures.text import position
from codi_core.services.cards import ModelCard
from codi_core.services.inspect import InspectRequest
from codi_core.services.patch import PatchRequest, patch_command
from codi_core.ui.ablate import captions
from codi_core.ui.patch import examples
from codi_core.ui.patch.link import WHAT
from codi_core.ui.shell import calls, url
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked, passes_choice
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.patching import WAYS, PatchedPair, PatchEffect, Way
from codi_core.values.signs import decimal

NAMES: dict[str, str] = {"denoising": "Clean into corrupt", "noising": "Corrupt into clean"}
ABOUT: dict[Way, str] = {
    "denoising": "Denoising: is the clean prompt's cell enough to bring its answer?",
    "noising": "Noising: is the clean prompt's own cell needed for its answer?",
}
WHAT_NAMES = {
    "cell": "one cell",
    "index": "all depths of an index",
    "prefix": "all up to an index",
    "suffix": "all from an index on",
    "slot": "a KV slot",
}
Cell = tuple[int, int]


@dataclass(frozen=True)
class Chosen:
    """Two prompts and what is to be put where."""

    model: str
    clean: str
    corrupt: str
    way: Way
    what: str
    taken: Cell
    put: Cell
    passes: int

    @property
    def request(self) -> PatchRequest:
        source, target = (self.clean, self.corrupt) if self.way == "denoising" else (self.corrupt, self.clean)
        return PatchRequest(self.model, source, target, self._place(self.taken), self._place(self.put), self.passes)

    def _place(self, cell: Cell) -> str:
        index, depth = cell
        places = {"index": f"{index}", "prefix": f"0-{index}", "suffix": f"{index}-{self.passes}", "slot": f"kv{index}"}
        return places.get(self.what, f"{index}.{depth}")


def choose(card: ModelCard, model: str) -> Chosen:
    """The controls, all in the URL."""
    left, right = st.columns(2, gap="large")
    with left:
        clean = linked.area("Clean prompt", "prompt", default=examples.FIRST[0], save=url.write_prompt)
    with right:
        corrupt = linked.area("Corrupt prompt", "into", default=examples.FIRST[1], save=lambda text: url.write("into", text))
    examples.gallery(_both)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        way = linked.segmented("Put", "way", WAYS, title=NAMES.__getitem__, about="\n\n".join(ABOUT.values()))
        what = linked.segmented("What", "what", WHAT, title=WHAT_NAMES.__getitem__)
        passes = passes_choice.choose(card)
    taken = url.cell_within("from", passes + 1, card.n_layers + 1) or (max(passes - 2, 0), card.n_layers)
    put = taken if what in ("prefix", "suffix") else url.cell_within("to", passes + 1, card.n_layers + 1) or taken
    return Chosen(model, clean, corrupt, way, what, taken, put, passes)


def _both(clean: str, corrupt: str) -> None:
    url.write_prompt(clean)
    url.write("into", corrupt)


def view(chosen: Chosen, card: ModelCard) -> None:
    left, middle, right = st.columns([1, 1, 0.72], gap="medium")
    found = None
    with right, shown_errors():
        found = calls.patched(chosen.request)
        _result(found, chosen, card)
    prompts: dict[Way, tuple[str, str]] = {"denoising": ("Clean", chosen.clean), "noising": ("Corrupt", chosen.corrupt)}
    panels: list[Panel] = []
    for place, (side, (name, prompt)) in zip((left, middle), prompts.items(), strict=True):
        with place, shown_errors():
            panels.append(_grid(name, prompt, side, chosen, found))
    st.caption(
        "Logit lens, top-1 tokens. Drag a cell onto one of the other prompt; or click, or press Enter on, the cell to take in one grid and "
        "the cell to put it at in the other. Red: taken and put. What is right of and above the green line, and the answer, can change."
    )
    if found is not None and len(panels) == 2:
        with st.container(horizontal=True, horizontal_alignment="right"):
            line = condition(chosen, card)
            export_menu(
                f"codi-patch-{found.key}",
                lambda: heatmap(panels, False, f"{found.source.answer.strip()} into {found.target.answer.strip()}", line),
                lambda: [pair_table(found)],
                lambda: {"condition": line, "command": patch_command(chosen.request), "request": asdict(chosen.request), **as_json(found)},
                key="export-pair",
            )
    captions.repeat(patch_command(chosen.request))


def _grid(name: str, prompt: str, side: Way, chosen: Chosen, found: PatchedPair | None) -> Panel:
    inspection = calls.inspection(InspectRequest(chosen.model, prompt, chosen.passes))
    grid = next(iter(inspection.grids.values()))
    panel = token_panel(name, grid, paint(grid, "Top-1 probability"), inspection.tracked, inspection.relations)
    source = side == chosen.way
    role = "taken from" if source else "put in"
    st.markdown(f"**{name}** · {role} · answers {plain(inspection.rollout.answer.strip()[:40] or '∅')}")
    edges = NONE if source or found is None else found.reached.edges
    heatgrid(
        panel,
        chosen=chosen.taken if source else chosen.put,
        flip=False,
        label=f"{name} prompt, {role}: top-1 token",
        key=f"patch-{side}",
        on_pick=lambda index, depth: url.write("from" if source else "to", f"{index}.{depth}"),
        edges=edges if edges else NONE,
        legend=source,
        hint="",
        drag=side,
        on_drop=lambda there, here: _dropped(there, here, "noising" if side == "denoising" else "denoising"),
    )
    return panel


def _dropped(there: Cell, here: Cell, way: Way) -> None:
    url.write("way", way)
    url.write("from", f"{there[0]}.{there[1]}")
    url.write("to", f"{here[0]}.{here[1]}")


def _result(found: PatchedPair, chosen: Chosen, card: ModelCard) -> None:
    effect = found.effect
    st.markdown(f"**{_said(chosen)}**")
    with st.container(key="answer-text"):
        st.text(effect.answer.strip()[:120] or "∅")
    st.caption(plain(f"{WHOSE[effect.follows]}; unpatched: source {found.source.answer.strip()}, target {found.target.answer.strip()}"))
    facts = {
        "Recovery R": _recovery(effect, found),
        "Random vector": f"{_recovery(found.random, found)} <small>as long, same place</small>",
        "log p of source's": f"{decimal(effect.dlog_p[0], '+.2f')} nats <small>random {decimal(found.random.dlog_p[0], '+.2f')}</small>",
        "log p of target's": f"{decimal(effect.dlog_p[1], '+.2f')} nats <small>random {decimal(found.random.dlog_p[1], '+.2f')}</small>",
        "Logit difference": f"{decimal(effect.ld, '+.2f')} <small>target {decimal(effect.ld_target, '+.2f')}, source "
        f"{decimal(effect.ld_source, '+.2f')}</small>",
        "Length put / there": "–" if effect.norm != effect.norm else f"{effect.norm:.2f}",
    }
    st.html('<dl class="facts">' + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts.items()) + "</dl>")
    for note in _notes(found, chosen):
        st.caption(plain(note))
    st.caption(plain(condition(chosen, card)))


def _said(chosen: Chosen) -> str:
    request = chosen.request
    if chosen.what != "cell":
        return f"{WHAT_NAMES[chosen.what].capitalize()}: {request.taken} → {request.put}"
    (i, d), (j, e) = chosen.taken, chosen.put
    return f"{position(i)} · layer {d} → {position(j)} · layer {e}"


def _recovery(effect: PatchEffect, found: PatchedPair) -> str:
    if effect.recovery is not None:
        return decimal(effect.recovery, "+.2f")
    return "none: both have one answer" if found.same_answer else "none: the two answers are less than 1 nat apart"


def _notes(found: PatchedPair, chosen: Chosen) -> list[str]:
    notes = ["R: 0 = as the target was, 1 = as the source is, in logits at the first token in which their answers differ."]
    if found.effect.identical:
        notes.append("Every number is the unpatched one, bit for bit.")
    if found.source.tokens != found.target.tokens:
        lengths = f"The prompts have {found.source.tokens} and {found.target.tokens} tokens"
        notes.append(f"{lengths}: what is put stands at another position" + ("; keys are turned to it." if chosen.what == "slot" else "."))
    return notes


def condition(chosen: Chosen, card: ModelCard) -> str:
    return captions.line(*captions.format_model(card), f"{chosen.passes} passes", f"key {chosen.request.key}")
