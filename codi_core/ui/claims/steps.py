"""Redo Sprint #3: the experiments of the post series in their order, a step each, on the chosen model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from codi_core.services.sweeps.claims import Family, Finding
from codi_core.ui.claims import on_grids, on_latents
from codi_core.ui.claims.link import STEPS
from codi_core.ui.claims.shown import Shown
from codi_core.ui.shell import layout, url
from codi_core.ui.shell.errors import plain, shown_errors
from codi_core.ui.widgets import linked
from codi_core.ui.widgets.export import export_menu
from codi_core.values.sweep import SweepTable


@dataclass(frozen=True)
class Sweeps:
    """What the stored sweeps of the chosen model, setting and eval set say."""

    tables: dict[Family, SweepTable | None]
    findings: list[Finding]


@dataclass(frozen=True)
class Step:
    claim: str
    """What the posts say, in our words."""
    show: Callable[[str, Sweeps], Shown]
    needs_model: bool = False


TABLE: dict[str, Step] = {
    "prompt": Step(
        "Of 600 employees 30 % get promoted and 10 % a bonus: 360 get neither. The posts find 720 and 350 at latents 0 and 1, 360 nowhere, "
        "and no layer or latent where the answer stands for certain.",
        lambda model, _: on_latents.prompt(model),
        needs_model=True,
    ),
    "therefore": Step(
        "The word “therefore” is read at odd latents only, and the lens is least certain (its entropy peaks) at latents 3 and 5.",
        lambda model, _: on_latents.therefore(model),
        needs_model=True,
    ),
    "hidden": Step(
        "Adding a difference of two mean latents to a hidden state never beats the baseline; it ends like a random patch.",
        lambda model, sweeps: on_grids.grid(model, "hidden", sweeps.tables["hidden"], sweeps.findings),
    ),
    "kv": Step(
        "Added to keys and values at latent 5 instead, some differences help: six at +0.5, four at −1, best those with A = 2; and the "
        "larger the coefficient, the lower the accuracy.",
        lambda model, sweeps: on_grids.grid(model, "kv", sweeps.tables["kv"], sweeps.findings),
    ),
    "differences": Step(
        "The difference vectors themselves are read through the plain and the tuned lens: what does a push add, in words?",
        lambda model, _: on_latents.differences(model),
        needs_model=True,
    ),
    "claim": Step(
        "",
        lambda model, sweeps: on_grids.one_claim(model, sweeps.tables, sweeps.findings),
    ),
}
"""In the order of the posts; names as in `link.STEPS`."""


@st.fragment
def workflow(model: str, tables: dict[Family, SweepTable | None], findings: list[Finding]) -> None:
    """Alone on the page when another step is chosen."""
    name = linked.segmented("Redo Sprint #3, step by step", "part", list(STEPS), title=STEPS.__getitem__)
    step = TABLE[name]
    if step.claim:
        st.markdown(f"**The posts:** {plain(step.claim)}")
    with shown_errors():
        if step.needs_model and layout.open_model() is None:
            return
        _draw(name, step.show(model, Sweeps(tables, findings)), model)
    names = list(STEPS)
    if (place := names.index(name)) + 1 < len(names):
        following = names[place + 1]
        st.button(
            f"Next: {STEPS[following]}", icon=":material/arrow_forward:", on_click=url.write, args=("part", following), key="step-next"
        )


def _draw(name: str, shown: Shown, model: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="step-result"):
        if shown.badge:
            st.html(shown.badge, width="content")
        st.markdown(f"**Here:** {plain(shown.said)}", width="stretch")
        shown.live.link("Open live", width="content")
        if shown.figure is not None:
            export_menu(f"codi-sprint3-{name}-{model.rpartition('/')[2]}", shown.figure, shown.tables, shown.exported, key=f"export-{name}")
    shown.draw()
    if shown.condition:
        st.caption(plain(shown.condition))
