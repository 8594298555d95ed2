"""Every cell patched, over one pair or many: both ways, beside a control."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from codi_core.figures.contrast import contrast_panel, contrast_sentence, contrast_table
from codi_core.figures.lens import heatmap
from codi_core.figures.patching import PUT, map_table, recovery_panel
from codi_core.services.cards import ModelCard
from codi_core.services.patch_maps import OF_ONE_PAIR, PatchMapRequest, patch_contrast, patch_map, patch_map_command
from codi_core.ui.ablate import captions
from codi_core.ui.patch.link import CONTROLS, OVER, N
from codi_core.ui.patch.pair import ABOUT, Chosen
from codi_core.ui.shell import background, calls, url
from codi_core.ui.shell.background import Run
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import control, eval_choice, linked
from codi_core.ui.widgets.export import export_menu
from codi_core.ui.widgets.heatgrid import heatgrid
from codi_core.values.callbacks import OnWait
from codi_core.values.patching import PatchMap, PatchMapSpec
from codi_core.values.signs import decimal
from codi_core.values.stats import Contrast

SIZES = (16, 64, 128)
PICKED = "patch-picked"
TITLES = {"denoising": "Clean into corrupt", "noising": "Corrupt into clean"}


def view(chosen: Chosen, card: ModelCard) -> None:
    st.header("Every cell", anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        over = linked.segmented("Over", "over", OVER, title=lambda over: {"pairs": "pairs of an eval set", "this": "this pair"}[over])
        request = PatchMapRequest(chosen.model, chosen.clean, chosen.corrupt, passes=chosen.passes)
        controls = [kind for kind in CONTROLS if over == "pairs" or kind in OF_ONE_PAIR]
        if over == "pairs":
            choice = eval_choice.choose("templates", N, SIZES, width=230)
            request = PatchMapRequest(chosen.model, eval_set=choice.name, n=choice.n or N, passes=chosen.passes)
        donor = linked.select("Control", "donor", controls, title=PUT.__getitem__, width=260)
        twin = control.chosen(chosen.model)
    requests = {
        "denoising": replace(request, way="denoising"),
        "noising": replace(request, way="noising"),
        "control": replace(request, way=chosen.way, donor=donor),
    }
    for place, (name, one) in zip(st.columns(3, gap="medium"), requests.items(), strict=True):
        with place:
            title = f"Control: {PUT[donor]}" if name == "control" else TITLES[name]
            _panel(name, title, one, chosen, card)
    if twin is not None:
        _beside(requests[chosen.way], twin, chosen)
    st.caption(
        plain(" ".join([*ABOUT.values(), "Colours end at −1 and 1, numbers do not. z of the last pass is no cell: nothing consumes it."]))
    )


def _panel(name: str, title: str, request: PatchMapRequest, chosen: Chosen, card: ModelCard) -> None:
    st.markdown(f"**{plain(title)}**")
    with shown_errors():
        request.check()
        run = background.run_of(f"patch-{name}", request.key, lambda: _stored(request))
        background.repainted(run, lambda: _painted(name, title, run, request, chosen, card))


def _stored(request: PatchMapRequest) -> PatchMap | None:
    return next(calls.workbench().stream(patch_map, request, f"{calls.viewer()}/patches", on_wait=calls.on_wait, compute=False), None)


def _beside(request: PatchMapRequest, twin: str, chosen: Chosen) -> None:
    """The same pairs in the model's control, and the difference once both maps are complete."""
    theirs = replace(request, model=twin, pairs_of=request.model)
    left, right = st.columns(2, gap="large")
    with left, shown_errors():
        _panel("twin", f"Control: {twin}", theirs, chosen, calls.card(twin))
    runs = [
        background.run_of(f"patch-{name}", asked.key, partial(_stored, asked)) for name, asked in ((request.way, request), ("twin", theirs))
    ]
    complete = [run.value for run in runs if run.value and run.value.done == request.passes + 1]
    with right, shown_errors():
        if request.single:
            st.caption("One pair has no interval, so there is no difference to tell: choose pairs of an eval set.")
        elif len(complete) == 2:
            _difference(complete[0], complete[1], TITLES[request.way].lower())
        else:
            st.caption("The difference is told when both maps are complete, over the pairs that have a recovery in both.")


def _difference(own: PatchMap, control: PatchMap, title: str) -> None:
    found = _contrast((own.spec.key, control.spec.key), own.spec, control.spec)
    sentence = contrast_sentence(f"recovery, {title}", found, False, unit="in R")
    panel = contrast_panel("recovery R", found, False, "in R")
    st.markdown(f"**{plain(sentence)}**")
    heatgrid(panel, chosen=None, flip=False, label=f"{panel.name}: {panel.painted.title}", key="patch-beside", on_pick=_pick, hint="")
    keys = f"keys {own.spec.key} and {control.spec.key}"
    export_menu(
        f"codi-patch-control-{own.spec.key}",
        lambda: heatmap([panel], False, sentence, keys),
        lambda: [contrast_table(found)],
        lambda: {"condition": keys, "spec": asdict(own.spec), "control": asdict(control.spec), "table": _records(contrast_table(found))},
        key="export-beside",
    )
    st.caption(
        "∗ p < .05 in the whole map. The model's own pairs in both, whatever the control answers; the control is fed no latent, so its "
        "depth 0 is no cell."
    )


@st.cache_data(max_entries=8, show_spinner=False)
def _contrast(keys: tuple[str, str], _own: PatchMapSpec, _control: PatchMapSpec) -> Contrast:
    return calls.workbench().call(patch_contrast, _own, _control)


def _painted(name: str, title: str, run: Run[PatchMap], request: PatchMapRequest, chosen: Chosen, card: ModelCard) -> None:
    if st.session_state.pop(PICKED, False):
        st.rerun()  # a click in a fragment runs that alone, and the patch is shown above
    viewer, workbench, found = calls.behind(f"patch-{name}"), calls.workbench(), run.value

    def work(on_wait: OnWait) -> Iterator[PatchMap]:
        return workbench.stream(patch_map, request, viewer, on_wait=on_wait)

    done = found.done if found else 0.0
    if found is None or done < request.passes + 1 or run.running:
        with shown_errors():
            caption = f"{int(done)} of {request.passes + 1} indices patched" if found else "Answering, and choosing pairs …"
            background.controls(run, work, done / (request.passes + 1), caption, f"patch-{name}", start="Patch every cell")
    if found is None:
        return
    with shown_errors():
        _show(name, title, found, request, chosen, card)


def _show(name: str, title: str, found: PatchMap, request: PatchMapRequest, chosen: Chosen, card: ModelCard) -> None:
    panel = recovery_panel(found, title)
    heatgrid(
        panel,
        chosen=chosen.put,
        flip=False,
        label=f"{title}: {panel.painted.title}",
        key=f"patch-map-{name}",
        on_pick=_pick,
        group="patch-maps",
        hint="",
    )
    st.caption(plain(_summary(found)))
    line = captions.line(*captions.format_model(card), f"{request.passes} passes", *_pairs(request), f"key {found.spec.key}")
    with st.container(horizontal=True, vertical_alignment="center"):
        export_menu(
            f"codi-patch-map-{found.spec.key}",
            lambda: heatmap([panel], False, title, line),
            lambda: [map_table(found)],
            lambda: _exported(found, request, line),
            key=f"export-{name}",
        )
        st.caption(plain(line))
    captions.repeat(patch_map_command(request))


def _pick(index: int, depth: int) -> None:
    url.write("what", "cell")
    url.write("from", f"{index}.{depth}")
    url.write("to", "")
    st.session_state[PICKED] = True


def _pairs(request: PatchMapRequest) -> list[str]:
    right = f"both right in {request.pairs_of}" if request.pairs_of else "both right"
    return ["this pair"] if request.single else [f"{request.n} pairs of '{request.eval_set}', one template and length, {right}"]


def _summary(found: PatchMap) -> str:
    count, left = len(found.pairs), f"{found.left_out:,} left out (answers less than 1 nat apart)."
    if found.spec.donor == "same":
        return f"{count:,} pairs with one answer and other numbers: R is undefined, colours show how often the answer changed."
    best = np.unravel_index(np.nanargmax(found.recovery.value), found.recovery.value.shape) if found.recovery.n else None
    text = f"{found.recovery.n:,} of {count:,} pairs; {left}"
    if best is None:
        return text
    index, depth = (int(place) for place in best)
    low, high = float(found.recovery.low[index, depth]), float(found.recovery.high[index, depth])
    interval = "" if np.isnan(low) else f" ({decimal(low, '+.2f')} to {decimal(high, '+.2f')})"
    return f"{text} Largest R {decimal(float(found.recovery.value[index, depth]), '+.2f')}{interval} at index {index}, depth {depth}."


def _records(table: pd.DataFrame) -> Any:
    return table.astype(object).where(table.notna(), None).to_dict(orient="records")


def _exported(found: PatchMap, request: PatchMapRequest, line: str) -> dict[str, Any]:
    each = found.each.astype(object)
    each[np.isnan(found.each)] = None
    table = map_table(found)
    return {
        "condition": line,
        "command": patch_map_command(request),
        "request": {**asdict(request), "kind": request.kind, "key": request.key},
        "spec": asdict(found.spec),
        "left_out": found.left_out,
        "cells": _records(table),
        "pairs": [
            {"source": source, "target": target, "answers": answers, "recovery": rows.tolist()}
            for (source, target), answers, rows in zip(found.pairs, found.answers, each, strict=True)
        ],
    }
